"""Streams in all weathers: every byte once and in order, or an error at both ends."""

from __future__ import annotations

import math
import zlib

import pytest
import trio

from clusterkit import Config, GenServer, Stream, stream
from clusterkit.errors import ActorDown, NodeDown, StreamError
from clusterkit.testing.sim import simulate

from .rings import at
from .test_links_traffic import cuts, storm

ENDS = (NodeDown, ActorDown, StreamError)


class Bytes(GenServer):
    """Sends and takes bytes that tell where in the stream they are."""

    def __init__(self):
        self.running = 0
        self.wrong = 0

    @stream
    async def read(self, out: Stream, sizes, pause):
        with self.counted():
            offset = 0
            for size in sizes:
                await out.send(marked(offset, size))
                offset += size
                await trio.sleep(pause)
            return offset

    @stream
    async def write(self, incoming: Stream, pause):
        with self.counted():
            offset = 0
            async for piece in incoming:
                self.wrong += piece != marked(offset, len(piece))
                offset += len(piece)
                await trio.sleep(pause)
            return offset

    @stream
    async def echo(self, both: Stream):
        with self.counted():
            async for message in both:
                await both.send(message)
            return zlib.crc32(b"done")

    def counted(self):
        return Counted(self)


class Counted:
    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.server.running += 1

    def __exit__(self, *_):
        self.server.running -= 1


MARKS = bytes((place * 2654435761 >> 16) & 255 for place in range(300_000))


def marked(offset, size):
    """Bytes that tell their place in the stream."""
    return MARKS[offset : offset + size]


async def two(sim, **config):
    options = {"actors": {"bytes": Bytes}, "config": Config(**config)}
    a = await sim.start("a", **options)
    b = await sim.start("b", **options)
    await a.meet(at("b"))
    return a, b


def sizes(rng, total):
    made = []
    while total > 0:
        made.append(min(total, rng.choice((1, 100, 3_000, 40_000))))
        total -= made[-1]
    return made


async def read(node, where, rng, total):
    plan = sizes(rng, total)
    offset, slow = 0, rng.random() * 0.02
    ref = node.ref(Bytes, "bytes", at=where)
    async with ref.stream(Bytes.read, plan, rng.random() * 0.02) as s:
        async for piece in s:
            assert piece == marked(offset, len(piece))
            offset += len(piece)
            await trio.sleep(slow)
        assert await s.result() == offset == total


async def write(node, where, rng, total):
    ref = node.ref(Bytes, "bytes", at=where)
    offset, slow = 0, rng.random() * 0.02
    async with ref.stream(Bytes.write, rng.random() * 0.02) as s:
        for size in sizes(rng, total):
            await s.send(marked(offset, size))
            offset += size
            await trio.sleep(slow)
        assert await s.finish() == total


async def converse(node, where, rng, count):
    got = []
    ref = node.ref(Bytes, "bytes", at=where)
    async with ref.stream(Bytes.echo) as s, trio.open_nursery() as nursery:

        async def send():
            for number in range(count):
                await s.send([number, "x" * rng.randrange(200)])
                if rng.random() < 0.1:
                    await trio.sleep(rng.random() * 0.05)
            s.end()

        nursery.start_soon(send)
        async for message in s:
            got.append(message[0])
        assert await s.result() == zlib.crc32(b"done")
    assert got == [*range(count)]


WEATHERS = {
    "cuts": lambda sim: cuts(sim, 60, 20),
    "storms": lambda sim: storm(sim, 40, 20),
}


@pytest.mark.parametrize("weather", WEATHERS.values(), ids=WEATHERS)
def test_every_byte_comes_once_and_in_order_while_both_nodes_live(weather, sim_seed):
    async def main(sim):
        a, b = await two(sim, down_after=60.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(weather(sim))
            for node, where in ((a, "b"), (b, "a")):
                nursery.start_soon(read, node, where, sim.rng, 300_000)
                nursery.start_soon(write, node, where, sim.rng, 300_000)
                nursery.start_soon(converse, node, where, sim.rng, 500)
        sim.heal()
        await rests(sim)

    simulate(main, seed=sim_seed)


async def echo_large(node, where, rng, count):
    """Send messages of many pieces, among small ones, and get them back."""
    sizes = [rng.choice((10, 70_000, 500_000)) for _ in range(count)]
    ref = node.ref(Bytes, "bytes", at=where)
    async with ref.stream(Bytes.echo) as s, trio.open_nursery() as nursery:

        async def send():
            for number, size in enumerate(sizes):
                await s.send([number, "x" * size])
            s.end()

        nursery.start_soon(send)
        got = [[number, len(text)] async for number, text in s]
        assert got == [[n, size] for n, size in enumerate(sizes)]
        assert await s.result() == zlib.crc32(b"done")


def test_large_messages_of_a_stream_stay_in_order_and_let_calls_pass(sim_seed):
    async def main(sim):
        a, b = await two(sim, down_after=60.0)
        sim.delay("a", "b", 0.005)
        slowest = 0.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cuts(sim, 5, 2))
            nursery.start_soon(echo_large, a, "b", sim.rng, 30)
            nursery.start_soon(echo_large, b, "a", sim.rng, 30)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo_large, a, "b", sim.rng, 30)
            for _ in range(50):
                began = sim.now
                assert await a.ping("b") == "pong"
                slowest = max(slowest, sim.now - began)
        assert slowest < 0.1
        await rests(sim)

    simulate(main, seed=sim_seed)


async def rests(sim):
    """Wait until nothing is left of any stream, and nothing was ever wrong."""
    with trio.fail_after(60):
        while not all(rests_on(node) for node in sim.nodes.values()):
            await trio.sleep(0.1)
    for node in sim.nodes.values():
        assert node._runtime.local("bytes").server.wrong == 0


def rests_on(node):
    server = node._runtime.local("bytes").server
    peers = node.kernel.peers.values()
    interest = sum(peer.interest for peer in peers)
    return (node.statistics().streams, server.running, interest) == (0, 0, 0)


async def may_fail(use, *args):
    try:
        await use(*args)
    except* ENDS:
        pass  # what is left of it is looked at in the end


def test_a_stream_that_is_lost_is_lost_at_both_ends(sim_seed):
    """Partitions long enough to be noticed, by one side first, and crashes."""

    async def main(sim):
        a, _ = await two(sim)

        async def weather():
            for _ in range(12):
                await trio.sleep(sim.rng.random() * 3)
                if sim.rng.random() < 0.25:
                    await sim.crash("b")
                    await trio.sleep(sim.rng.random())
                    await sim.restart("b")
                else:
                    sim.partition({"a"}, {"b"})
                    sim.cut("a", "b")
                    await trio.sleep(sim.rng.uniform(1.8, 2.6))
                    sim.heal()

        async def work(use, size):
            while not done:
                await may_fail(use, a, "b", sim.rng, size)
                await trio.sleep(sim.rng.random())

        done = []
        async with trio.open_nursery() as nursery:
            for use, size in ((read, 200_000), (write, 200_000), (converse, 200)):
                nursery.start_soon(work, use, size)
            await weather()
            done.append(True)
        await rests(sim)

    simulate(main, seed=sim_seed)


def test_a_stream_gives_the_same_run_for_the_same_seed(sim_seed):
    async def main(sim):
        a, b = await two(sim, stream_timeout=math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cuts(sim, 10, 5))
            nursery.start_soon(converse, a, "b", sim.rng, 200)
            nursery.start_soon(read, b, "a", sim.rng, 100_000)

    assert simulate(main, seed=sim_seed).hash == simulate(main, seed=sim_seed).hash
