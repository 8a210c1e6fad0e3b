"""However often the wire is cut: nothing lost, nothing twice, all in order."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.errors import NodeDown
from tests.waiting import until

from .nodes import got, wired

FAST = {
    "ping_after": 0.1,
    "dead_after": 0.3,
    "backoff_first": 0.002,
    "backoff_cap": 0.01,
}


async def burn_fuses(wires, rng, cuts, reach):
    """Cut both wires again and again, each time after some more bytes."""
    while sum(wire.cuts for wire in wires) < cuts:
        for wire in wires:
            if wire.fuse is None:
                wire.fuse = rng.randrange(1, reach)
        await trio.sleep(0.001)


async def send(node, target, count, event="put"):
    for i in range(count):
        await node.cast(target, event, i)


async def ask(node, target, answers, callers, count):
    for i in range(count):
        answers.append(await node.call(target, "add", (callers, i), timeout=60))


@pytest.mark.parametrize("seed", range(3))
async def test_casts_both_ways_survive_cuts_at_any_byte(seed):
    count = 10_000
    async with wired(config=FAST) as (a, b, wires):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(burn_fuses, wires, Random(seed), 20, 30_000)
            nursery.start_soon(send, a, "sink@b", count)
            nursery.start_soon(send, b, "sink@a", count)
        await until(lambda: len(got(a)) >= count and len(got(b)) >= count)
        assert got(a) == got(b) == list(range(count))
        assert a.kernel.links()[0].reconnects >= 5
        assert a.statistics().undelivered == b.statistics().undelivered == {}


@pytest.mark.parametrize("seed", range(3))
async def test_calls_survive_cuts_at_any_byte_and_run_once(seed):
    async with wired(config=FAST) as (a, b, wires):
        answers = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(burn_fuses, wires, Random(seed), 20, 3_000)
            for caller in range(16):
                nursery.start_soon(ask, a, "sink@b", answers, caller, 100)
        expected = [(caller, i) for caller in range(16) for i in range(100)]
        assert sorted(answers) == expected
        assert sorted(got(b)) == expected
        for caller in range(16):
            mine = [i for who, i in got(b) if who == caller]
            assert mine == list(range(100))


@pytest.mark.parametrize("seed", range(2))
async def test_large_messages_survive_cuts_in_the_middle_of_a_frame(seed):
    rng = Random(seed)
    async with wired(config=FAST) as (a, b, wires):
        blobs = [rng.randbytes(rng.randrange(1, 400_000)) for _ in range(30)]

        async def send_blobs():
            for blob in blobs:
                await a.cast("sink@b", "put", blob)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(burn_fuses, wires, rng, 15, 600_000)
            nursery.start_soon(send_blobs)
        await until(lambda: len(got(b)) >= len(blobs))
        assert got(b) == blobs


async def test_a_wire_that_falls_silent_loses_nothing():
    """Half-open: both ends believe in it, and nothing comes through."""
    async with wired(config=FAST) as (a, b, wires):
        for i in range(40):
            await a.cast("sink@b", "put", i)
            await b.cast("sink@a", "put", i)
            if i % 10 == 5:
                await until(lambda: a.kernel.is_connected("b"))
                for wire in wires:
                    wire.frozen = True
                await a.cast("sink@b", "put", "into the void")
                await until(lambda: not a.kernel.is_connected("b"))
                for wire in wires:
                    wire.frozen = False
                    wire.cut()
        await until(lambda: len(got(b)) == 44 and len(got(a)) == 40)
        assert [n for n in got(b) if n != "into the void"] == list(range(40))
        assert got(a) == list(range(40))


async def test_one_direction_that_falls_silent_loses_nothing():
    async with wired(config=FAST) as (a, b, (to_a, to_b)):
        for i in range(1000):
            await a.cast("sink@b", "put", i)
            if i == 500:
                to_b.frozen = True
        await until(lambda: not a.kernel.is_connected("b"))
        to_b.frozen = False
        to_a.cut()
        to_b.cut()
        await until(lambda: len(got(b)) >= 1000)
        assert got(b) == list(range(1000))


async def test_a_call_under_way_outlives_a_cut():
    async with wired(config=FAST) as (a, _, wires), trio.open_nursery() as nursery:
        answers = []

        async def ask():
            answers.append(await a.call("sink@b", "wait", 0.1))

        nursery.start_soon(ask)
        await until(lambda: a.statistics().pending_calls)
        for wire in wires:
            wire.cut()
        await until(lambda: answers)


async def test_a_peer_out_of_reach_is_down_and_comes_back():
    config = FAST | {"down_after": 0.1}
    async with wired(config=config) as (a, b, (to_a, to_b)):
        port, to_b.target = to_b.target, to_b.port + 1  # nobody there
        b.kernel.stop_accepting()
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(NodeDown) as caught:
                    await a.call("sink@b", "wait", 60, timeout=60)
                assert caught.value.outcome == "unknown"

            to_a.target, back = to_b.port + 1, to_a.target
            nursery.start_soon(ask)
            await until(lambda: a.statistics().pending_calls)
            to_b.cut()
            to_a.cut()
        with pytest.raises(NodeDown) as caught:
            await a.call("sink@b", "add", 1)
        assert caught.value.outcome == "not sent"
        await a.cast("sink@b", "put", "kept")
        to_b.target, to_a.target = port, back
        # `b` does not listen any more, so it has to dial.
        await b.kernel.connect(a.address)
        await until(lambda: got(b) == ["kept"])


async def test_a_cut_link_is_back_at_once():
    """Within the backoff's first pauses: a hundred times a second apart."""
    async with wired() as (a, b, wires):
        for i in range(10):
            for wire in wires:
                wire.cut()
            assert await a.call("sink@b", "add", i, timeout=2) == i
        assert got(b) == list(range(10))


async def test_bytes_flipped_on_the_way_are_noticed_and_sent_again():
    async with wired(config=FAST) as (a, b, (_, to_b)):
        forward, flips = to_b._forward, []

        async def flipping(source, sink, record):
            class Source:
                socket = source.socket

                async def receive_some(self, n):
                    data = await source.receive_some(n)
                    if record is not None and len(record) > 2000 and len(flips) < 1:
                        flips.append(1)
                        # A length that no frame may have, if it is one.
                        data = bytes([data[0] ^ 0x80]) + data[1:]
                    return data

            await forward(Source(), sink, record)

        to_b._forward = flipping
        to_b.cut()
        for count in (1000, 2000):  # the second thousand comes by itself
            for i in range(count - 1000, count):
                await a.cast("sink@b", "put", i)
            await until(lambda n=count: len(got(b)) == n)
        assert got(b) == list(range(2000))
        assert flips
        rejected = b.statistics().rejected
        assert rejected.get("seal", 0) + rejected.get("size", 0) == 1
