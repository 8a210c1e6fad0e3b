"""Streams over real sockets: large, slow, cut, and at the end of a process."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
import trio

from clusterkit import Stream, call, stream
from clusterkit.errors import ActorDown, NodeDown
from tests.waiting import until

from .nodes import Sink, linked, wired
from .test_cuts import FAST, burn_fuses

SIZE = 8 * 1024 * 1024


class Disk(Sink):
    """Streams random bytes of a seed, and digests what it is sent."""

    def __init__(self):
        super().__init__()
        self.sent = 0
        self.ended = []

    @stream
    async def read(self, out: Stream, seed, size):
        rng = Random(seed)
        try:
            while self.sent < size:
                piece = rng.randbytes(min(size - self.sent, 100_000))
                await out.send(piece)
                self.sent += len(piece)
        finally:
            self.ended.append(self.sent)
        return self.sent

    @stream
    async def digest(self, incoming: Stream):
        sha = hashlib.sha256()
        async for piece in incoming:
            sha.update(piece)
        return sha.hexdigest()

    @call
    async def ping(self):
        return "pong"


DISKS = {"sink": Disk}


def server(node):
    return node._runtime.local("sink").server


def expected(seed, size):
    return Random(seed).randbytes(size)


async def test_much_goes_both_ways_at_once_and_arrives_whole():
    async with linked(actors=DISKS) as (a, b):
        data = expected(1, SIZE)
        got = []

        async def read():
            async with a.stream("sink@b", "read", 2, SIZE) as s:
                got.append(await s.collect())
                assert await s.result() == SIZE

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            async with a.stream("sink@b", "digest") as s:
                await s.send(data)
                assert await s.finish() == hashlib.sha256(data).hexdigest()
        rng = Random(2)
        parts = [rng.randbytes(min(100_000, SIZE - n)) for n in range(0, SIZE, 100_000)]
        assert got == [b"".join(parts)]
        assert server(b).ended == [SIZE]


@pytest.mark.parametrize("seed", range(2))
async def test_streams_survive_cuts_at_any_byte(seed):
    rng = Random(seed)
    data = rng.randbytes(SIZE // 4)
    async with wired(config=FAST, actors=DISKS) as (a, b, wires):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(burn_fuses, wires, rng, 15, 300_000)

            async def write(node, where):
                async with node.stream(f"sink@{where}", "digest") as s:
                    for start in range(0, len(data), 10_000):
                        await s.send(data[start : start + 10_000])
                        await trio.sleep(0.001)
                    assert await s.finish() == hashlib.sha256(data).hexdigest()

            nursery.start_soon(write, a, "b")
            nursery.start_soon(write, b, "a")
        assert a.kernel.links()[0].reconnects >= 3
        assert a.statistics().stray_chunks == b.statistics().stray_chunks == 0


async def test_a_reader_that_stands_still_holds_up_nobody_else():
    async with linked(actors=DISKS) as (a, b):
        async with a.stream("sink@b", "read", 1, 10 * SIZE) as s:
            assert await anext(s)
            await until(lambda: server(b).sent > 0)
            for _ in range(100):
                assert await a.call("sink@b", "ping") == "pong"
            assert server(b).sent < 2_000_000
        await until(lambda: server(b).ended)


async def test_streams_end_with_a_node_that_ends():
    async with linked(actors=DISKS) as (a, b):
        async with a.stream("sink@b", "read", 1, 10**9) as s:
            assert await anext(s)
            await b.shutdown(timeout=1)
            with pytest.raises((ActorDown, NodeDown)):
                await s.collect(limit=10**10)
        assert b._runtime.registry.get("sink") is None
