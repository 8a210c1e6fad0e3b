"""Somebody on the wire: nothing recorded, repeated or reflected is delivered."""

from __future__ import annotations

import struct
from random import Random

import trio
import trio.lowlevel

from clusterkit.events import LinkDown
from tests.waiting import until

from .nodes import got, is_closed, running, say, stranger, wired


async def test_a_frame_sent_twice_on_its_connection_is_delivered_once():
    async with wired() as (a, b, (_, to_b)):
        await a.call("sink@b", "add", 0)
        to_b.twice = True
        for i in range(1, 10):
            await a.cast("sink@b", "put", i)
            await trio.lowlevel.checkpoint()
        await until(lambda: b.statistics().rejected.get("seal") == 1)
        await until(lambda: len(got(b)) == 10)
        assert await a.call("sink@b", "read") == list(range(10))


async def test_a_frame_sent_back_to_its_sender_is_refused():
    async with wired() as (a, b, (_, to_b)):
        to_b.reflects = True
        await a.call("sink@b", "add", 1)
        await until(lambda: b.statistics().rejected.get("seal") == 1)
        assert await a.call("sink@b", "read") == [1]


async def test_a_recorded_connection_played_again_delivers_nothing():
    async with wired() as (a, b, (_, to_b)):
        for i in range(5):
            await a.call("sink@b", "add", i)
        recorded = bytes(to_b.recorded[0])
        assert b"sink" in recorded
        async with stranger(b) as stream:
            await say(stream, recorded)
            await is_closed(stream)
        assert await a.call("sink@b", "read") == list(range(5))
        assert a.kernel.links()[0].reconnects == 0
        assert sum(b.statistics().rejected.values()) == 1


async def test_a_recorded_connection_played_to_another_node_delivers_nothing():
    async with wired() as (a, _, (_, to_b)), running("c") as c:
        for i in range(5):
            await a.call("sink@b", "add", i)
        async with stranger(c) as stream:
            await say(stream, bytes(to_b.recorded[0]))
            await is_closed(stream)
        assert got(c) == []
        assert c.kernel.links() == ()


async def test_a_recorded_proof_is_worth_nothing_under_another_challenge():
    """Played step by step, as a dialler would, not in one go."""
    async with wired() as (a, b, (_, to_b)):
        await a.call("sink@b", "add", 0)
        recorded = bytes(to_b.recorded[0])
        first = 4 + struct.unpack(">I", recorded[:4])[0]
        async with stranger(b) as stream:
            await say(stream, recorded[:first])
            assert await stream.receive_some()
            await say(stream, recorded[first:])
            await is_closed(stream)
        assert b.statistics().rejected == {"cookie": 1}
        assert await a.call("sink@b", "read") == [0]


async def test_garbage_on_an_open_connection_costs_only_the_connection():
    rng = Random(2)
    for junk in (bytes(100), rng.randbytes(1000), struct.pack(">I", 1 << 31)):
        async with wired() as (a, b, (_, to_b)):
            await a.cast("sink@b", "put", 1)
            async with b.events(LinkDown) as events:
                await to_b.inject(junk)
                with trio.fail_after(5):
                    await anext(events)
            await a.cast("sink@b", "put", 2)
            await until(lambda: len(got(b)) == 2)
            assert got(b) == [1, 2]
            assert sum(b.statistics().rejected.values()) == 1
