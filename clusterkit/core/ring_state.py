"""What a ring's gossip says: the state of a ring, and the messages that carry it.

`RingState` and `Message` live here, with their plain form for wire and disk.
What a receiver does with a message never will: that is `membership`. The
invariant is that merging states is the join of all their parts, so a message
that is lost, repeated or late can do no harm.
"""

from __future__ import annotations

import hashlib
from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from clusterkit.core.registers import (
    LATEST,
    MAX_NAMES,
    Entry,
    Registers,
    Stamp,
    check_list,
    check_whole,
)
from clusterkit.core.vector_clock import VectorClock
from clusterkit.frozen import frozen
from clusterkit.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class RingState:
    """What one node knows of its ring.

    Every operation returns the new state; a part that did not change is the
    same object, so `is` tells.
    """

    ring_ids: frozenset[int]
    """The ring's lineage. Two states are of one ring if these intersect; rings
    that unite keep the ids of both."""

    entries: Registers = field(default_factory=Registers)
    """Everyone who is a member or was removed lately."""

    clock: VectorClock = field(default_factory=VectorClock)
    """Which operations of which node these entries contain."""

    lamport: int = 0
    """Highest Lamport time seen."""

    def is_kin(self, other: RingState) -> bool:
        """Whether both are states of one ring."""
        return not self.ring_ids.isdisjoint(other.ring_ids)

    def fits(self, other: RingState, sender: str = "") -> bool:
        """Whether the join with `other` can be told: names and ids are bounded.

        A state beyond the bounds could be read by nobody, nor from its file.

        Args:
            other: Another state.
            sender: One more name that it may bring.
        """
        ids, names = self.ring_ids, self.entries.keys()
        if len(ids) + len(other.ring_ids) > MAX_NAMES:
            ids = ids | other.ring_ids
        if len(names) + len(other.entries) < MAX_NAMES:
            return len(ids) <= MAX_NAMES
        both = names | other.entries.keys() | ({sender} if sender else set())
        return len(ids) <= MAX_NAMES and len(both) <= MAX_NAMES

    def merge(self, other: RingState) -> RingState:
        """Return the join of both states, whoever they belong to.

        Raises:
            RingError: Together they hold too many names.

        Guarantees:
            Commutative, associative and idempotent.
        """
        return RingState(
            self.ring_ids | other.ring_ids,
            self.entries.merge(other.entries),
            self.clock.merge(other.clock),
            max(self.lamport, other.lamport),
        )

    def patch(self, part: RingState) -> RingState:
        """Return the join with a state of which `part` has only some entries.

        The clock takes over an operation only if it is its writer's next one:
        of earlier ones, entries may be missing. A clock that knows too little
        costs a message, one that knows too much would hide a conflict.

        Raises:
            RingError: Together they hold too many names.
        """
        clock = self.clock
        for stamp in sorted(stamps(part.entries), key=lambda stamp: stamp.tick):
            if stamp.tick == (clock.get_count(stamp.name) or 0) + 1:
                clock = clock.update(stamp.name, stamp.tick)
        return replace(self.merge(replace(part, clock=VectorClock())), clock=clock)

    def says_more_than(self, other: RingState) -> bool:
        """Whether `other` lacks something of this, its join with something."""
        return self.entries != other.entries or self.ring_ids != other.ring_ids

    def prune(self) -> RingState:
        """Return the state with no clock entry for a name that is forgotten."""
        clock = self.clock
        for actor in sorted(clock.nodes() - self.entries.keys()):
            clock = clock.remove(actor)
        return replace(self, clock=clock)

    def conflicts(self, theirs: RingState) -> Iterator[tuple[str, Entry, Entry]]:
        """Yield the names of which both sides wrote one register concurrently.

        That is: the stamps differ, and neither side's clock has the other's.
        """
        for name, entry in sorted(theirs.entries.items()):
            ours = self.entries.get(name)
            if ours is not None and any(
                a != b and not _has(theirs.clock, a) and not _has(self.clock, b)
                for a, b in zip(_stamps(ours), _stamps(entry), strict=True)
            ):
                yield name, ours, entry

    def to_plain(self, now: float = 0.0) -> list[Any]:
        """Return ring ids, entries, clock and Lamport time, as lists and dicts.

        Args:
            now: Wall seconds; the age of a removal is counted up to it.
        """
        return [
            sorted(self.ring_ids),
            self.entries.to_plain(now),
            {name: self.clock.get_count(name) for name in sorted(self.clock.nodes())},
            self.lamport,
        ]

    @classmethod
    def from_plain(
        cls, value: object, now: float = 0.0, latest: int = LATEST
    ) -> tuple[RingState, int]:
        """Read what `to_plain` wrote, leaving out entries that are not valid.

        Args:
            value: Anything.
            now: Wall seconds; removals are dated back from it by their age.
            latest: The latest Lamport time, tick and count to believe.

        Returns:
            The state, and how many of its entries were not valid.

        Raises:
            ValueError: More is wrong than single entries.
        """
        ids, rows, clock, lamport = check_list(value, 4, "a ring's state")
        entries, dropped = Registers.from_plain(rows, now, latest)
        times = [stamp.lamport for stamp in stamps(entries)]
        highest = max(check_whole(lamport, "a Lamport time", latest), *times, 0)
        read = _read_clock(clock, latest)
        return cls(_read_ids(ids), entries, read, highest), dropped


