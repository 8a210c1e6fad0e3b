"""What the tests of rings share: clusters, what their nodes see, what they hear."""

from __future__ import annotations

from contextlib import asynccontextmanager

import trio

from clusterkit import GenServer, call, cast
from clusterkit.testing.sim import PORT
from tests import waiting

SOON = 3.0
"""Virtual seconds within which every member has heard of a change: it is told
to some at once, and each polls another every second."""


class Collector(GenServer):
    """Keeps what it is sent."""

    def __init__(self):
        self.items = []

    @cast
    async def add(self, item):
        self.items.append(item)

    @call
    async def all(self):
        return self.items


class Listed:
    """A source of addresses that tells of some addresses, every second."""

    name = "listed"

    def __init__(self, *addresses):
        self.addresses = addresses

    async def run(self, found, node):
        while True:
            for address in self.addresses:
                found(address)
            await node.refresh(1.0)


def at(name, port=PORT):
    """Return the address of a node, which has a host of its own."""
    return f"{name}@{name}:{port}"


def members(node):
    return "".join(sorted(node.ring.weights()))


async def form(sim, names, **options):
    """Start nodes that meet in one ring; return them in order.

    They have no seeds: what brings them back after a restart is not those.
    """
    first, *rest = nodes = [await sim.start(name, **options) for name in names]
    for node in rest:
        await node.meet(first.address)
    await sim.converged()
    assert members(first) == "".join(sorted(names))
    return nodes


async def until(condition, seconds=10.0):
    """Wait as `waiting.until` does, but not for so long: a ring is quick."""
    return await waiting.until(condition, seconds)


async def quiet(sim):
    """Wait until gossip has nothing more to say."""
    await sim.converged()
    await trio.sleep(SOON)
    await sim.converged()


@asynccontextmanager
async def listening(node, *kinds):
    """Collect the node's events of these kinds in a list."""
    heard = []

    async def listen(*, task_status):
        async with node.events(*kinds) as events:
            task_status.started()
            async for event in events:
                heard.append(event)

    async with trio.open_nursery() as nursery:
        await nursery.start(listen)
        yield heard
        nursery.cancel_scope.cancel()


def links(node):
    """Return the peers this node has a live connection to."""
    return "".join(s.peer for s in node.kernel.links() if s.state == "up")


def heard_of(heard):
    """Return the causes of the `RingChanged` events that were collected."""
    return [event.cause for event in heard]
