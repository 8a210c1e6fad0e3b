"""What is dropped and refused is counted at once, and told once in a while."""

from __future__ import annotations

import logging

import trio

from clusterkit.actors.accounts import Accounts
from clusterkit.actors.dropped import MOST_KINDS, MOST_TEXT
from clusterkit.events import Busy, Dropped
from tests.unit.nodes import virtual


class Bench:
    """An `Accounts` with what it has told."""

    def __init__(self, nursery):
        self.told = []
        self.begun = 0
        self.accounts = Accounts(self.spawn, self.told.append, 1.0)
        self._nursery = nursery

    def spawn(self, task):
        self.begun += 1
        self._nursery.start_soon(task)


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "clusterkit.actors"]


@virtual
async def test_many_of_a_kind_are_one_event_with_their_number():
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        for _ in range(1000):
            bench.accounts.drop("mailbox_oldest", peer="b", actor="x")
            bench.accounts.refuse("outbox_full", peer="b", actor="x")
        assert bench.accounts.dropped == {"mailbox_oldest": 1000}
        assert bench.accounts.busy == {"outbox_full": 1000}
        await trio.sleep(0.99)
        assert bench.told == []
        await trio.sleep(0.02)
    assert bench.told == [
        Dropped("mailbox_oldest", "b", "x", 1000),
        Busy("outbox_full", "b", "x", 1000),
    ]
    assert bench.begun == 1


@virtual
async def test_what_comes_later_is_told_later_and_nothing_is_told_twice():
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        for n in (1, 2, 3):
            bench.accounts.drop("no_actor", peer="b", actor="x", n=n)
            await trio.sleep(5)
    assert [event.n for event in bench.told] == [1, 2, 3]


@virtual
async def test_nothing_is_nothing_to_tell():
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        bench.accounts.drop("actor_ended", actor="x", n=0)
        await trio.sleep(2)
    assert (bench.told, bench.accounts.dropped) == ([], {})


@virtual
async def test_a_peer_that_makes_up_names_is_told_of_in_a_bounded_way():
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        for i in range(MOST_KINDS + 50):
            bench.accounts.drop("no_actor", peer="b", actor=f"{i}")
        await trio.sleep(2)
    assert len(bench.told) == MOST_KINDS + 1
    assert bench.told[-1] == Dropped("no_actor", "", "", 50)
    assert sum(event.n for event in bench.told) == MOST_KINDS + 50


@virtual
async def test_a_name_that_is_none_is_cut():
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        bench.accounts.drop("no_actor", peer="b", actor="x" * 1_000_000)
        await trio.sleep(2)
    (event,) = bench.told
    assert len(event.actor) <= MOST_TEXT + 1


@virtual
async def test_the_log_has_a_line_every_ten_seconds_at_most(caplog):
    caplog.set_level(logging.INFO)
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        for _ in range(25):
            bench.accounts.drop("mailbox_full", peer="b", actor="x")
            bench.accounts.drop("late_reply", peer="b")
            await trio.sleep(1.001)
    assert len(bench.told) == 50
    assert lines(caplog) == [
        "dropped reason=mailbox_full peer=b actor=x n=1",
        "dropped reason=late_reply peer=b n=1",
        "dropped reason=mailbox_full peer=b actor=x n=1 more=9",
        "dropped reason=late_reply peer=b n=1 more=9",
        "dropped reason=mailbox_full peer=b actor=x n=1 more=9",
        "dropped reason=late_reply peer=b n=1 more=9",
    ]
    levels = {r.levelname: r.getMessage().split()[1] for r in caplog.records}
    assert levels == {"WARNING": "reason=mailbox_full", "INFO": "reason=late_reply"}


@virtual
async def test_casts_that_have_a_line_of_their_own_are_not_said_again(caplog):
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery)
        bench.accounts.drop("no_actor", peer="b", actor="x")
        bench.accounts.drop("no_handler", peer="b", actor="x")
        await trio.sleep(2)
    assert len(bench.told) == 2
    assert lines(caplog) == []