class Kind(StrEnum):
    """What a message wants; `MARKS` has what it carries besides a state."""

    DIGEST = "digest"
    """No entries, their digest: say more if you hold something else."""
    ASK = "ask"
    """No entries, their digest: yours are needed here."""
    STATE = "state"
    """All I hold: answer if you hold more."""
    REPLY = "reply"
    """All I hold, to be merged in silence."""
    DELTA = "delta"
    """Some entries, which have just changed."""
    LEFT = "left"
    """One entry: I left the ring of these ids."""
    JOIN = "join"
    """All I hold: let us be one ring."""
    ANSWER = "answer"
    """All I hold, after your join."""
    FAREWELL = "farewell"
    """All I hold of a ring that I leave: take it over and say so."""
    TAKEN = "taken"
    """What you held is saved here; no entries."""


MARKS = {
    Kind.DIGEST: 1,
    Kind.ASK: 1,
    Kind.STATE: 0,
    Kind.REPLY: 0,
    Kind.DELTA: 0,
    Kind.LEFT: 0,
    Kind.JOIN: 2,
    Kind.ANSWER: 3,
    Kind.FAREWELL: 1,
    Kind.TAKEN: 1,
}
"""How many integers end a message: the digest, the ticket of what is handed
over, or the asker's incarnation and generation and then the asked one's
incarnation."""


@frozen
class Message:
    """One message of the ring's gossip."""

    kind: Kind
    state: RingState
    marks: tuple[int, ...] = ()

    def to_plain(self, now: float = 0.0) -> tuple[Any, ...]:
        """Return the kind, the state's plain form, and the marks."""
        return (self.kind.value, self.state.to_plain(now), list(self.marks))

    @classmethod
    def from_plain(
        cls, value: object, now: float = 0.0, latest: int = LATEST
    ) -> tuple[Message, int]:
        """Read what `to_plain` wrote; as `RingState.from_plain`.

        Raises:
            ValueError: More is wrong than single entries.
        """
        word, plain, marks = check_list(value, 3, "a ring message")
        kind = Kind(word)
        numbers = check_list(marks, MARKS[kind], f"the end of {kind.value!r}")
        state, dropped = RingState.from_plain(plain, now, latest)
        return cls(
            kind, state, tuple(check_whole(n, "a mark") for n in numbers)
        ), dropped


def hash_of(state: RingState) -> int:
    """Return 8 bytes of BLAKE2b over ring ids, digest, clock and Lamport time."""
    clock = state.clock
    counts = [f"{name}:{clock.get_count(name)}" for name in sorted(clock.nodes())]
    numbers = (*sorted(state.ring_ids), state.entries.digest, *counts, state.lamport)
    text = " ".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def stamps(entries: Registers) -> list[Stamp]:
    """Return the stamps of all registers."""
    return [stamp for entry in entries.values() for stamp in _stamps(entry)]


def _stamps(entry: Entry) -> tuple[Stamp, Stamp]:
    return entry.member, entry.record.stamp


def _has(clock: VectorClock, stamp: Stamp) -> bool:
    return stamp.tick <= (clock.get_count(stamp.name) or 0)


def _read_ids(value: object) -> frozenset[int]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_NAMES:
        raise ValueError(f"the ids of a ring are a list of 1 to {MAX_NAMES}")
    return frozenset(check_whole(ring_id, "a ring id") for ring_id in value)


def _read_clock(value: object, latest: int) -> VectorClock:
    if not isinstance(value, dict) or len(value) > MAX_NAMES:
        raise ValueError(f"a ring's clock is a map of up to {MAX_NAMES}")
    return VectorClock.from_json(
        {
            check_name(name): {"count": check_whole(n, "a count", latest)}
            for name, n in value.items()
        }
    )
