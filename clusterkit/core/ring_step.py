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
    Changed,
    CloseLinks,
    Dropped,
    Effect,
    HandOver,
    Persist,
    Send,
)
from clusterkit.core.ring_state import Kind, Message, RingState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from clusterkit.core.standing import Standing
    from clusterkit.events import Cause


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
        self._known = standing.state.entries
        self._effects: list[Effect] = []
        self._rumour: tuple[Registers, Collection[str]] | None = None

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
        self._send_each([to], Message(kind, told, marks))

    def send_state(self, names: Iterable[str]) -> None:
        """Send the own state to each of `names`."""
        self._send_each(names, Message(Kind.STATE, self.standing.state))

    def send_digest(self, to: str, kind: Kind) -> None:
        """Send the digest of the own state, without its entries."""
        state = self.standing.state
        bare = replace(state, entries=Registers())
        self.send(to, kind, state.entries.digest, state=bare)

    def send_some(self, names: Iterable[str], entries: Registers) -> None:
        """Send only some entries of the own state to each of `names`."""
        part = replace(self.standing.state, entries=entries)
        self._send_each(names, Message(Kind.DELTA, part))

    def spread(self, known: Registers, told: Collection[str] = ()) -> None:
        """Tell some members, last of all, what is not in `known` by then.

        Each does so too, if it is news to it, so a change spreads as a rumour
        and ends with the last who has not heard it (Demers et al., 1987); whom
        it misses, a digest will reach.

        Args:
            known: What needs no telling.
            told: Who needs no telling.
        """
        self._rumour = (known, told)

    def hand_over(self, ticket: int, first: str = "") -> None:
        """Give what is owed to the members of the ring that was left.

        Args:
            ticket: What.
            first: Whom to try first, if that is a member.
        """
        owed = self.standing.owed[ticket]
        names = [*owed.entries.present]
        self.standing.rng.shuffle(names)
        names.sort(key=lambda name: name != first)
        message = Message(Kind.FAREWELL, owed, (ticket,))
        plain = message.to_plain(self.standing.now)
        self.note(HandOver(ticket, tuple(names), plain))

    def finish(self) -> list[Effect]:
        """Return the effects, in the order in which to carry them out."""
        if self._rumour is not None:
            self._spread(*self._rumour)
        effects: list[Effect] = []
        if self.standing.unsaved:
            effects.append(Persist())
            self.standing.unsaved = False
        now = self.standing.state.entries
        if now is self._known:  # as most messages find it
            return effects + self._effects
        if now.members != self._known.members:
            effects.append(Changed(self._known.members, now.members, self.cause))
        effects += self._effects
        gone = set(self._known.present).difference(now.present)
        if gone:
            effects.append(CloseLinks(tuple(sorted(gone))))
        return effects

    def _spread(self, known: Registers, told: Collection[str]) -> None:
        news = self.standing.state.entries.news(known)
        if not news:
            return
        rest = [name for name in self.standing.others if name not in told]
        chosen = self.standing.rng.sample(rest, min(self._fanout, len(rest)))
        self.send_some(chosen, news)

    def _send_each(self, names: Iterable[str], message: Message) -> None:
        # One plain form for all: a batch of n inserts sends n times n entries.
        plain = message.to_plain(self.standing.now)
        for name in names:
            self.note(Send(name, plain))
