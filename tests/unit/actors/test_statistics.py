"""What the statistics of an actor count."""

from __future__ import annotations

import msgpack
import trio

from clusterkit.wire import messages as m
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.unit.servers import Fragile, crashed
from tests.waiting import until


@virtual
async def test_casts_queued_behind_a_crash_are_counted():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        for _ in range(4):
            ref.cast_nowait(Fragile.break_down)
        await until(lambda: statistics_of(node, "x").restarts == 1)
        assert statistics_of(node, "x").dropped == 3


@virtual
async def test_messages_handled_before_a_crash_are_counted():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        for _ in range(4):
            await ref.call(Fragile.add)
        await crashed(ref)
        await until(lambda: statistics_of(node, "x").restarts == 1)
        assert statistics_of(node, "x").handled == 5


@virtual
async def test_the_statistics_describe_an_actor():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        await ref.call(Fragile.add)
        await trio.testing.wait_all_tasks_blocked()
        found = statistics_of(node, "x")
        assert (found.name, found.type, found.state) == ("x", "Fragile", "running")
        assert (found.mailbox, found.handled, found.dropped, found.restarts) == (
            0,
            1,
            0,
            0,
        )


@virtual
async def test_an_actor_that_is_being_restarted_says_so():
    class Slow(Fragile):
        lives = 0

        async def init(self):
            Slow.lives += 1
            if Slow.lives > 1:
                await trio.sleep(10)

    async with alone() as node:
        ref = await node.start("x", Slow)
        await crashed(ref)
        await trio.sleep(1)
        assert statistics_of(node, "x").state == "restarting"
        await trio.sleep(10)
        assert statistics_of(node, "x").state == "running"


@virtual
async def test_casts_to_nobody_are_counted_where_they_arrive():
    async with pair() as (a, b):
        for node in (a, b):
            await node.cast("nobody@b", "put", 1)
        await until(lambda: b.statistics().unknown_casts == 2)
        assert a.statistics().unknown_casts == 0


@virtual
async def test_casts_that_cannot_be_built_are_counted_across_connections():
    nonsense = msgpack.packb([m.CAST, "x", "add", [msgpack.ExtType(99, b"")], None])
    async with pair() as (a, b):
        for _ in range(2):
            link = a.kernel.peers["b"]
            link.post(nonsense, m.CAST, "x")
            link.wake()
            await trio.sleep(1)
            a.network.cut("a", "b")
            await trio.sleep(1)
            a.network.heal()
            await a.kernel.connect("b@b:7022")
        assert (a.statistics().undecodable, b.statistics().undecodable) == (0, 2)
