"""A node: the kernel, the runtime and the cluster's own actors, wired up.

Wiring only: what happens is in the parts. `create_cluster` is the one door.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import trio

from clusterkit.actors.ref import ActorRef
from clusterkit.actors.server import GenServer
from clusterkit.cluster.answers import Answer, gather
from clusterkit.errors import ConfigError
from clusterkit.events import Event
from clusterkit.names import NodeInfo, split_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clusterkit.actors.handlers import CallHandler
    from clusterkit.actors.process import ActorStatistics
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.broadcast import Broadcast, Events
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.core import HashRing
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.peer import LinkStatistics

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=GenServer)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatistics:
    """A snapshot of a node.

    Attributes:
        links: One per peer, by name.
        actors: One per actor, in the order they were started.
        pending_calls: Calls of ours that wait for an answer.
        late_replies: Answers dropped because their caller had given up.
        undelivered: Casts that may not have arrived, by peer.
        refused: Casts that a full mailbox refused, by peer.
        foreign_gossip: Ring messages of other rings, ignored.
        rejected: Refused frames and handshakes, by reason.
        handshakes: Handshakes under way.
        loop_lag: The longest the event loop was held lately, in seconds.
    """

    links: tuple[LinkStatistics, ...]
    actors: tuple[ActorStatistics, ...]
    pending_calls: int
    late_replies: int
    undelivered: dict[str, int]
    refused: dict[str, int]
    foreign_gossip: int
    rejected: dict[str, int]
    handshakes: int
    loop_lag: float


class ClusterNode:
    """One node of a cluster; made by `create_cluster`.

    Attributes:
        name: Its name.
        host: The host it is bound to.
        port: The port it is bound to, also if 0 was asked for.
        kernel: Its links.
        gossip: Its ring, and the commands that change it.
    """

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        runtime: Runtime,
        gossip: GossipRing,
        broadcast: Broadcast,
        *,
        leaves: bool,
    ) -> None:
        self.name = name
        self.host = ""
        self.port = 0
        self.kernel = kernel
        self.gossip = gossip
        self._leaves = leaves
        self._runtime = runtime
        self._broadcast = broadcast
        self._shut = False

    def __repr__(self) -> str:
        return f"<ClusterNode {self.address}>"

    @property
    def address(self) -> str:
        """What peers are told: `name@host:port`."""
        return str(self.info)

    @property
    def info(self) -> NodeInfo:
        """The same, as a value."""
        return NodeInfo(self.name, *self.kernel.address)

    @property
    def incarnation(self) -> int:
        """Number of this life of the node; higher than all before it."""
        return self.kernel.me.incarnation

    @property
    def ring(self) -> HashRing:
        """The members of the ring as a hash ring, as they are now."""
        return self.gossip.ring

    async def meet(self, address: NodeInfo | str, *, timeout: float = 5.0) -> bool:
        """Become one ring with that of another node; see `GossipRing.meet`."""
        return await self.gossip.meet(address, timeout=timeout)

    @overload
    async def start(self, name: str | None, server: S, /) -> ActorRef[S]: ...
    @overload
    async def start(
        self,
        name: str | None,
        factory: Callable[P, S],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ActorRef[S]: ...
    async def start(
        self, name: str | None, server: Any, /, *args: Any, **kwargs: Any
    ) -> ActorRef[Any]:
        """Start an actor; return when its `init` has.

        Args:
            name: What it is registered as on this node; None makes one up.
            server: The class (or whatever builds an instance), or a plain
                `GenServer()` instance, which cannot be rebuilt after a crash.
            args: For the class. A restart passes them again.
            kwargs: Likewise.

        Returns:
            A reference.

        Raises:
            NameTaken: An actor of that name runs here.
            ConfigError: The name is not valid.
            Exception: Whatever `__init__` or `init` raised; the name is free.

        Cancellation:
            The actor is ended again.
        """
        return await self._runtime.start(name, server, *args, **kwargs)

    async def stop(self, name: str) -> None:
        """Stop an actor: it handles what waits now, then `terminate`s.

        When this returns the name is free. From the actor's own handler it
        returns at once. Unknown names are ignored.
        """
        await self._runtime.stop(name)

    def pause(self, name: str) -> None:
        """Have an actor handle nothing for now; messages are kept.

        Raises:
            NoSuchActor: There is none of that name here.
        """
        self._runtime.local(name).pause()

    def resume(self, name: str) -> None:
        """Go on after `pause`; does nothing to a running actor.

        Raises:
            NoSuchActor: There is none of that name here.
        """
        self._runtime.local(name).resume()

    def ref(self, cls: type[S], name: str, /, *, at: str | None = None) -> ActorRef[S]:
        """Return a typed reference to an actor; nothing is asked of it.

        Args:
            cls: Its class.
            name: Its name.
            at: Its node, as `name` or `name@host:port`; None for this one.

        Raises:
            ConfigError: `at` is not valid.
        """
        return ActorRef(self._runtime, name, self._node_name(at))

    async def call(
        self,
        target: str,
        event: str,
        /,
        *args: object,
        timeout: float | None = None,
        **kwargs: object,
    ) -> Any:
        """Call without the class at hand: `await node.call("counter@bar", "add", 5)`.

        Args:
            target: `name`, `name@node` or `name@node@host:port`.
            event: The handler's name.
            args: Its arguments.
            timeout: Seconds; `call_timeout` of the config by default.
            kwargs: Its keyword arguments; one called `timeout` needs a `ref`.

        Returns and raises as `ActorRef.call` does.
        """
        name, node = self._target(target)
        return await self._runtime.call(node, name, event, args, kwargs, timeout)

    async def cast(
        self, target: str, event: str, /, *args: object, **kwargs: object
    ) -> None:
        """Cast without the class at hand; see `ActorRef.cast`."""
        name, node = self._target(target)
        await self._runtime.cast(node, name, event, args, kwargs)

    def cast_nowait(
        self, target: str, event: str, /, *args: object, **kwargs: object
    ) -> None:
        """Cast without waiting; see `ActorRef.cast_nowait`."""
        name, node = self._target(target)
        self._runtime.cast_nowait(node, name, event, args, kwargs)

    @overload
    async def multi_call(
        self,
        nodes: Iterable[str] | None,
        name: str,
        handler: CallHandler[Any, ..., R],
        /,
        *args: object,
        timeout: float | None = None,
        **kwargs: object,
    ) -> list[Answer[R]]: ...
    @overload
    async def multi_call(
        self,
        nodes: Iterable[str] | None,
        name: str,
        handler: str,
        /,
        *args: object,
        timeout: float | None = None,
        **kwargs: object,
    ) -> list[Answer[Any]]: ...
    async def multi_call(
        self,
        nodes: Iterable[str] | None,
        name: str,
        handler: CallHandler[Any, ..., Any] | str,
        /,
        *args: object,
        timeout: float | None = None,
        **kwargs: object,
    ) -> list[Answer[Any]]:
        """Call the actor of one name on many nodes at once.

        Args:
            nodes: Their names; None for all members of the ring.
            name: The actor's name.
            handler: The handler, or its event.
            args: Its arguments.
            timeout: Seconds for each call.
            kwargs: Its keyword arguments.

        Returns:
            One `Answer` per node, in the order of `nodes`; failures are in
            their places and spoil no other.
        """
        event = handler if isinstance(handler, str) else handler.event

        async def ask(node: str) -> Any:
            at = self._node_name(node)
            return await self._runtime.call(at, name, event, args, kwargs, timeout)

        return await gather(self._members(nodes), ask)

    async def abcast(
        self,
        nodes: Iterable[str] | None,
        name: str,
        event: str,
        /,
        *args: object,
        **kwargs: object,
    ) -> None:
        """Cast to the actor of one name on many nodes.

        Args:
            nodes: Their names; None for all members of the ring.
            name: The actor's name.
            event: The event.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Raises:
            As `ActorRef.cast`, after the casts before the failing one.
        """
        for node in self._members(nodes):
            await self._runtime.cast(self._node_name(node), name, event, args, kwargs)

    async def ping(self, node: str, *, timeout: float = 5.0) -> str:
        """Ask a node for a sign of life; this one answers without traffic.

        Args:
            node: Its name, or `name@host:port`.
            timeout: Seconds.

        Returns:
            `"pong"`.

        Raises:
            NodeUnknown, NodeDown, CallTimeout: It gave none.
        """
        name = self._node_name(node)
        if name == self.name:
            return "pong"
        answer: str = await self._runtime.call(name, "_node", "ping", (), {}, timeout)
        return answer

    def events(self, *kinds: type[E]) -> Events[E]:
        """Subscribe to events; all kinds if none are given.

        async with node.events(LinkUp, LinkDown) as events:
            async for event in events:
                print(event)
        """
        return self._broadcast.events(*kinds)

    def statistics(self) -> NodeStatistics:
        """Return a snapshot of the node and its parts."""
        runtime, kernel = self._runtime, self.kernel
        return NodeStatistics(
            links=kernel.links(),
            actors=tuple(p.statistics() for p in runtime.registry if p.name[0] != "_"),
            pending_calls=len(runtime.calls.pending),
            late_replies=runtime.late_replies + runtime.calls.late,
            undelivered=dict(runtime.delivery.undelivered),
            refused=dict(runtime.delivery.refused),
            foreign_gossip=self.gossip.ignored.get("foreign", 0),
            rejected=dict(kernel.rejected),
            handshakes=kernel.reception.under_way,
            loop_lag=0.0,
        )

    async def serve_forever(self) -> None:
        """Run until SIGTERM or SIGINT, then shut down; main thread only.

        A second signal ends the process at once, with status 1.

        Raises:
            SystemExit: A second signal came.
        """
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            await anext(signals)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._force_on, signals)
                await self.shutdown()
                nursery.cancel_scope.cancel()

    async def shutdown(self, *, timeout: float = 10.0) -> None:
        """Drain: no new connections, actors end, what is queued goes out, Bye.

        Leaves the ring first, if `on_exit` says so. Leaving the `create_cluster` block does the same. Twice does nothing.

        Args:
            timeout: Seconds for all of it; what is not done by then is cut.
        """
        if self._shut:
            return
        self._shut = True
        self.kernel.stop_accepting()
        deadline = trio.current_time() + timeout
        with trio.move_on_at(deadline):
            if self._leaves and self.gossip.name:
                await self.gossip.leave()
            await self._runtime.stop_all()
        await self.kernel.drain(max(0.0, deadline - trio.current_time()))

    def abandon(self) -> None:
        """Have the block end as if the process had died: no Bye, no drain.

        For simulations, and for a process that must go at once.
        """
        self._shut = True

    async def _force_on(self, signals: Any) -> None:
        await anext(signals)
        raise SystemExit(1)

    def _target(self, target: str) -> tuple[str, str]:
        name, node = split_target(target)
        return name, self._node_name(node)

    def _node_name(self, node: str | None) -> str:
        """Return the name in `name` or `name@host:port`, whose address is kept."""
        if node is None:
            return self.name
        if "@" not in node:
            return node
        info = NodeInfo.parse(node)
        self._assert_address(info)
        return info.id

    def _assert_address(self, info: NodeInfo) -> None:
        """Take an address that is new; refuse one that contradicts.

        Raises:
            ConfigError: The name is known at another address.
        """
        if info.id == self.name:
            known = self.kernel.address
        else:
            known = self.kernel.where(info.id) or info.address
        if known != info.address:
            raise ConfigError(f"{info.id} is at {known}, not at {info.address}")
        if info.id != self.name:
            self.kernel.know(info)

    def _members(self, nodes: Iterable[str] | None) -> list[str]:
        if nodes is None:
            return [node.id for node in self.ring.nodes()]
        return list(nodes)
