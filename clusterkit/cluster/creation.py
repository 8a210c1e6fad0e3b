"""`create_cluster`: from options to a running node, and back to nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import trio

from clusterkit.actors.ref import take_ref
from clusterkit.actors.runtime import Runtime
from clusterkit.actors.server import GenServer
from clusterkit.cluster.broadcast import Broadcast
from clusterkit.cluster.cookies import cookies
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.node import ClusterNode
from clusterkit.cluster.platform import Platform
from clusterkit.config import Config
from clusterkit.errors import ConfigError
from clusterkit.names import Address, check_host, check_name, check_port
from clusterkit.net.kernel import Kernel
from clusterkit.wire.codec import Codec
from clusterkit.wire.handshake import Identity
from clusterkit.wire.seal import stretch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

ActorFactory: TypeAlias = "Callable[[], GenServer] | GenServer"
"""What `actors=` maps names to: a class, a `partial` of one, or an instance."""

_WILDCARDS = frozenset({"0.0.0.0", "::", "*", ""})  # noqa: S104 - refused, not bound


class NodeActor(GenServer):
    """Answers for the node itself, as `_node`."""


def _node_actor() -> GenServer:
    server = NodeActor()

    @server.on_call("ping")
    async def ping() -> str:
        return "pong"

    return server


@asynccontextmanager
async def create_cluster(
    name: str,
    host: str = "127.0.0.1",
    port: int = 7022,
    *,
    cookie: str | bytes | Sequence[str | bytes] | None = None,
    ring: str = "ring",
    actors: Mapping[str, ActorFactory] | None = None,
    advertise: str | None = None,
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
        advertise: What peers are told, as `host` or `host:port`; needed for
            a wildcard bind.
        config: Bounds and times.
        platform: Network, dice and clock; for simulations.

    Yields:
        The node, accepting connections.

    Raises:
        ConfigError: An option is missing or impossible; the text says which.
        OSError: The address is in use, or not of this machine.
        NameTaken: A live node elsewhere has this name.
        Exception: What an actor's `init` raised.
    """
    platform = platform or Platform()
    config = config or Config()
    secrets = cookies(cookie)
    bind = Address(check_host(host), check_port(port, lowest=0))
    told = _advertised(bind, advertise)
    broadcast = Broadcast(config.event_buffer)
    runtime = Runtime(
        check_name(name, "node name"),
        config,
        platform.rng.getrandbits(48),
        broadcast.publish,
    )
    codec = Codec(
        config.max_message,
        take_ref=take_ref,
        make_ref=lambda parts: runtime.ref(*parts),
    )
    check_name(ring, "ring name")
    me = Identity(name=name, incarnation=int(platform.wall_clock() * 1000))
    kernel = runtime.kernel = Kernel(
        me,
        secrets,
        platform.transport,
        codec,
        config,
        platform.rng,
        runtime.delivery,
        lambda: ring,
    )
    node = runtime.node = ClusterNode(name, kernel, runtime, broadcast)
    await _stretch(secrets)
    node.host, node.port = await kernel.listen(bind, told)
    with collapsed_groups():
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(runtime.run)
                await nursery.start(kernel.run)
                await runtime.start("_node", _node_actor(), reserved=True)
                for actor, factory in (actors or {}).items():
                    await runtime.start(actor, factory)
                kernel.accept()
                yield node
            finally:
                with trio.CancelScope(shield=True):
                    await node.shutdown(timeout=config.drain_timeout)
                nursery.cancel_scope.cancel()


def _advertised(bind: Address, advertise: str | None) -> Address | None:
    """Return what peers are told, None for the bound address itself."""
    if advertise is not None:
        return Address.parse(advertise, default_port=bind.port)
    if bind.host in _WILDCARDS:
        raise ConfigError(
            f"peers cannot dial {bind.host}: pass advertise= with the host name or "
            "address by which they reach this machine"
        )
    return None


async def _stretch(secrets: Sequence[bytes]) -> None:
    """Stretch the cookies before anybody waits for it, off the event loop."""
    for cookie in secrets:
        await trio.to_thread.run_sync(stretch, cookie)
