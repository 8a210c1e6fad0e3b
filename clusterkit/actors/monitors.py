"""Monitors: who wants to know when an actor or a node ends.

As in Erlang, a monitor fires once: when the actor ends in whatever way (a
restart included), when there is no such actor, or when its node is down. It
goes with the life of the actor that set it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clusterkit.actors.down import Down
from clusterkit.actors.targets import node_name, parse_target
from clusterkit.errors import NodeUnknown
from clusterkit.names import check_name
from clusterkit.net.link import Link
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from clusterkit.actors.process import Process
    from clusterkit.actors.runtime import Runtime
    from clusterkit.net.peer import Peer

NOT_SENT: Final = 0
"""In the place of a ticket: the peer was told nothing, and need not be."""


MOST_MONITORS: Final = 65_536
"""Monitors that one peer may hold on the actors of this node; it chooses the
numbers."""


class Held(NamedTuple):
    """A monitor of ours.

    Attributes:
        process: Who asked.
        target: About whom.
        peer: Over which link, or `here`.
        ticket: Its place in the link's outbox, or `NOT_SENT`.
        incarnation: Of a monitored node, 0 before the first contact; None if
            an actor is monitored.
    """

    process: Process
    target: str
    peer: Any
    ticket: int
    incarnation: int | None


class Monitors:
    """The monitors that actors of this node hold, and those held on them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ids = count(1)
        # Ours by number, and the numbers by who asked and about which peer.
        self._ours: dict[int, Held] = {}
        self._of_process: dict[Process, dict[int, None]] = {}
        self._of_peer: dict[Any, dict[int, None]] = {}
        # Held on actors here: name → (origin, number of the origin's); and
        # the names by origin and number.
        self._theirs: dict[str, dict[tuple[Any, int], None]] = {}
        self._of_origin: dict[Any, dict[int, str]] = {}

    def add(self, process: Process, target: str) -> int:
        """Have `process` told of the end of an actor; return the number.

        Raises:
            ConfigError: The target is not valid, or contradicts an address.
            NodeDown: This node has ended.
        """
        actor, node = parse_target(self._runtime.kernel, target)
        monitor = next(self._ids)
        peer = self._reach(process, monitor, target, node)
        if peer is None:
            return monitor
        if peer is self._runtime.here:
            self._keep(monitor, Held(process, target, peer, NOT_SENT, None))
            self.watch(peer, monitor, actor)
        else:
            record = [m.MONITOR, monitor, actor]
            # Its interest keeps the link, so it comes before what is sent.
            self._keep(monitor, Held(process, target, peer, NOT_SENT, None))
            ticket = self._runtime.post_control(peer, record)
            self._ours[monitor] = Held(process, target, peer, ticket, None)
        return monitor

    def add_node(self, process: Process, node: str) -> int:
        """Have `process` told of the end of a node; return the number.

        Raises:
            ConfigError: It is not a valid name, or contradicts an address.
            NodeDown: This node has ended.
        """
        name = check_name(node_name(self._runtime.kernel, node), "node name")
        monitor = next(self._ids)
        peer = self._reach(process, monitor, f"@{name}", name)
        if peer is not None:
            incarnation = 0 if peer is self._runtime.here else peer.talk.incarnation
            self._keep(monitor, Held(process, f"@{name}", peer, NOT_SENT, incarnation))
            peer.wake()
        return monitor

    def remove(self, process: Process, monitor: int) -> None:
        """Take a monitor back, if it is of this process."""
        held = self._ours.get(monitor)
        if held is None or held.process is not process:
            return
        self._drop(monitor, held)
        if held.peer is self._runtime.here:
            self.unwatch(held.peer, monitor)
        elif held.ticket and not held.peer.outbox.withdraw(held.ticket):
            self._runtime.post_control(held.peer, [m.DEMONITOR, monitor])

    def release(self, process: Process) -> None:
        """Take back all that a life of a process held."""
        for monitor in list(self._of_process.get(process, ())):
            self.remove(process, monitor)

    def watch(self, origin: Any, monitor: int, actor: str) -> None:
        """Somebody wants to know when an actor of this node ends."""
        self.unwatch(origin, monitor)  # a number is of one monitor
        here = origin is self._runtime.here
        if not here and len(self._of_origin.get(origin, ())) >= MOST_MONITORS:
            self._refuse(origin, monitor, "busy")
        elif self._runtime.registry.get(actor) is None:
            self._refuse(origin, monitor, "noproc")
        else:
            self._theirs.setdefault(actor, {})[origin, monitor] = None
            self._of_origin.setdefault(origin, {})[monitor] = actor

    def unwatch(self, origin: Any, monitor: int) -> None:
        """Somebody does not want to know any more."""
        actor = _take(self._of_origin, origin, monitor)
        if actor is not None:
            _take(self._theirs, actor, (origin, monitor))

    def ended(self, actor: str, reason: str) -> None:
        """An actor of this node has ended: tell everybody who asked."""
        for origin, monitor in self._theirs.pop(actor, {}):
            _take(self._of_origin, origin, monitor)
            self._tell(origin, monitor, reason)

    def fire(self, peer: Any, monitor: int, reason: str) -> None:
        """A Down came from `peer`; unknown numbers are of monitors taken back."""
        held = self._ours.get(monitor)
        if held is None or held.peer is not peer:
            return
        self._drop(monitor, held)
        held.process.tell(Down(monitor, held.target, reason))

    def lost(self, peer: Peer) -> None:
        """Nothing more will come from a peer: fire all monitors on it."""
        for monitor in list(self._of_peer.get(peer, ())):
            peer.outbox.withdraw(self._ours[monitor].ticket)
            self.fire(peer, monitor, "noconnection")

    def lost_sent(self, peer: Peer) -> None:
        """A peer has forgotten what it was sent: fire the monitors among it."""
        incarnation = peer.talk.incarnation
        for monitor in list(self._of_peer.get(peer, ())):
            held = self._ours[monitor]
            if held.incarnation is None:
                if peer.outbox.has_left(held.ticket):
                    self.fire(peer, monitor, "noconnection")
            elif held.incarnation not in {0, incarnation}:
                self.fire(peer, monitor, "restarted")
            else:
                self._ours[monitor] = held._replace(incarnation=incarnation)

    def held_by(self, peer: Any) -> bool:
        """Say whether a peer monitors an actor of this node."""
        return peer in self._of_origin

    def forget(self, peer: Any) -> None:
        """A peer has lost its own monitors: drop what it held here."""
        for monitor, actor in self._of_origin.pop(peer, {}).items():
            _take(self._theirs, actor, (peer, monitor))

    def _reach(self, process: Process, monitor: int, target: str, node: str) -> Any:
        """Return the link to a node, or `here`; None if it fires at once."""
        try:
            peer = self._runtime.route(node)
        except NodeUnknown:
            peer = None
        if isinstance(peer, Link) and (peer.down or peer.given_up is not None):
            peer = None
        if peer is None:
            process.tell(Down(monitor, target, "noconnection"))
        return peer

    def _keep(self, monitor: int, held: Held) -> None:
        self._ours[monitor] = held
        self._of_process.setdefault(held.process, {})[monitor] = None
        self._of_peer.setdefault(held.peer, {})[monitor] = None
        held.peer.interest += 1

    def _drop(self, monitor: int, held: Held) -> None:
        del self._ours[monitor]
        _take(self._of_process, held.process, monitor)
        _take(self._of_peer, held.peer, monitor)
        held.peer.interest -= 1

    def _refuse(self, origin: Any, monitor: int, reason: str) -> None:
        if origin is self._runtime.here or not origin.swamped:
            self._tell(origin, monitor, reason)

    def _tell(self, origin: Any, monitor: int, reason: str) -> None:
        if origin is self._runtime.here:
            self.fire(origin, monitor, reason)
        else:
            self._runtime.post_control(origin, [m.DOWN, monitor, reason])


def _take(index: dict[Any, Any], key: Any, member: Any) -> Any:
    """Remove and return a member of an index; and the key, if it was the last."""
    members = index.get(key, {})
    value = members.pop(member, None)
    if not members:
        index.pop(key, None)
    return value
