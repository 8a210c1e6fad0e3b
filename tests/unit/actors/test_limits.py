"""Messages larger than the peer takes, whose limit is known only once it is up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import MessageTooLarge
from clusterkit.events import Undelivered
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import hearing, on_network, virtual

SMALL = {"max_message": 64 * 1024}
LARGE = b"x" * 200_000


class Sink(GenServer):
    def __init__(self):
        self.got = []

    @cast
    async def put(self, value):
        self.got.append(len(value))

    @call
    async def size(self, value):
        return len(value)

    @call
    async def read(self):
        return self.got


@asynccontextmanager
async def small_peer(**config):
    """`a`, which knows `b` but not that it takes little."""
    network = MemoryNetwork(Random(0))
    actors = {"sink": Sink}
    async with (
        on_network(network, "b", actors=actors, config=SMALL) as b,
        on_network(network, "a", config=config) as a,
    ):
        a.network = network
        a.kernel.know(b.info)
        yield a, b


@virtual
async def test_a_large_cast_to_a_peer_that_is_not_up_is_given_up_and_told():
    async with small_peer() as (a, _), hearing(a, Undelivered) as heard:
        for value in (b"1", LARGE, b"22"):
            a.cast_nowait("sink@b", "put", value)
        assert await a.call("sink@b", "read") == [1, 2]
        assert heard == [Undelivered("b", "sink", 1)]
        assert a.statistics().undelivered == {"b": 1}
        assert a.kernel.links()[0].reconnects == 0


@virtual
async def test_a_large_call_to_a_peer_that_is_not_up_fails_and_harms_no_other():
    async with small_peer() as (a, _):
        sizes = []

        async def ask(value):
            sizes.append(await a.call("sink@b", "size", value))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, b"1")
            with pytest.raises(MessageTooLarge, match="limit is 65536"):
                await a.call("sink@b", "size", LARGE)
            nursery.start_soon(ask, b"22")
        assert sorted(sizes) == [1, 2]
        assert a.statistics().late_replies == 0


@virtual
async def test_the_dialled_side_gives_up_what_is_too_large_as_well():
    async with small_peer() as (a, b):
        a.network.cut("a", "b")
        a.network.partition({"a"}, {"b"})
        a.cast_nowait("sink@b", "put", LARGE)
        a.cast_nowait("sink@b", "put", b"1")
        a.kernel.peers["b"].detach("test")  # so that b is the one that dials
        a.network.heal()
        await b.kernel.connect(a.address)
        assert await a.call("sink@b", "read") == [1]
        assert a.statistics().undelivered == {"b": 1}


@virtual
async def test_a_cast_that_waited_for_room_is_measured_again():
    async with small_peer(outbox_messages=1) as (a, _):
        a.network.partition({"a"}, {"b"})
        a.cast_nowait("sink@b", "put", b"1")

        async def cast_large():
            with pytest.raises(MessageTooLarge, match="65536"):
                await a.cast("sink@b", "put", LARGE)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cast_large)
            await trio.sleep(1)
            a.network.heal()
        assert await a.call("sink@b", "read") == [1]


@virtual
async def test_a_peer_that_comes_back_with_a_lower_limit_gets_no_more_than_that():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
        for value in (LARGE, b"1"):
            a.cast_nowait("sink@b", "put", value)
        async with on_network(network, "b", actors={"sink": Sink}, config=SMALL):
            assert await a.call("sink@b", "read") == [1]
        assert a.statistics().undelivered == {"b": 1}
