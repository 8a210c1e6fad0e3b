"""Reaching actors: calls and casts by name, here and on other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from clusterkit.actors.ref import ActorRef
from clusterkit.actors.server import GenServer
from clusterkit.cluster.answers import Answer, gather
from clusterkit.errors import ConfigError
from clusterkit.names import NodeInfo, check_actor_name, split_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.actors.handlers import CallHandler
    from clusterkit.actors.runtime import Runtime
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
            return [node.id for node in self.gossip.ring.nodes()]
        return list(nodes)
