"""Nodes that were not met, or may not be: nothing of them stays behind."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.errors import NodeDown, NodeUnknown, WrongRing
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import alone, on_network, virtual


def links(node):
    return {link.peer: link for link in node.kernel.links()}


@virtual
async def test_a_node_that_was_not_met_is_not_known():
    async with alone() as a:
        with pytest.raises(NodeDown):
            await a.meet("ghost@a:7999", timeout=3.0)
        assert links(a) == {}
        with pytest.raises(NodeUnknown):
            await a.cast("x@ghost", "y")


@virtual
async def test_what_waits_for_a_node_is_kept_when_it_is_not_met():
    async with alone(config={"drain_timeout": 0.1}) as a:
        await a.cast("x@ghost@a:7999", "y")
        with pytest.raises(NodeDown):
            await a.meet("ghost@a:7999", timeout=3.0)
        assert links(a)["ghost"].outbox == 1
        await a.cast("x@ghost", "y")
        assert links(a)["ghost"].outbox == 2


@virtual
async def test_a_member_that_is_away_stays_known():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", config={"drain_timeout": 0.1}) as a:
        await a.gossip.insert("ghost@a:7999")
        assert not await a.meet("ghost@a:7999")
        await a.cast("x@ghost", "y")
        assert links(a)["ghost"].outbox >= 1


@virtual
async def test_a_node_of_another_ring_leaves_no_link_behind():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a") as a,
        on_network(network, "b", ring="blue") as b,
    ):
        with pytest.raises(WrongRing):
            await b.meet(a.address)
        await trio.testing.wait_all_tasks_blocked()
        assert links(a) == {}
        assert links(b) == {}
