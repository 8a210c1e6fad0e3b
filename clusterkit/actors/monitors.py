"""Monitors: who wants to know when an actor ends.

As in Erlang, a monitor fires once: when the actor ends in whatever way (a
restart included), when there is no such actor, or when its node is down.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from clusterkit.actors.here import Here
from clusterkit.errors import NodeUnknown
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from clusterkit.actors.process import Process
    from clusterkit.actors.runtime import Runtime
    from clusterkit.net.peer import Peer


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored actor has ended; comes to `handle_info`.

    Attributes:
        monitor: What `monitor` returned.
        target: What was monitored.
        reason: Why it ended: `normal`, `shutdown`, the name of an exception,
            `noproc` (there was none), or `noconnection` (its node is down).
    """

    monitor: int
    target: str
    reason: str


class Monitors:
    """The monitors that actors of this node hold, and those held on them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ids = count(1)
        # Ours: id → who asked, about whom, over which link (or `here`), and
        # its ticket in the link's outbox.
        self._ours: dict[int, tuple[Process, str, Any, int]] = {}
        # Held on actors here: name → (origin, id of the origin's).
        self._theirs: dict[str, dict[tuple[Any, int], None]] = {}

    def add(self, process: Process, target: str) -> int:
        """Have `process` told of the end of `target`; return the number."""
        monitor = next(self._ids)
        try:
            actor, peer = self._runtime.resolve(target)
        except NodeUnknown:
            process.tell(Down(monitor, target, "noconnection"))
            return monitor
        self._ours[monitor] = (process, target, peer, 0)
        peer.interest += 1
        if isinstance(peer, Here):
            self.watch(peer, monitor, actor)
            return monitor
        if peer.down or peer.given_up is not None:
            self.fire(peer, monitor, "noconnection")
        else:
            record = [m.MONITOR, monitor, actor]
            ticket = self._runtime.post_control(peer, record)
            self._ours[monitor] = (process, target, peer, ticket)
        return monitor

    def remove(self, monitor: int) -> None:
        """Take a monitor back."""
        held = self._ours.pop(monitor, None)
        if held is None:
            return
        _, _, peer, ticket = held
        peer.interest -= 1
        if peer is self._runtime.here:
            self.unwatch(peer, monitor)
        elif not peer.outbox.withdraw(ticket):
            self._runtime.post_control(peer, [m.DEMONITOR, monitor])

    def watch(self, origin: Any, monitor: int, actor: str) -> None:
        """Somebody wants to know when an actor of this node ends."""
        if self._runtime.registry.get(actor) is None:
            self._tell(origin, monitor, "noproc")
        else:
            self._theirs.setdefault(actor, {})[origin, monitor] = None

    def unwatch(self, origin: Any, monitor: int) -> None:
        """Somebody does not want to know any more."""
        for actor, watchers in list(self._theirs.items()):
            watchers.pop((origin, monitor), None)
            if not watchers:
                del self._theirs[actor]

    def ended(self, actor: str, reason: str) -> None:
        """An actor of this node has ended: tell everybody who asked."""
        for origin, monitor in self._theirs.pop(actor, {}):
            self._tell(origin, monitor, reason)

    def fire(self, peer: Any, monitor: int, reason: str) -> None:
        """A Down came from `peer`; unknown numbers are of monitors taken back."""
        held = self._ours.get(monitor)
        if held is None or held[2] is not peer:
            return
        del self._ours[monitor]
        process, target, *_ = held
        peer.interest -= 1
        process.tell(Down(monitor, target, reason))

    def lost(self, peer: Peer) -> None:
        """Nothing more will come from a peer: fire all monitors on it."""
        for monitor, (_, _, held_on, ticket) in list(self._ours.items()):
            if held_on is peer:
                peer.outbox.withdraw(ticket)
                self.fire(peer, monitor, "noconnection")

    def lost_sent(self, peer: Peer) -> None:
        """A peer has forgotten what it was sent: fire the monitors among it."""
        for monitor, (_, _, held_on, ticket) in list(self._ours.items()):
            if held_on is peer and ticket <= peer.outbox.taken:
                self.fire(peer, monitor, "noconnection")

    def forget(self, peer: Any) -> None:
        """A peer has lost its own monitors: drop what it held here."""
        for actor, watchers in list(self._theirs.items()):
            for watcher in [w for w in watchers if w[0] is peer]:
                del watchers[watcher]
            if not watchers:
                del self._theirs[actor]

    def _tell(self, origin: Any, monitor: int, reason: str) -> None:
        if origin is self._runtime.here:
            self.fire(origin, monitor, reason)
        else:
            self._runtime.post_control(origin, [m.DOWN, monitor, reason])
