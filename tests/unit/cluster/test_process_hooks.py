"""Hooks after a change of the ring: order, business, failure."""

import logging

import pytest
import trio
import trio.testing

from clusterkit.cluster.process_hooks import ProcessHooks
from clusterkit.core import HashRing

EMPTY = HashRing()
ONE = EMPTY.insert("a@h:1")
TWO = ONE.insert("b@h:2")


@pytest.fixture
async def hooks(nursery):
    made = ProcessHooks()
    nursery.start_soon(made.run)
    await trio.testing.wait_all_tasks_blocked()
    return made


async def test_changes_are_processed_one_after_the_other(hooks):
    seen = []

    async def hook(old, new):
        seen.append(("begin", old, new))
        await trio.lowlevel.checkpoint()
        seen.append(("end", old, new))

    hooks.add(hook)
    hooks.put(EMPTY, ONE)
    hooks.put(ONE, TWO)
    await hooks.idle()
    assert seen == [
        ("begin", EMPTY, ONE),
        ("end", EMPTY, ONE),
        ("begin", ONE, TWO),
        ("end", ONE, TWO),
    ]


async def test_a_plain_function_will_do(hooks):
    seen = []
    hooks.add(lambda old, new: seen.append(new))
    hooks.put(EMPTY, ONE)
    await hooks.idle()
    assert seen == [ONE]


async def test_busy_until_the_hook_returns(hooks):
    gate = trio.Event()

    async def hook(old, new):
        await gate.wait()

    hooks.add(hook)
    hooks.put(EMPTY, ONE)
    await trio.testing.wait_all_tasks_blocked()
    assert hooks.busy
    gate.set()
    await hooks.idle()
    assert not hooks.busy


async def test_without_hooks_a_change_makes_nothing_busy(hooks):
    hooks.put(EMPTY, ONE)
    assert not hooks.busy


async def test_a_hook_can_tell_that_it_is_one(hooks):
    seen = []
    hooks.add(lambda old, new: seen.append(hooks.inside))
    hooks.put(EMPTY, ONE)
    await hooks.idle()
    assert seen == [True]
    assert not hooks.inside


async def test_a_hook_that_raises_is_logged_and_the_next_one_runs(hooks, caplog):
    seen = []

    def bad(old, new):
        raise ValueError("broken hook")

    hooks.add(bad)
    hooks.add(lambda old, new: seen.append(new))
    with caplog.at_level(logging.ERROR, "clusterkit.cluster"):
        hooks.put(EMPTY, ONE)
        hooks.put(ONE, TWO)
        await hooks.idle()
    assert seen == [ONE, TWO]
    assert "process_hook_failed" in caplog.text
    assert "broken hook" in caplog.text


async def test_a_task_that_a_hook_starts_is_inside_too(hooks):
    seen = []

    async def child():
        seen.append(hooks.inside)

    async def hook(old, new):
        async with trio.open_nursery() as inner:
            inner.start_soon(child)

    hooks.add(hook)
    hooks.put(EMPTY, ONE)
    await hooks.idle()
    assert seen == [True]


async def test_a_task_that_outlives_its_hook_is_not_inside_any_more(hooks, nursery):
    seen, gate = [], trio.Event()

    async def straggler():
        await gate.wait()
        seen.append(hooks.inside)

    async def first(old, new):
        nursery.start_soon(straggler)

    async def second(old, new):
        gate.set()
        await trio.testing.wait_all_tasks_blocked()

    hooks.add(first)
    hooks.add(second)
    hooks.put(EMPTY, ONE)
    await hooks.idle()
    assert seen == [False]


async def test_a_hook_is_not_inside_another_rings(hooks, nursery):
    others, seen = ProcessHooks(), []
    nursery.start_soon(others.run)
    hooks.add(lambda old, new: seen.append(others.inside))
    hooks.put(EMPTY, ONE)
    await hooks.idle()
    assert seen == [False]
