"""One step of a node's membership: what it changed becomes effects.

`Step` lives here: it sends, spreads and hands over on behalf of one operation or
one received message, and puts the effects in order. Deciding never will be
here. The invariant is that whatever changed is saved, told and reported once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from clusterkit.core.registers import Registers
from clusterkit.core.ring_effects import (
    Cause,
    Changed,
    CloseLinks,
    Dropped,
    Effect,
    HandOver,
    Persist,
    Send,
)
from clusterkit.core.ring_state import Kind, Message, RingState
from clusterkit.core.standing import Standing, present_names

if TYPE_CHECKING:
    from collections.abc import Collection


class Step:
    """One operation or one received message.

    Args:
        standing: Where the node stands; changed by the step.
        fanout: How many members a change is told to.
        ttl: Seconds for which removals are remembered.
        cause: What `Changed` will say, unless the step finds another.
    """

    def __init__(
        self, standing: Standing, *, fanout: int, ttl: float, cause: Cause
    ) -> None:
        self.standing = standing
        self.cause: Cause = cause
        self.ttl = ttl
        self._fanout = fanout
        self._members = standing.state.entries.members
        self._effects: list[Effect] = []

    def note(self, effect: Effect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def drop(
        self,
        peer: str,
        what: Literal["foreign", "invalid", "full", "stale"],
        count: int = 1,
    ) -> None:
        """Say that something from `peer` was ignored."""
        self.note(Dropped(peer, what, count))

    def send(
        self, to: str, kind: Kind, *marks: int, state: RingState | None = None
    ) -> None:
        """Send `state`, by default the own one, to one node."""
        told = self.standing.state if state is None else state
        message = Message(kind, told, marks)
        self.note(Send(to, message.to_plain(self.standing.now)))

    def send_digest(self, to: str, kind: Kind) -> None:
        """Send the digest of the own state, without its entries."""
        state = self.standing.state
        bare = replace(state, entries=Registers())
        self.send(to, kind, state.entries.digest, state=bare)

    def send_some(self, to: str, entries: Registers) -> None:
        """Send only some entries of the own state."""
        part = replace(self.standing.state, entries=entries)
        self.send(to, Kind.DELTA, state=part)

    def spread(self, known: Registers, told: Collection[str] = ()) -> None:
        """Tell some members what is not in `known`.

        Each does so too, if it is news to it, so a change spreads as a rumour
        and ends with the last who has not heard it (Demers et al., 1987); whom
        it misses, a digest will reach.

        Args:
            known: What needs no telling.
            told: Who needs no telling.
        """
        news = self.standing.state.entries.news(known)
        if not news:
            return
        rest = [name for name in self.standing.others if name not in told]
        for name in self.standing.rng.sample(rest, min(self._fanout, len(rest))):
            self.send_some(name, news)

    def hand_over(self, ticket: int, first: str = "") -> None:
        """Give what is owed to the members of the ring that was left.

        Args:
            ticket: What.
            first: Whom to try first, or alone if there are no members.
        """
        owed = self.standing.owed[ticket]
        names = present_names(owed) or [first]
        self.standing.rng.shuffle(names)
        names.sort(key=lambda name: name != first)
        message = Message(Kind.FAREWELL, owed, (ticket,))
        plain = message.to_plain(self.standing.now)
        self.note(HandOver(ticket, tuple(names), plain))

    def finish(self) -> list[Effect]:
        """Return the effects, in the order in which to carry them out."""
        effects: list[Effect] = []
        if self.standing.unsaved:
            effects.append(Persist())
            self.standing.unsaved = False
        old, new = self._members, self.standing.state.entries.members
        if old != new:
            effects.append(Changed(old, new, self.cause))
        effects += self._effects
        gone = {node.id for node in old} - {node.id for node in new}
        if gone:
            effects.append(CloseLinks(tuple(sorted(gone))))
        return effects
