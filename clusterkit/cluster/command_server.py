"""The command server: what an operator's tool asks of a node, answered.

An actor, registered as `command`. It answers to the names in the command table
and hands the work to the node's other parts; no decision about the ring is made
here. Only a tool may command, and what it is was settled by the handshake: a
member that calls is refused, whatever it says about itself.
"""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import AsyncExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import trio

from clusterkit.actors.dropped import MOST_TEXT
from clusterkit.actors.faults import text_of
from clusterkit.actors.handlers import CallHandler
from clusterkit.actors.here import Here
from clusterkit.actors.server import GenServer
from clusterkit.cluster.actor_rows import actor_rows
from clusterkit.cluster.commands import COMMANDS
from clusterkit.cluster.json_values import event_json, json_value
from clusterkit.cluster.ring_shares import shares
from clusterkit.errors import ClusterError, NotInRing, Rejected, RingError
from clusterkit.logs import log
from clusterkit.names import NodeInfo, split_target
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from clusterkit.cluster.broadcast import Events
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.core import HashRing
    from clusterkit.events import Event
    from clusterkit.net.peer import Peer

P = ParamSpec("P")
R = TypeVar("R")

NAME: Final = "command"
"""What the actor is registered as."""

logger = logging.getLogger("clusterkit.cluster")


class CommandRefused(Rejected):
    """A command came to nothing; its arguments are the text and an exit status.

    The code is that of the error behind it. The status travels along because a
    code alone does not tell: an application's own `Rejected` may have any.
    """

    def __init__(self, code: str, text: str, exit_status: int) -> None:
        super().__init__(text, exit_status)
        self.code = code  # type: ignore[misc]


class Forbidden(Rejected):
    """Only a tool may command a node: `cluster-cli`, or one like it."""

    code = "forbidden"


