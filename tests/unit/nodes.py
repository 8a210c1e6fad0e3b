"""Nodes in virtual time: real ones, on a network in memory, in one process.

What takes hours here takes no time at all; what never ends is noticed after
ten virtual minutes.
"""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from random import Random

import trio
from trio.testing import MockClock

from clusterkit import Config, create_cluster
from clusterkit.cluster.platform import Platform
from clusterkit.testing import MemoryDisk, MemoryNetwork

LIMIT = 600.0


def virtual(test):
    """Turn an async test into one that runs in virtual time."""

    async def limited(args, kwargs):
        with trio.fail_after(LIMIT):
            await test(*args, **kwargs)

    @functools.wraps(test)
    def run(*args, **kwargs):
        trio.run(limited, args, kwargs, clock=MockClock(autojump_threshold=0))

    return run


async def in_place(function, *args):
    await trio.lowlevel.checkpoint()
    return function(*args)


def platform_on(network, name, **options):
    return Platform(
        transport=network.host(name),
        rng=Random(f"{name}, {network.statistics()}"),  # another in each life
        disk=MemoryDisk(Random(name)),
        wall_clock=lambda: 1_700_000_000.0 + trio.current_time(),
        run_blocking=in_place,
        watchdog=False,
        **options,
    )


def abandon(node):
    """Have a node end as if its process had died: no Bye, no drain."""
    node._ending.cut()


@asynccontextmanager
async def on_network(
    network, host, *, name_=None, copy_local=False, config=None, **options
):
    """One node on a host, called like it or `name_`."""
    options = {"cookie": "test", "config": Config(**(config or {}))} | options
    platform = platform_on(network, host, copy_local=copy_local)
    name = name_ or host
    async with create_cluster(name, host, 7022, platform=platform, **options) as node:
        yield node


@asynccontextmanager
async def alone(**options):
    """One node, `a`."""
    async with on_network(MemoryNetwork(Random(0)), "a", **options) as node:
        yield node


@asynccontextmanager
async def pair(*, connected=True, **options):
    """Two nodes, `a` and `b`, of which `a` has dialled `b`, or knows of it.

    The options are of both; `actors` of `b` only.
    """
    network = MemoryNetwork(Random(0))
    actors = options.pop("actors", None)
    async with (
        on_network(network, "b", actors=actors, **options) as b,
        on_network(network, "a", **options) as a,
    ):
        a.network = network
        a.kernel.know(b.info)
        if connected:
            await a.kernel.connect(b.address)
        yield a, b


async def cut_off(a):
    """Cut `a` of a `pair` off from `b`, and wait until both have noticed."""
    a.network.partition({"a"}, {"b"})
    a.network.cut("a", "b")
    await trio.sleep(0.1)


@asynccontextmanager
async def hearing(node, *kinds):
    """Collect the node's events in a list."""
    heard = []

    async def listen(events):
        async for event in events:
            heard.append(event)

    async with node.events(*kinds) as events, trio.open_nursery() as nursery:
        nursery.start_soon(listen, events)
        yield heard
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


def statistics_of(node, name):
    """The statistics of one actor, None once there is none of the name."""
    found = [a for a in node.statistics().actors if a.name == name]
    return found[0] if found else None


def link_of(node):
    """The statistics of the one link that a node has."""
    (link,) = node.kernel.links()
    return link
