"""`create_cluster`: from options to a running node, and back to nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import trio

from clusterkit.cluster import options
from clusterkit.cluster.cookies import found_cookies
from clusterkit.cluster.options import ActorFactory
from clusterkit.cluster.platform import Platform
from clusterkit.config import DEFAULT_PFACTOR, DEFAULT_WEIGHT
from clusterkit.names import Address, check_host, check_name, check_port
from clusterkit.net.tls import TlsTransport

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from clusterkit.cluster.node import ClusterNode
    from clusterkit.config import Config
    from clusterkit.discovery.source import Source
    from clusterkit.net.certificates import Tls, TlsContexts
    from clusterkit.net.tls import Renewable

__all__ = ["ActorFactory", "create_cluster"]


@asynccontextmanager
async def create_cluster(
    name: str,
    host: str | None = None,
    port: int = 7022,
    *,
    cookie: str | bytes | os.PathLike[str] | Sequence[str | bytes] | None = None,
    ring: str = "ring",
    actors: Mapping[str, ActorFactory] | None = None,
    seeds: Iterable[str] = (),
    discover: bool | Source | Iterable[Source] = False,
    state: str | os.PathLike[str] | None = None,
    advertise: str | None = None,
    on_exit: Literal["stay", "leave"] | None = None,
    rfactor: int = DEFAULT_WEIGHT,
    pfactor: int = DEFAULT_PFACTOR,
    config: Config | None = None,
    tls: Tls | TlsContexts | None = None,
    platform: Platform | None = None,
) -> AsyncIterator[ClusterNode]:
    """Run a node for the length of an `async with` block.

        async with create_cluster("foo", cookie="monster") as node:
            await node.start("counter", Counter)
            await node.serve_forever()

    The listener is bound first, then the actors are started, and only then
    connections are accepted: what peers queued for this node while it was
    away finds its actors. Leaving the block drains and closes everything.

    Args:
        name: The node's name, unique in its ring.
        host: Where to listen. None: 127.0.0.1, which only this machine reaches;
            with `discover` all addresses, and the one of the interface that
            leads to the network is advertised.
        port: The port; 0 takes any free one, which `node.port` tells.
        cookie: The cluster's shared secret; several while rotating, the
            first one dials. A `Path` is that of a file of them, which the
            node can read again. None: `CLUSTERKIT_COOKIE`, then the file that
            `CLUSTERKIT_COOKIE_FILE` names, then `~/.clusterkit.cookie`.
        ring: The ring's name; nodes of different rings never mix.
        actors: Names and what builds each.
        seeds: Nodes to meet, as `name@host:port`; tried for ever.
        discover: How to find other nodes. True: by beacons on the LAN; else one or
            several of `clusterkit.discovery`.
        state: File to keep the ring in across restarts.
        advertise: What peers are told, as `host` or `host:port`, without a
            port the bound one; needed for a wildcard bind.
        on_exit: Whether leaving the block leaves the ring. By default it
            stays in the ring if it has a state file, and leaves without.
        rfactor: Ring positions of a node without a weight of its own.
        pfactor: Neighbours that keep copies.
        config: Bounds and times.
        tls: Certificate, key and CA to encrypt all links with. None: they are
            in clear, signed but readable.
        platform: Network, dice and clock; for simulations.

    Yields:
        The node, accepting connections.

    Raises:
        ConfigError: An option is missing or impossible; the text says which,
            and nothing has been bound yet.
        NameTaken: A live node elsewhere has this name, or two actors have one.
        StateError: The state file is unreadable, damaged, or another ring's.
        StateInUse: Another process has the state file.
        OSError: The address is in use, or not of this machine; it is the
            error's `filename`.
        RuntimeError: It is not run by trio.
        Exception: What an actor's constructor or `init` raised, with a note
            that names the actor.
    """
    _require_trio()
    # Half of clusterkit, which programs that run no node do not load: a tool, or a
    # module of actors.
    from clusterkit.cluster.assembly import Assembly, Plan  # noqa: PLC0415
    from clusterkit.cluster.places import (  # noqa: PLC0415
        checked_sources,
        chosen_host,
        outward,
        placed,
    )

    check_port(port, lowest=0)
    platform = platform or Platform()
    sources = checked_sources(discover)
    if host is None and sources and advertise is None:
        advertise, sources = await outward(sources, platform.datagrams)
    bind = Address(check_host(chosen_host(host, sources)), port)
    factors = options.checked_factors(rfactor, pfactor)
    told = options.checked_advertise(bind, advertise)
    credentials = options.checked_tls(tls, (told or bind).host)
    plan = Plan(
        name=check_name(name, "node name"),
        bind=bind,
        advertise=told,
        secrets=found_cookies(cookie),
        ring=check_name(ring, "ring name"),
        rfactor=factors[0],
        pfactor=factors[1],
        state=options.checked_state(state),
        leaves=options.leaves(on_exit, state),
        config=options.checked_config(config),
        platform=_encrypted(platform, credentials),
        sources=placed(sources, host),
    )
    meetings = options.checked_seeds(seeds)
    factories = options.checked_actors(actors, ring)
    assembly = Assembly(plan)
    async with assembly.running():
        node = assembly.node
        for actor, factory in factories.items():
            await _start(node, actor, factory)
        await assembly.start_ring()
        node.kernel.accept()
        node.gossip.seek(meetings)
        assembly.begin()
        if sources:
            node.kernel.spawn(node.discovery.run)
        yield node


def _require_trio() -> None:
    """Raise RuntimeError if this is no trio task: trio's own words are a riddle."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        raise RuntimeError("clusterkit runs on trio: trio.run(main)") from None


def _encrypted(platform: Platform, credentials: Renewable | None) -> Platform:
    """Return the platform with TLS around its transport, if there is to be any."""
    if credentials is None:
        return platform
    transport = TlsTransport(platform.transport, credentials)
    return replace(platform, transport=transport)


def not_started(actor: str) -> str:
    """Return the note on an error for which an actor could not be started."""
    return f"actor {actor!r} could not be started"


async def _start(node: ClusterNode, actor: str, factory: ActorFactory) -> None:
    try:
        await node.start(actor, factory)
    except Exception as error:
        error.add_note(not_started(actor))
        raise
