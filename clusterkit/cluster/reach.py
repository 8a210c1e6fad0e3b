"""Reaching actors: calls and casts by name, here and on other nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from clusterkit.actors.faults import describe
from clusterkit.actors.handlers import no_event
from clusterkit.actors.ref import ActorRef
from clusterkit.actors.server import GenServer
from clusterkit.actors.targets import node_name, parse_target
from clusterkit.cluster.answers import Answer, gather
from clusterkit.cluster.own_names import NODE
from clusterkit.errors import ConfigError, NotAllReached
from clusterkit.names import check_actor_name

if TYPE_CHECKING:
    from clusterkit.actors.handlers import CallHandler
    from clusterkit.actors.runtime import Runtime
    from clusterkit.actors.stream import OpenStream
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.net.kernel import Kernel

R = TypeVar("R")
S = TypeVar("S", bound=GenServer)


class Reach:
    """The part of a `ClusterNode` that speaks to actors.

    A *target* is `name`, `name@node` or `name@node@host:port`; the last form
    tells the node's address, and fails if it is known at another.

    Attributes:
        name: The node's name.
        kernel: Its links.
        gossip: Its ring.
    """

    def __init__(
        self, name: str, kernel: Kernel, runtime: Runtime, gossip: GossipRing
    ) -> None:
        self.name = name
        self.kernel = kernel
        self.gossip = gossip
        self._runtime = runtime

    def ref(self, cls: type[S], name: str, /, *, at: str | None = None) -> ActorRef[S]:
        """Return a typed reference to an actor; nothing is asked of it.

        Args:
            cls: Its class.
            name: Its name.
            at: Its node, as `name` or `name@host:port`; None for this one.

        Raises:
            ConfigError: The name or `at` is not valid.
        """
        check_actor_name(name)
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

        Returns and raises as `ActorRef.call` does, and its guarantees hold.

        Raises:
            ConfigError: The target is not valid, or its node is at another
                address.
            TypeError: The event is not given by name.
        """
        name, node = self._target(target)
        _check_event(event)
        return await self._runtime.call(node, name, event, args, kwargs, timeout)

    async def cast(
        self, target: str, event: str, /, *args: object, **kwargs: object
    ) -> None:
        """Cast without the class at hand; see `ActorRef.cast`.

        Raises:
            ConfigError: The target is not valid, or its node is at another
                address.
            TypeError: The event is not given by name.
        """
        name, node = self._target(target)
        _check_event(event)
        await self._runtime.cast(node, name, event, args, kwargs)

    def cast_nowait(
        self, target: str, event: str, /, *args: object, **kwargs: object
    ) -> None:
        """Cast without waiting; see `ActorRef.cast_nowait`.

        Raises:
            ConfigError: The target is not valid, or its node is at another
                address.
            TypeError: The event is not given by name.
        """
        name, node = self._target(target)
        _check_event(event)
        self._runtime.cast_nowait(node, name, event, args, kwargs)

    def stream(
        self,
        target: str,
        event: str,
        /,
        *args: object,
        timeout: float | None = None,
        **kwargs: object,
    ) -> OpenStream[Any]:
        """Open a stream without the class at hand; see `ActorRef.stream`.

            async with node.stream("files@bar", "read", "/etc/hosts") as stream:
                hosts = await stream.collect()

        Args:
            target: `name`, `name@node` or `name@node@host:port`.
            event: The handler's name.
            args: Its arguments after the stream.
            timeout: Seconds that either end waits with nothing moving;
                `stream_timeout` of the config by default.
            kwargs: Its keyword arguments; one called `timeout` needs a `ref`.

        Raises:
            ConfigError: The target or the timeout is not valid, or the node is
                at another address.
            TypeError: The event is not given by name.
        """
        name, node = self._target(target)
        _check_event(event)
        return self._runtime.stream(node, name, event, args, kwargs, timeout)

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

        Guarantees:
            Those of `ActorRef.call`, for each node. It returns when the last
            one has answered or failed, so a `timeout` bounds it.

        Cancellation:
            That of `ActorRef.call`, for each call that is not answered.
        """
        event: Any = getattr(handler, "event", handler)
        _check_event(event)
        check_actor_name(name)

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
        """Cast to the actor of one name on many nodes, to all at once.

        Args:
            nodes: Their names; None for all members of the ring.
            name: The actor's name.
            event: The event.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Raises:
            NotAllReached: Some casts were not sent; names the nodes, and has
                for each what `ActorRef.cast` raised. All others were sent.

        Guarantees:
            Those of `ActorRef.cast`, for each node. A node that is slow or
            cannot be reached delays the return, but no other node.

        Cancellation:
            What waits for room then is not sent; all else has been.
        """
        _check_event(event)
        check_actor_name(name)

        async def tell(node: str) -> None:
            await self._runtime.cast(self._node_name(node), name, event, args, kwargs)

        answers = await gather(self._members(nodes), tell)
        failures = {a.node: a.error for a in answers if a.error is not None}
        if failures:
            what = [f"{node} ({describe(error)})" for node, error in failures.items()]
            raise NotAllReached(f"not cast to {', '.join(what)}", failures)

    async def ping(self, node: str, *, timeout: float = 5.0) -> str:
        """Ask a node for a sign of life; this one answers without traffic.

        Args:
            node: Its name, or `name@host:port`.
            timeout: Seconds.

        Returns:
            `"pong"`.

        Raises:
            NodeUnknown, NodeDown, CallTimeout: It gave none.
            ConfigError: The address is not valid, or the node is at another.

        Cancellation:
            Ends the wait; nothing else has happened.
        """
        name = self._node_name(node)
        if name == self.name:
            return "pong"
        answer: str = await self._runtime.call(name, NODE, "ping", (), {}, timeout)
        return answer

    def _target(self, target: str) -> tuple[str, str]:
        return parse_target(self.kernel, target)

    def _node_name(self, node: str | None) -> str:
        return node_name(self.kernel, node)

    def _members(self, nodes: Iterable[str] | None) -> list[str]:
        if nodes is None:
            return [node.id for node in self.gossip.ring.nodes()]
        if isinstance(nodes, (str, bytes)) or not isinstance(nodes, Iterable):
            raise ConfigError(f"nodes is a list of names, or None; not {nodes!r:.100}")
        return list(nodes)


def _check_event(event: object) -> None:
    if not isinstance(event, str):
        raise no_event(event)
