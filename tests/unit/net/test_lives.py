"""Nodes that end and begin anew: what becomes of what was sent to them."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit import create_cluster
from clusterkit.cluster.platform import Platform
from clusterkit.errors import (
    ConfigError,
    NameTaken,
    NodeDown,
)
from clusterkit.events import Undelivered
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import abandon, hearing, on_network, platform_on, virtual
from tests.unit.servers import Sink
from tests.waiting import until


@virtual
async def test_calls_sent_to_a_life_that_ended_fail_and_the_unsent_go_on():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", config={"down_after": 60.0}) as a:
        outcomes = []

        async def ask(seconds, name):
            try:
                outcomes.append((name, await a.call("sink@b", "sleep", seconds)))
            except NodeDown as error:
                outcomes.append((name, error.outcome))

        async with trio.open_nursery() as nursery:
            async with on_network(network, "b", actors={"sink": Sink}) as b:
                await a.kernel.connect(b.address)
                nursery.start_soon(ask, 100, "sent")
                await trio.sleep(1)
                network.crash("b")
                abandon(b)
            await trio.sleep(0.1)
            nursery.start_soon(ask, 0, "unsent")
            await trio.sleep(1)
            async with on_network(network, "b", actors={"sink": Sink}):
                await until(lambda: len(outcomes) == 2)
    assert sorted(outcomes) == [("sent", "unknown"), ("unsent", 0)]


@virtual
async def test_casts_to_a_life_that_ended_are_counted_and_the_unsent_go_on_in_order():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, hearing(a, Undelivered) as heard:
        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
            network.partition({"a"}, {"b"})
            for i in range(7):
                await a.cast("sink@b", "put", f"sent {i}")
            await trio.sleep(0.1)
            network.crash("b")
            abandon(b)
        network.heal()
        await until(lambda: not a.kernel.is_connected("b"))
        for i in range(10):
            await a.cast("sink@b", "put", i)
        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await until(lambda: heard)
            await trio.sleep(1)
            assert await b.call("sink", "read") == list(range(10))
        assert heard == [Undelivered("b", "sink", 7)]
        assert a.statistics().undelivered == {"b": 7}


@virtual
async def test_answers_meant_for_a_former_life_reach_nobody():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", actors={"sink": Sink}) as b:
        async with on_network(network, "a") as a, trio.open_nursery() as nursery:
            await a.kernel.connect(b.address)
            nursery.start_soon(a.call, "sink@b", "sleep", 20)
            await trio.sleep(1)
            network.crash("a")
            abandon(a)
            nursery.cancel_scope.cancel()
        async with on_network(network, "a") as a:
            await a.kernel.connect(b.address)
            await trio.sleep(30)
            assert a.statistics().late_replies == 0
            assert await a.call("sink@b", "read") == []


@virtual
async def test_a_node_whose_clock_was_set_back_takes_a_higher_incarnation():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", actors={"sink": Sink}) as a:
        async with on_network(network, "b") as b:
            first = b.incarnation
            await b.kernel.connect(a.address)
        late = platform_on(network, "b")
        early = Platform(
            transport=late.transport,
            rng=late.rng,
            disk=late.disk,
            wall_clock=lambda: 1_000_000_000.0,
            run_blocking=late.run_blocking,
        )
        async with create_cluster("b", "b", 7022, cookie="test", platform=early) as b:
            assert b.incarnation < first
            await b.kernel.connect(a.address)
            assert b.incarnation == first + 1
            assert await b.call("sink@a", "read") == []


@virtual
async def test_a_second_live_node_of_a_name_is_refused():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, on_network(network, "b") as b:
        await a.kernel.connect(b.address)
        await trio.sleep(1)
        async with on_network(network, "elsewhere", name_="b") as other:
            with pytest.raises(NameTaken, match="another live node is called b"):
                await other.kernel.connect(a.address)
        assert a.kernel.links()[0].address == "b:7022"
        assert a.statistics().rejected == {"name": 1}
        assert await a.ping("b") == "pong"


@virtual
async def test_a_node_that_bears_our_own_name_is_refused():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a") as a,
        on_network(network, "elsewhere", name_="a") as other,
    ):
        with pytest.raises(ConfigError):
            await other.kernel.connect(a.address)


@virtual
async def test_a_node_restarted_at_its_address_replaces_the_old_one_at_once():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b") as b:
            await a.kernel.connect(b.address)
            await until(lambda: b.kernel.is_connected("a"))
            network.crash("b", silent=True)
            abandon(b)
        async with on_network(network, "b") as b:
            began = trio.current_time()
            await b.kernel.connect(a.address)
            assert trio.current_time() - began < 0.6
            assert await a.ping("b") == "pong"


@virtual
async def test_a_node_restarted_elsewhere_replaces_one_that_does_not_answer():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b") as b:
            await a.kernel.connect(b.address)
            await until(lambda: b.kernel.is_connected("a"))
            network.crash("b", silent=True)
            abandon(b)
        async with on_network(network, "elsewhere", name_="b") as b:
            await b.kernel.connect(a.address)
            assert await a.ping("b") == "pong"
            assert a.kernel.links()[0].address == "elsewhere:7022"
