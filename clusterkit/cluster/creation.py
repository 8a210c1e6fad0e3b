"""`create_cluster`: from options to a running node, and back to nothing."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

import trio

from clusterkit.cluster.assembly import Assembly, Plan
from clusterkit.cluster.cookies import cookies
from clusterkit.cluster.platform import Platform
from clusterkit.config import Config
from clusterkit.errors import ConfigError, NameTaken
from clusterkit.names import (
    Address,
    check_host,
    check_name,
    check_port,
    node_info,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from clusterkit.actors.server import GenServer
    from clusterkit.cluster.node import ClusterNode

ActorFactory: TypeAlias = "Callable[[], GenServer] | GenServer"
"""What `actors=` maps names to: a class, a `partial` of one, or an instance."""

_WILDCARDS = frozenset({"0.0.0.0", "::", "*", ""})  # noqa: S104 - refused, not bound


@asynccontextmanager
async def create_cluster(
    name: str,
    host: str = "127.0.0.1",
    port: int = 7022,
    *,
    cookie: str | bytes | Sequence[str | bytes] | None = None,
    ring: str = "ring",
    actors: Mapping[str, ActorFactory] | None = None,
    seeds: Iterable[str] = (),
    state: str | os.PathLike[str] | None = None,
    advertise: str | None = None,
    on_exit: Literal["stay", "leave"] | None = None,
    rfactor: int = 128,
    pfactor: int = 2,
    config: Config | None = None,
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
        host: Where to listen; reachable from this machine only by default.
        port: The port; 0 takes any free one, which `node.port` tells.
        cookie: The cluster's shared secret; several while rotating, the
            first one dials. None: `CLUSTERKIT_COOKIE`, then
            `~/.clusterkit.cookie`.
        ring: The ring's name; nodes of different rings never mix.
        actors: Names and what builds each.
        seeds: Nodes to meet, as `name@host:port`; tried for ever.
        state: File to keep the ring in across restarts.
        advertise: What peers are told, as `host` or `host:port`; needed for
            a wildcard bind.
        on_exit: Whether leaving the block leaves the ring. By default it
            stays in the ring if it has a state file, and leaves without.
        rfactor: Ring positions of a node without a weight of its own.
        pfactor: Neighbours that keep copies.
        config: Bounds and times.
        platform: Network, dice and clock; for simulations.

    Yields:
        The node, accepting connections.

    Raises:
        ConfigError: An option is missing or impossible; the text says which.
        NameTaken: A live node elsewhere has this name, or two actors have one.
        StateError: The state file is unreadable, damaged, or another ring's.
        StateInUse: Another process has the state file.
        OSError: The address is in use, or not of this machine; it is the
            error's `filename`.
        RuntimeError: It is not run by trio.
        Exception: What an actor's constructor or `init` raised, with a note
            that names the actor.
    """
    _check_surroundings(seeds, config)
    bind = Address(check_host(host), check_port(port, lowest=0))
    plan = Plan(
        name=check_name(name, "node name"),
        bind=bind,
        advertise=_advertised(bind, advertise),
        secrets=cookies(cookie),
        ring=check_name(ring, "ring name"),
        rfactor=rfactor,
        pfactor=pfactor,
        state=None if state is None else os.fspath(state),
        leaves=(state is None) if on_exit is None else on_exit == "leave",
        config=config or Config(),
        platform=platform or Platform(),
    )
    meetings = [node_info(seed) for seed in seeds]
    if not {"command", ring}.isdisjoint(actors or {}):
        raise NameTaken(f"the names 'command' and {ring!r} are the node's own")
    assembly = Assembly(plan)
    async with assembly.running():
        node = assembly.node
        for actor, factory in (actors or {}).items():
            await _start(node, actor, factory)
        await assembly.start_ring()
        node.kernel.accept()
        node.gossip.seek(meetings)
        yield node


def _check_surroundings(seeds: object, config: object) -> None:
    """Check what would otherwise go wrong later, and be told in riddles.

    Raises:
        RuntimeError: This is no trio task.
        ConfigError: An option is of another type.
    """
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        raise RuntimeError("clusterkit runs on trio: trio.run(main)") from None
    if isinstance(seeds, str):
        raise ConfigError(f"seeds is a list: [{seeds!r}]")
    if not isinstance(config, Config | None):
        raise ConfigError(f"config is a clusterkit.Config, not {config!r}")


def not_started(actor: str) -> str:
    """Return the note on an error for which an actor could not be started."""
    return f"actor {actor!r} could not be started"


async def _start(node: ClusterNode, actor: str, factory: ActorFactory) -> None:
    try:
        await node.start(actor, factory)
    except Exception as error:
        error.add_note(not_started(actor))
        raise


def _advertised(bind: Address, advertise: str | None) -> Address | None:
    """Return what peers are told, None for the bound address itself."""
    if advertise is not None:
        return Address.parse(advertise, default_port=bind.port)
    if bind.host in _WILDCARDS:
        raise ConfigError(
            f"peers cannot dial {bind.host}: tell them the host name or address by "
            "which they reach this machine, with advertise= or --advertise"
        )
    return None
