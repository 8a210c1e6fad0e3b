"""Tasks that end before the node's links, and are not begun after that."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from clusterkit.cluster.background import Background


async def test_what_is_spawned_runs_until_the_stop(nursery):
    background, ended = Background(), []

    async def task(name):
        try:
            await trio.sleep_forever()
        finally:
            ended.append(name)

    await nursery.start(background.run)
    background.spawn(task, "a")
    await trio.testing.wait_all_tasks_blocked()
    background.stop()
    await trio.testing.wait_all_tasks_blocked()
    assert ended == ["a"]


async def test_after_a_stop_nothing_is_started(nursery):
    background, begun = Background(), []

    async def task():
        begun.append(1)

    await nursery.start(background.run)
    background.stop()
    background.spawn(task)
    await trio.testing.wait_all_tasks_blocked()
    background.spawn(task)
    await trio.testing.wait_all_tasks_blocked()
    assert begun == []


@pytest.mark.parametrize("late", [False, True], ids=["while it ends", "after"])
async def test_after_it_was_cut_nothing_is_started(late):
    background, begun = Background(), []

    async def other():
        begun.append(1)

    async def task():
        try:
            await trio.sleep_forever()
        finally:
            background.spawn(other)  # as who is told of an end may do

    async with trio.open_nursery() as outer:
        await outer.start(background.run)
        if not late:
            background.spawn(task)
            await trio.testing.wait_all_tasks_blocked()
        outer.cancel_scope.cancel()
    background.spawn(other)
    await trio.testing.wait_all_tasks_blocked()
    assert begun == []


async def test_a_stop_before_it_runs_is_a_stop(nursery):
    background, begun = Background(), []

    async def task():
        begun.append(1)

    background.stop()
    with trio.fail_after(5):
        await background.run()
    background.spawn(task)
    await trio.testing.wait_all_tasks_blocked()
    assert begun == []