def _answers(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> CallHandler[Any, P, R]:
    """Make a method answer the command of its name, to tools alone.

    Commands run beside each other: one that waits for a distant node holds up
    nobody. Every error of ours becomes a refusal; the actor lives on.
    """

    @wraps(function)
    async def answer(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        tool = self.tool()
        try:
            COMMANDS[function.__name__].check(args, kwargs)
            self.log_command(function.__name__, tool, kwargs)
            value = await function(self, *args, **kwargs)
            self.check_answer(value, tool)
        except (ClusterError, ValueError) as error:
            raise _refusal(error) from error
        return value

    return CallHandler(answer, concurrent=True)


class CommandServer(GenServer):
    """Answers the commands of `commands.COMMANDS` that the node carries out.

    Results are what the command line prints as JSON, in the shapes of the
    reference page. A mutation is answered after it took effect on this node.

    Streams to tools do not exist in this protocol version, so `watch` is asked
    again and again (long polling): the first call begins to keep events, each
    further one returns the next, or nothing when its time is up. What is kept
    for one tool is bounded; a tool that is too slow finds an `events_lost`.
    """

    _lingers = False  # a tool that watches must not hold up the end of the node

    def __init__(self) -> None:
        self._watches: dict[Peer, tuple[AsyncExitStack, Events[Event]]] = {}

    async def terminate(self, reason: str) -> None:
        """Stop keeping events."""
        await self._drop_watches(list(self._watches))

    async def handle_call(
        self, event: str, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Refuse what the table does not have."""
        self.tool()
        return await super().handle_call(event, args, kwargs)

    @_answers
    async def inspect(self) -> dict[str, Any]:
        """Return the ring's factors and positions."""
        return self._ring.to_json()

    @_answers
    async def nodes(self) -> list[dict[str, Any]]:
        """Return the members."""
        return [node.to_json() for node in self._ring.nodes()]

    @_answers
    async def ping(self) -> str:
        """Give a sign of life."""
        return "pong"

    @_answers
    async def get(self, id: str) -> dict[str, Any]:
        """Return where a member listens."""
        node = self._ring.get(id)
        if node is None:
            raise _not_defined(id)
        return node.to_json()

    @_answers
    async def has(self, id: str) -> bool:
        """Say whether a node is a member."""
        return self._ring.is_defined(id)

    @_answers
    async def weight(self, id: str) -> int:
        """Return the weight of a member."""
        weight = self._ring.weight(id)
        if weight is None:
            raise _not_defined(id)
        return weight

    @_answers
    async def weights(self) -> dict[str, int]:
        """Return the weights of all members."""
        return self._ring.weights()

    @_answers
    async def join(self, ring: str) -> None:
        """Belong to a ring of this name."""
        await self._node.gossip.join(ring)

    @_answers
    async def meet(self, id: str, host: str, port: int, timeout: float) -> None:
        """Unite this node's ring with another's."""
        node = _checked(id, host, port)
        await self._node.gossip.meet(node, timeout=timeout)

    @_answers
    async def leave(self, *, force: bool = False) -> None:
        """Leave the ring."""
        await self._node.gossip.leave(force=force is True)

    @_answers
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

    @_answers
    async def minsert(
        self, nodes: list[Any], weight: int | None = None, *, force: bool = False
    ) -> None:
        """Make several nodes members."""
        found = [_checked(name, host, port) for name, host, port in nodes]
        await self._node.gossip.minsert(found, weight, force=force is True)

    @_answers
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

    @_answers
    async def remove(
        self, id: str, host: str, port: int, *, force: bool = False
    ) -> bool:
        """Remove a member; say whether it was one."""
        self._check_present([node := _checked(id, host, port)])
        return await self._node.gossip.remove(node.id, force=force is True)

    @_answers
    async def mremove(self, nodes: list[Any], *, force: bool = False) -> bool:
        """Remove several members; say whether there was any."""
        found = [_checked(name, host, port) for name, host, port in nodes]
        self._check_present(found)
        ids = [node.id for node in found]
        return await self._node.gossip.mremove(ids, force=force is True)

    @_answers
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

    @_answers
    async def actors(self) -> list[dict[str, Any]]:
        """Return the state of each actor."""
        return actor_rows(self._process.runtime.registry, NAME)

    @_answers
    async def find(self, key: str, n: int | None = None) -> list[dict[str, Any]]:
        """Return the nodes that own a key."""
        return [node.to_json() for node in self._node.gossip.find(key, n)]

    @_answers
    async def call(
        self, target: str, event: str, args: list[Any], timeout: float
    ) -> Any:
        """Call an actor, here or elsewhere, in this node's name."""
        if split_target(target)[0] == NAME:
            raise Forbidden(
                f"commands are not called: type `{event}`, to a tool that is connected "
                "to the node it is for"
            )
        answer = await self._node.call(target, event, *args, timeout=timeout)
        return json_value(answer)

    @_answers
    async def cast(self, target: str, event: str, args: list[Any]) -> None:
        """Cast to an actor, here or elsewhere, in this node's name."""
        await self._node.cast(target, event, *args)

    @_answers
    async def ring(self) -> list[dict[str, Any]]:
        """Return each member's weight and its share of the keys."""
        ring = self._ring
        share = shares(ring)
        return [
            {"id": name, "weight": weight, "share": round(share[name], 6)}
            for name, weight in ring.weights().items()
        ]

    @_answers
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
        node: ClusterNode = self.node
        return node

    @property
    def _ring(self) -> HashRing:
        return self._node.ring

    def tool(self) -> Peer:
        """Return the tool that has called.

        Raises:
            Forbidden: The call came from a node, perhaps this one.
        """
        origin = self.caller.origin
        if isinstance(origin, Here) or origin.role != "client":
            raise Forbidden(
                "only a tool may command a node, not one of its peers or actors"
            )
        return origin

    def check_answer(self, value: object, tool: Peer) -> None:
        """Refuse to answer what cannot travel.

        Found out only when the answer is sent, it would count as a crash.

        Raises:
            EncodeError, MessageTooLarge: It cannot.
        """
        self._node.kernel.codec.encode([m.REPLY, 0, value], tool.max_message)

    def log_command(self, name: str, tool: Peer, values: Mapping[str, Any]) -> None:
        """Log who asks for a change, and of whom; with which arguments stays unsaid."""
        if not COMMANDS[name].changes:
            return
        told = {key: values[key] for key in ("target", "event") if key in values}
        log(
            logger,
            logging.INFO,
            "command",
            command=name,
            client=tool.name,
            target=text_of(told["target"], MOST_TEXT) if told else None,
            handler=text_of(told["event"], MOST_TEXT) if told else None,
        )

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


def _refusal(error: Exception) -> CommandRefused:
    if isinstance(error, ClusterError):
        # What an application rejects is always a plain refusal.
        plain = isinstance(error, Rejected)
        status = Rejected.exit_status if plain else error.exit_status
        return CommandRefused(error.code, str(error), status)
    return CommandRefused("badarg", str(error), Rejected.exit_status)
