"""How long a busy actor keeps the others waiting."""

from __future__ import annotations

from itertools import pairwise

import trio

from clusterkit import GenServer, call, cast
from clusterkit.actors.loop import STRIDE, TURN_MESSAGES, TURN_SECONDS
from tests.unit.nodes import alone, statistics_of, virtual


class Computing(GenServer):
    """Computes for a while: time passes in which no task can run."""

    mailbox = 50_000

    def __init__(self):
        self.done = 0

    @cast
    async def compute(self, seconds):
        trio.lowlevel.current_clock().jump(seconds)
        self.done += 1

    @cast
    async def wait(self):
        await trio.sleep(1000)

    @call
    async def read(self):
        return self.done


async def longest_hold(node, costs):
    """The longest time that nobody else could run while `costs` are handled.

    Two turns at most: a pass of the scheduler may begin with the one task and
    the next with the other.
    """
    server, gaps = node._runtime.local("x").server, []
    last = server.done + len(costs)
    for cost in costs:
        node.cast_nowait("x", "compute", cost)
    while server.done < last:
        before = trio.current_time()
        await trio.lowlevel.checkpoint()
        gaps.append(trio.current_time() - before)
    return max(gaps)


@virtual
async def test_handlers_longer_than_a_turn_let_others_run_after_each():
    async with alone() as node:
        await node.start("x", Computing)
        assert await longest_hold(node, [0.01] * 32) < 0.021


@virtual
async def test_a_turn_of_short_handlers_ends_in_time():
    async with alone() as node:
        await node.start("x", Computing)
        cost = TURN_SECONDS / 20
        hold = await longest_hold(node, [cost] * 500)
        assert TURN_SECONDS <= hold + 1e-9 < 2 * 1.2 * TURN_SECONDS


@virtual
async def test_slow_handlers_are_noticed_again_in_every_turn():
    async with alone() as node:
        await node.start("x", Computing)
        costs = [0.0] * 40 + [0.01] * 200
        # Once, after fast ones, a stretch of 32 may pass without a look.
        await longest_hold(node, costs)
        assert await longest_hold(node, [0.01] * 200) < 0.021


@virtual
async def test_a_turn_is_bounded_in_messages_where_time_stands_still():
    async with alone() as node:
        ref = await node.start("x", Computing)
        server, turns = node._runtime.local("x").server, [0]
        for _ in range(20_000):
            ref.cast_nowait(Computing.compute, 0.0)
        while server.done < 20_000:
            await trio.lowlevel.checkpoint()
            turns.append(server.done)
        # Two turns may follow each other, as above.
        most = max(after - before for before, after in pairwise(turns))
        assert TURN_MESSAGES <= most < 2 * (TURN_MESSAGES + STRIDE)


@virtual
async def test_the_statistics_count_what_a_busy_actor_has_handled():
    async with alone() as node:
        ref = await node.start("x", Computing)
        for _ in range(64):
            ref.cast_nowait(Computing.compute, 0.0)
        ref.cast_nowait(Computing.wait)
        await trio.sleep(1)
        assert 64 - STRIDE < statistics_of(node, "x").handled <= 64


@virtual
async def test_the_statistics_follow_an_actor_that_waits_in_each_handler():
    class Slow(GenServer):
        @cast
        async def work(self):
            await trio.sleep(0.05)

    async with alone() as node:
        ref = await node.start("x", Slow)
        for _ in range(30):
            ref.cast_nowait(Slow.work)
        await trio.sleep(0.05 * 15.5)
        assert statistics_of(node, "x").handled == 15
