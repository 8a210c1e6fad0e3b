"""The command server: what an operator's tool asks of a node, answered.

An actor, registered as `command`. It answers to the names in the command table
and hands the work to the node's other parts; no decision about the ring is made
here, nor who may command: that is `command_gate`.
"""

from __future__ import annotations

import datetime as dt
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.cluster.actor_rows import actor_rows
from clusterkit.cluster.bench import SECONDS, Benches, other_member
from clusterkit.cluster.command_gate import CommandGate, Forbidden, answers
from clusterkit.cluster.cookie_rows import cookie_rows, reload_cookies
from clusterkit.cluster.json_values import event_json, json_value
from clusterkit.cluster.member_rows import MEMBER_FIELDS, state_rows
from clusterkit.cluster.own_names import COMMAND
from clusterkit.cluster.ring_shares import shares
from clusterkit.errors import NotInRing, RingError
from clusterkit.names import NodeInfo, split_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.cluster.broadcast import Events
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.core import HashRing
    from clusterkit.events import Event
    from clusterkit.net.peer import Peer


class CommandServer(CommandGate):
    """Answers the commands of `commands.COMMANDS` that the node carries out.

    Results are what the command line prints as JSON, in the shapes of the
    reference page. A mutation is answered after it took effect on this node.

    Tools call and open no streams, so `watch` is asked again and again (long
    polling): the first call begins to keep events, each
    further one returns the next, or nothing when its time is up. What is kept
    for one tool is bounded; a tool that is too slow finds an `events_lost`.
    """

    _lingers = False  # a tool that watches must not hold up the end of the node

    def __init__(self) -> None:
        self._benches = Benches()
        self._watches: dict[Peer, tuple[AsyncExitStack, Events[Event]]] = {}

    async def terminate(self, reason: str) -> None:
        """Stop keeping events."""
        await self._drop_watches(list(self._watches))

    @answers
    async def inspect(self) -> dict[str, Any]:
        """Return the ring's factors and positions."""
        return self._ring.to_json()

    @answers
    async def nodes(self) -> list[dict[str, Any]]:
        """Return the members."""
        return [node.to_json() for node in self._ring.nodes()]

    @answers
    async def ping(self) -> str:
        """Give a sign of life."""
        return "pong"

    @answers
    async def get(self, id: str) -> dict[str, Any]:
        """Return where a member listens."""
        node = self._ring.get(id)
        if node is None:
            raise _not_defined(id)
        return node.to_json()

    @answers
    async def has(self, id: str) -> bool:
        """Say whether a node is a member."""
        return self._ring.is_defined(id)

    @answers
    async def weight(self, id: str) -> int:
        """Return the weight of a member."""
        weight = self._ring.weight(id)
        if weight is None:
            raise _not_defined(id)
        return weight

    @answers
    async def weights(self) -> dict[str, int]:
        """Return the weights of all members."""
        return self._ring.weights()

    @answers
    async def join(self, ring: str) -> None:
        """Belong to a ring of this name."""
        await self._node.gossip.join(ring)

    @answers
    async def meet(self, id: str, host: str, port: int, timeout: float) -> None:
        """Unite this node's ring with another's."""
        node = _checked(id, host, port)
        await self._node.gossip.meet(node, timeout=timeout)

    @answers
    async def leave(self, *, force: bool = False) -> None:
        """Leave the ring."""
        await self._node.gossip.leave(force=force is True)

    @answers
    async def insert(
        self,
        id: str,
        host: str,
        port: int,
        weight: int | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Make a node a member."""
        node = _checked(id, host, port)
        await self._node.gossip.insert(node, weight, force=force is True)

    @answers
    async def minsert(
        self, nodes: list[Any], weight: int | None = None, *, force: bool = False
    ) -> None:
        """Make several nodes members."""
        found = [_checked(name, host, port) for name, host, port in nodes]
        await self._node.gossip.minsert(found, weight, force=force is True)

    @answers
    async def update(
        self,
        id: str,
        host: str,
        port: int,
        weight: int | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Change a member's address or weight."""
        node = _checked(id, host, port)
        await self._node.gossip.update(node, weight, force=force is True)

    @answers
    async def remove(
        self, id: str, host: str, port: int, *, force: bool = False
    ) -> bool:
        """Remove a member; say whether it was one."""
        self._check_present([node := _checked(id, host, port)])
        return await self._node.gossip.remove(node.id, force=force is True)

    @answers
    async def mremove(self, nodes: list[Any], *, force: bool = False) -> bool:
        """Remove several members; say whether there was any."""
        found = [_checked(name, host, port) for name, host, port in nodes]
        self._check_present(found)
        ids = [node.id for node in found]
        return await self._node.gossip.mremove(ids, force=force is True)

    @answers
    async def members(self) -> list[dict[str, Any]]:
        """Return what each member is."""
        return [
            {field: getattr(member, field) for field in MEMBER_FIELDS}
            for member in self._node.members.all()
        ]

    @answers
    async def why(self, id: str) -> dict[str, Any]:
        """Return what led to a member's state."""
        return await self._node.members.why(id)

    @answers
    async def state(self, id: str | None = None) -> dict[str, Any]:
        """Return what members say of themselves."""
        if id is not None and id not in self._node.state.peers():
            raise _not_defined(id)
        return state_rows(self._node.state, id)

    @answers
    async def links(self) -> list[dict[str, Any]]:
        """Return the state of each link."""
        return [
            {
                "node": link.peer,
                "address": link.address,
                "state": link.state,
                "outbox": link.outbox,
                "outbox_bytes": link.outbox_bytes,
                "unacked": link.unacked,
                "last_seen": link.last_seen,
            }
            for link in self._node.kernel.links()
        ]

    @answers
    async def actors(self) -> list[dict[str, Any]]:
        """Return the state of each actor."""
        return actor_rows(self._process.runtime.registry, COMMAND)

    @answers
    async def find(self, key: str, n: int | None = None) -> list[dict[str, Any]]:
        """Return the nodes that own a key."""
        return [node.to_json() for node in self._node.gossip.find(key, n)]

    @answers
    async def call(
        self, target: str, event: str, args: list[Any], timeout: float
    ) -> Any:
        """Call an actor, here or elsewhere, in this node's name."""
        if split_target(target)[0] == COMMAND:
            raise Forbidden(
                f"commands are not called: type `{event}`, to a tool that is connected "
                "to the node it is for"
            )
        answer = await self._node.call(target, event, *args, timeout=timeout)
        return json_value(answer)

    @answers
    async def cast(self, target: str, event: str, args: list[Any]) -> None:
        """Cast to an actor, here or elsewhere, in this node's name."""
        await self._node.cast(target, event, *args)

    @answers
    async def ring(self) -> list[dict[str, Any]]:
        """Return each member's weight and its share of the keys."""
        ring = self._ring
        share = shares(ring)
        return [
            {"id": name, "weight": weight, "share": round(share[name], 6)}
            for name, weight in ring.weights().items()
        ]

    @answers
    async def bench(
        self,
        id: str | None = None,
        seconds: float = SECONDS,
        part: str = "round_trip",
    ) -> dict[str, Any]:
        """Measure a part of what the way to another node carries."""
        members = [node.id for node in self._ring.nodes()]
        target = other_member(id, self._node.name, members)
        measured = await self._benches.measure(
            self._process.runtime, self.tool(), target, seconds, part
        )
        return {"from": self._node.name, "to": target, **measured}

    @answers
    async def cookies(self, timeout: float) -> list[dict[str, Any]]:
        """Return which cookies each member accepts."""
        return await cookie_rows(self._node, self._process.runtime, timeout)

    @answers
    async def reload(
        self, timeout: float, *, all: bool = False, force: bool = False
    ) -> None:
        """Read the cookie file again, here or everywhere."""
        await reload_cookies(
            self._node,
            self._process.runtime,
            timeout,
            everywhere=all is True,
            force=force is True,
        )

    @answers
    async def watch(self, timeout: float) -> list[dict[str, Any]]:
        """Return the next event, or nothing within `timeout` seconds."""
        await self._drop_watches([t for t in self._watches if t.connection is None])
        tool = self.tool()
        watch = self._watches.get(tool)
        if watch is None:
            stack = AsyncExitStack()
            events: Events[Event] = await stack.enter_async_context(self._node.events())
            self._watches[tool] = stack, events
            return []
        with trio.move_on_after(timeout):
            return [event_json(await anext(watch[1]), dt.datetime.now(dt.UTC))]
        return []

    @property
    def _node(self) -> ClusterNode:
        return self.node

    @property
    def _ring(self) -> HashRing:
        return self._node.ring

    def _check_present(self, nodes: Iterable[NodeInfo]) -> None:
        """Refuse addresses that are not those of the members they name."""
        for node in nodes:
            known = self._ring.get(node.id)
            if known not in (None, node):
                raise RingError(f"{node.id} is at {known.address}, not {node.address}")

    async def _drop_watches(self, tools: list[Peer]) -> None:
        for tool in tools:
            stack, _ = self._watches.pop(tool)
            await stack.aclose()


def _checked(id: str, host: str, port: int) -> NodeInfo:
    return NodeInfo.from_json({"id": id, "host": host, "port": port})


def _not_defined(id: str) -> NotInRing:
    return NotInRing(f"'{id}' is not defined in this ring.")
