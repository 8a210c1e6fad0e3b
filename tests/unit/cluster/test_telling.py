"""Telling neighbours: one message under way to each, and nothing twice."""

from __future__ import annotations

import itertools
from random import Random

import pytest
import trio
import trio.testing

from clusterkit.cluster.telling import FIRST_PAUSE, LAST_PAUSE, Telling
from clusterkit.errors import NodeDown


class Tasks:
    """Stands for the runtime: it runs tasks."""

    def __init__(self, nursery):
        self.spawn = nursery.start_soon


@pytest.fixture
async def tasks(nursery):
    return Tasks(nursery)


async def test_what_comes_up_meanwhile_goes_with_the_next(tasks, autojump_clock):
    told = []

    async def tell(peer, names):
        told.append((peer, names))
        await trio.sleep(1)
        return {}

    telling = Telling(tasks, Random(1), tell)
    telling.add("a", {"x": 1})
    telling.add("a", {"x": 2, "y": 3})
    await trio.sleep(0.5)
    assert told == [("a", {"x": 1, "y": 3})]
    for n in range(10):
        telling.add("a", {f"z{n}": n})
    telling.add("b", {"x": 9})
    await trio.sleep(5)
    assert told[1] == ("b", {"x": 9})
    assert told[2:] == [("a", {f"z{n}": n for n in range(10)})]


async def test_the_pause_grows_while_there_is_no_end_of_news(tasks, autojump_clock):
    times = []

    async def tell(peer, names):
        times.append(trio.current_time())
        return {"x": 1}

    telling = Telling(tasks, Random(1), tell)
    telling.add("a", {"x": 1})
    await trio.sleep(10)
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert pauses[0] < LAST_PAUSE / 4
    assert max(pauses) <= LAST_PAUSE
    assert min(pauses[5:]) >= LAST_PAUSE / 2


@pytest.mark.parametrize("error", [NodeDown("gone"), ValueError("nonsense")])
async def test_what_cannot_be_told_is_dropped_and_counted(tasks, autojump_clock, error):
    fails = [True]
    told = []

    async def tell(peer, names):
        if fails.pop() if fails else False:
            raise error
        told.append(names)
        return {}

    telling = Telling(tasks, Random(1), tell)
    telling.add("a", {"x": 1})
    await trio.sleep(1)
    assert telling.failed == 1
    telling.add("a", {"y": 2})
    await trio.sleep(1)
    assert told == [{"y": 2}]


async def test_who_waits_goes_on_when_all_have_heard(tasks, autojump_clock):
    heard = []

    async def tell(peer, names):
        await trio.sleep({"a": 1, "b": 3}[peer])
        heard.append(peer)
        return {}

    telling = Telling(tasks, Random(1), tell)
    await telling.told("x", bool)
    telling.add("a", {"x": 1})
    telling.add("b", {"x": 1})
    await telling.told("x", bool)
    assert heard == ["a", "b"]


async def test_who_waits_goes_on_when_enough_was_told_of_a_long_one(
    tasks, autojump_clock
):
    took = []

    async def tell(peer, names):
        took.append(trio.current_time())
        return {"x": len(took)}  # there is always more of it

    telling = Telling(tasks, Random(1), tell)
    telling.add("a", {"x": 0})
    await telling.told("x", lambda known: known >= 20)
    assert len(took) == 20
    assert took[-1] - took[0] <= 19 * FIRST_PAUSE  # and does not wait for its turn


async def test_news_without_end_holds_nobody_who_waits(tasks, autojump_clock):
    told = []

    async def tell(peer, names):
        await trio.sleep(1)
        told.append(names)
        return {"other": len(told)}

    telling = Telling(tasks, Random(1), tell)
    telling.add("a", {"other": 0})
    await trio.sleep(0.5)  # what is under way now is without what comes
    telling.add("a", {"x": 1})
    with trio.fail_after(5):
        await telling.told("x", bool)
    assert told == [{"other": 0}, {"x": 1, "other": 1}]


async def test_a_neighbour_that_cannot_be_told_holds_nobody_who_waits(
    tasks, autojump_clock
):
    async def tell(peer, names):
        await trio.sleep(1)
        raise NodeDown("gone")

    telling = Telling(tasks, Random(1), tell)
    telling.add("a", {"x": 1})
    await trio.sleep(0.5)
    telling.add("a", {"y": 1})  # dropped with the other
    with trio.fail_after(5):
        await telling.told("y", bool)
    assert telling.failed == 1
