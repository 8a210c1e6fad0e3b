"""The links of a node: who may have one, and how it is given back."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.errors import (
    CallTimeout,
    ConfigError,
    NodeDown,
    NodeUnknown,
    WrongNode,
)
from clusterkit.events import LinkDown, Undelivered
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import (
    abandon,
    alone,
    cut_off,
    hearing,
    on_network,
    pair,
    statistics_of,
    virtual,
)
from tests.unit.servers import Sink
from tests.waiting import until


@virtual
async def test_a_node_cannot_connect_to_itself():
    async with alone() as node:
        with pytest.raises(ConfigError, match="itself"):
            await node.kernel.connect(node.address)


@pytest.mark.parametrize(
    "address", ["b", "b@", "b@b", "@b:1", "b@b:0", "b@b:70000", ""]
)
@virtual
async def test_what_is_no_address_cannot_be_connected(address):
    async with alone() as node:
        with pytest.raises(ConfigError):
            await node.kernel.connect(address)


@virtual
async def test_a_node_that_dials_its_own_address_under_another_name_is_told_so():
    async with alone() as node:
        with pytest.raises(WrongNode, match="a answers"):
            await node.kernel.connect("b@a:7022")


@virtual
async def test_disconnect_ends_the_link_on_both_sides():
    async with pair() as (a, b):
        async with hearing(b, LinkDown) as heard:
            await a.kernel.disconnect("b")
            await trio.sleep(1)
        assert a.kernel.links() == ()
        assert heard == [LinkDown("a", "bye")]
        assert not b.kernel.is_connected("a")


@virtual
async def test_disconnecting_an_unknown_node_does_nothing():
    async with alone() as node:
        await node.kernel.disconnect("nobody")
        await node.kernel.disconnect("a")


@virtual
async def test_a_graceful_disconnect_sends_what_is_queued_first():
    async with pair(actors={"sink": Sink}) as (a, b):
        for i in range(1000):
            a.cast_nowait("sink@b", "put", i)
        await a.kernel.disconnect("b")
        assert a.kernel.links() == ()
        assert statistics_of(b, "sink").handled == 1000
        assert a.statistics().undelivered == {}


@virtual
async def test_a_graceful_disconnect_waits_for_a_peer_that_is_away():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", "kept")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.kernel.disconnect, "b")
            await trio.sleep(3)
            a.network.heal()
        assert a.kernel.links() == ()
        assert await b.call("sink", "read") == ["kept"]


@virtual
async def test_a_graceful_disconnect_gives_up_at_its_deadline():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", "lost")
        began = trio.current_time()
        async with hearing(a, Undelivered) as heard:
            await a.kernel.disconnect("b")
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)
        assert heard == [Undelivered("b", "sink", 1)]
        a.network.heal()
        await trio.sleep(10)
        assert await b.call("sink", "read") == []


@virtual
async def test_a_forced_disconnect_does_not_wait():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", "lost")
        began = trio.current_time()
        await a.kernel.disconnect("b", force=True)
        assert trio.current_time() == began
        assert a.kernel.links() == ()
        a.network.heal()
        await trio.sleep(10)
        assert await b.call("sink", "read") == []


@virtual
async def test_a_disconnect_fails_the_calls_under_way():
    async with pair(actors={"sink": Sink}) as (a, _), trio.open_nursery() as nursery:

        async def ask():
            with pytest.raises(NodeDown) as caught:
                await a.call("sink@b", "sleep", 50)
            assert caught.value.outcome == "unknown"

        nursery.start_soon(ask)
        await trio.sleep(1)
        await a.kernel.disconnect("b", force=True)


@virtual
async def test_connect_ends_with_an_error_when_the_link_is_dropped_meanwhile():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:

        async def connect():
            with pytest.raises(NodeDown):
                await a.kernel.connect("b@b:7022")

        nursery.start_soon(connect)
        await trio.sleep(0.5)
        await a.kernel.disconnect("b", force=True)


@virtual
async def test_a_node_that_was_disconnected_can_be_connected_again():
    async with pair(actors={"sink": Sink}) as (a, b):
        for i in range(3):
            await a.cast("sink@b", "put", i)
            await a.kernel.disconnect("b")
            await a.kernel.connect(b.address)
        assert await a.call("sink@b", "read") == [0, 1, 2]


@virtual
async def test_a_reconnect_during_a_disconnect_keeps_the_link():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.kernel.disconnect, "b")
            await trio.sleep(1)
            a.network.heal()
            await a.kernel.connect(b.address)
        await trio.sleep(5)
        assert await a.call("sink@b", "read") == [1]
        assert len(a.kernel.links()) == 1


@virtual
async def test_three_nodes_talk_to_each_other():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a", actors={"sink": Sink}) as a,
        on_network(network, "b", actors={"sink": Sink}) as b,
        on_network(network, "c", actors={"sink": Sink}) as c,
    ):
        for one, other in ((a, b), (b, c), (c, a)):
            await one.kernel.connect(other.address)
        for node in (a, b, c):
            await node.abcast(["a", "b", "c"], "sink", "put", node.name)
        await trio.sleep(1)
        for node in (a, b, c):
            assert sorted(await a.call(f"sink@{node.name}", "read")) == ["a", "b", "c"]


@virtual
async def test_nodes_do_not_forward_for_each_other():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a", ring="x") as a,
        on_network(network, "b", ring="x", actors={"sink": Sink}) as b,
        on_network(network, "c", ring="x", actors={"sink": Sink}) as c,
    ):
        await a.kernel.connect(b.address)
        await b.kernel.connect(c.address)
        with pytest.raises(NodeUnknown):
            await a.call("sink@c", "read")


@virtual
async def test_a_call_ends_when_its_node_is_gone_even_without_a_timeout():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        ended = []

        async def ask():
            try:
                await a.call("sink@b", "sleep", 1e6, timeout=float("inf"))
            except NodeDown as error:
                ended.append(error.outcome)

        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
            nursery.start_soon(ask)
            await trio.sleep(1)
            network.crash("b", silent=True)
            abandon(b)
        await until(lambda: ended == ["unknown"], seconds=6)


@virtual
async def test_a_timeout_at_a_silent_node_is_a_timeout():
    async with pair(actors={"sink": Sink}) as (a, _):
        a.network.partition({"a"}, {"b"})
        with pytest.raises(CallTimeout):
            await a.call("sink@b", "read", timeout=1.5)
        a.network.heal()


@virtual
async def test_nothing_is_cast_to_a_link_that_was_given_up():
    async with pair(actors={"sink": Sink}) as (a, _):
        a.kernel.peers["b"].give_up("protocol")
        for _ in range(3):
            with pytest.raises(NodeDown, match="b is down") as caught:
                await a.cast("sink@b", "put", 1)
            assert caught.value.outcome == "not sent"
            with pytest.raises(NodeDown):
                a.cast_nowait("sink@b", "put", 1)
        assert a.kernel.links()[0].outbox == 0
        await a.kernel.connect("b@b:7022")
        await a.cast("sink@b", "put", 2)
        assert await a.call("sink@b", "read") == [2]


@virtual
async def test_a_cast_that_waits_for_room_hears_that_the_link_was_given_up():
    async with pair(actors={"sink": Sink}, config={"outbox_messages": 1}) as (a, _):
        await cut_off(a)
        a.cast_nowait("sink@b", "put", 1)

        async def cast_one():
            with pytest.raises(NodeDown):
                await a.cast("sink@b", "put", 2)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cast_one)
            await trio.sleep(0.1)
            a.kernel.peers["b"].give_up("protocol")
