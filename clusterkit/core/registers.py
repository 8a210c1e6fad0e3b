"""The map of a ring: for each name two last-writer registers, and their merge.

Stamps, records, entries, the map of them, their canonical bytes and their plain
form live here. Who may merge with whom never will: that is `membership`. The
invariant is that `Registers.merge` takes the later stamp of every register, so
it is commutative, associative and idempotent, and no wall clock takes part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from clusterkit.core.ring_input import check_weight
from clusterkit.errors import RingError
from clusterkit.frozen import frozen
from clusterkit.names import NodeInfo, check_host, check_name, check_port

V = TypeVar("V")

MAX_NAMES = 10_000
"""Most names in one map, removed ones included. A peer cannot make it larger."""

U64 = 2**64 - 1
"""Greatest integer that travels, in any field."""


MOST_TIME = 2**63
"""Latest Lamport time, and highest count of a node's operations, that is taken
from a peer: 64 bits leave room for all that may come after it."""

MOST_JUMP = 2**48
"""How far ahead of the own Lamport time a peer's may be. A ring would get there
in nine years of a million operations a second, so beyond it is an error, and one
that every later stamp of every member would carry on."""

MOST_INCARNATION = 2**62
"""Highest incarnation that is taken from a peer, in what is said of members' lives and
keys. Who is said to have it can begin no other; what may be said of it is little."""

LATEST = MOST_TIME + MOST_JUMP
"""Latest time in a file: that of a peer, and own operations since."""


def check_whole(value: object, what: str, most: int = U64) -> int:
    """Return `value` if it is an integer from 0 to `most`, or 2**64 - 1.

    Raises:
        ValueError: It is not; the message calls it `what`.
    """
    if type(value) is int and 0 <= value <= most:
        return value
    raise ValueError(f"{what} is an integer up to {most}, not {value!r:.100}")


def check_list(value: object, length: int, what: str) -> list[Any]:
    """Return `value` if it is a list or tuple of `length` items.

    Raises:
        ValueError: It is not; the message calls it `what`.
    """
    if isinstance(value, list | tuple) and len(value) == length:
        return list(value)
    raise ValueError(f"{what} is a list of {length}, not {value!r:.100}")


def read_by_name(
    value: object, read: Callable[[object], V], most: int, what: str
) -> dict[str, V]:
    """Return what a peer says of nodes, by their names.

    Args:
        value: What it sent.
        read: Reads what it says of one; raises `ValueError`.
        most: Nodes that it may name.
        what: How the error calls it.

    Raises:
        ValueError: It has another shape, or names more.
    """
    if type(value) is not dict or len(value) > most:
        raise ValueError(f"{what} are a map of up to {most} nodes")
    return {check_name(name): read(item) for name, item in value.items()}


class Stamp(NamedTuple):
    """When a register was written: a logical time, unique per operation.

    Compared from left to right, as a tuple: the higher Lamport time is later;
    at equal times presence wins over absence; then the writer decides, so that
    every node decides alike.
    """

    lamport: int
    """Lamport time (1978) of the operation at its writer."""

    present: bool
    """What a membership register of this stamp says."""

    name: str
    """The node that wrote."""

    incarnation: int
    """Its process life: a node that lost its disk counts anew."""

    tick: int = 0
    """What the writer's entry in the vector clock became by the operation, so
    that a clock tells whether it was seen. It never decides an order."""

    def to_plain(self) -> list[Any]:
        """Return the fields in order, presence as 0 or 1."""
        return [self.lamport, int(self.present), *self[2:]]

    @classmethod
    def from_plain(cls, value: object, latest: int = LATEST) -> Stamp:
        """Read what `to_plain` wrote.

        Args:
            value: Anything.
            latest: The latest Lamport time and tick to believe.

        Raises:
            ValueError: A field is missing or not valid.
        """
        lamport, present, name, incarnation, tick = check_list(value, 5, "a stamp")
        if check_whole(present, "presence") > 1:
            raise ValueError(f"presence is 0 or 1, not {present}")
        return cls(
            check_whole(lamport, "a Lamport time", latest),
            bool(present),
            check_name(name, "writer"),
            check_whole(incarnation, "an incarnation"),
            check_whole(tick, "a tick", latest),
        )


class Record(NamedTuple):
    """Where a node listens and what it weighs; the later stamp stands.

    Compared as a tuple. The stamp decides; the rest would only if one stamp
    had two contents, which no correct node makes, and then alike everywhere.
    """

    stamp: Stamp
    host: str
    port: int
    weight: int

    def to_plain(self) -> list[Any]:
        """Return stamp, host, port and weight."""
        return [self.stamp.to_plain(), *self[1:]]

    @classmethod
    def from_plain(cls, value: object, latest: int = LATEST) -> Record:
        """Read what `to_plain` wrote; `latest` as for `Stamp.from_plain`.

        Raises:
            ValueError: A field is missing or not valid.
        """
        stamp, host, port, weight = check_list(value, 4, "a record")
        return cls(
            Stamp.from_plain(stamp, latest),
            check_host(host),
            check_port(port),
            check_weight(weight),
        )


@frozen
class Entry:
    """What the map holds of one name: its two registers.

    The membership register is its stamp alone, which says present or not. The
    two are apart so that a new weight never brings a removed node back.
    """

    member: Stamp
    record: Record

    removed_at: float = field(default=0.0, compare=False)
    """Wall seconds, on this node's clock, at which the removal of an absent
    name was stamped; 0 for a present one. Only forgetting looks at it. What
    travels is the age, so no two clocks are ever compared."""

    @property
    def present(self) -> bool:
        """Whether the name is a member."""
        return self.member.present

    def node(self, name: str) -> NodeInfo:
        """Return where `name`, whose entry this is, listens."""
        return NodeInfo(name, self.record.host, self.record.port)

    def merge(self, other: Entry) -> Entry:
        """Return the later of each register; this very entry if it is both."""
        member = max(self.member, other.member)
        ends = {e.removed_at for e in (self, other) if e.member == member}
        merged = Entry(member, max(self.record, other.record), min(ends))
        same = merged == self and merged.removed_at == self.removed_at
        return self if same else merged


class Registers(Mapping[str, Entry]):
    """An immutable map of names to entries.

    Every operation returns the new map, or the same one if nothing changed, so
    that what is derived from a map is computed once.

    Args:
        entries: What it holds; taken over, so do not change it afterwards.

    Raises:
        RingError: It holds more than `MAX_NAMES` names.
    """

    def __init__(self, entries: Mapping[str, Entry] | None = None) -> None:
        self._entries = {} if entries is None else entries
        if len(self._entries) > MAX_NAMES:
            raise RingError(
                f"a ring holds at most {MAX_NAMES} names, removed ones included, "
                f"not {len(self._entries)}; removed ones go after tombstone_ttl"
            )

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        names = [name if self[name].present else f"-{name}" for name in sorted(self)]
        return f"<Registers {' '.join(names)}>"

    def put(self, entries: Mapping[str, Entry]) -> Registers:
        """Return the map with `entries` in place of what it had of those names."""
        return Registers({**self._entries, **entries}) if entries else self

    def merge(self, other: Registers) -> Registers:
        """Return the later of each register of both maps.

        Raises:
            RingError: Together they hold more than `MAX_NAMES` names.

        Guarantees:
            Commutative, associative and idempotent.
        """
        if other is self:
            return self
        news: dict[str, Entry] = {}
        for name, theirs in other.items():
            ours = self._entries.get(name)
            entry = theirs if ours is None else ours.merge(theirs)
            if entry is not ours:
                news[name] = entry
        return self.put(news)

    def news(self, older: Registers) -> Registers:
        """Return the entries that `older` does not hold as they are here."""
        if older is self:
            return Registers()
        return Registers({n: e for n, e in self.items() if older.get(n) != e})

    def without(self, names: frozenset[str]) -> Registers:
        """Return the map without `names`."""
        if names.isdisjoint(self._entries):
            return self
        return Registers({n: e for n, e in self.items() if n not in names})

    def lists(self, name: str) -> bool:
        """Whether `name` is present."""
        entry = self._entries.get(name)
        return entry is not None and entry.present

    @cached_property
    def present(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(sorted(name for name, entry in self.items() if entry.present))

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """The names that were removed, in order."""
        return tuple(sorted(name for name, entry in self.items() if not entry.present))

    @cached_property
    def members(self) -> Mapping[NodeInfo, int]:
        """Nodes present and their weights, by name; what `HashRing.of` takes."""
        return {
            self[name].node(name): self[name].record.weight for name in self.present
        }

    @cached_property
    def digest(self) -> int:
        """Eight bytes of BLAKE2b over the canonical bytes, as an integer.

        Equal for equal maps; for different ones with probability 2**-64.
        """
        hashed = hashlib.blake2b(self.canonical(), digest_size=8)
        return int.from_bytes(hashed.digest(), "big")

    def canonical(self) -> bytes:
        """Return the registers as bytes: equal if and only if the maps are.

        One line per name, in order; names, hosts and numbers hold no space.
        """
        return "\n".join(
            " ".join(
                map(str, (name, *entry.member, *entry.record[1:], *entry.record[0]))
            )
            for name, entry in sorted(self.items())
        ).encode()

    def to_plain(self, now: float) -> list[Any]:
        """Return `[name, member, record, age]` for each name.

        Args:
            now: Wall seconds; a removal's age is counted up to it.
        """
        return [
            [name, entry.member.to_plain(), entry.record.to_plain(), _age(entry, now)]
            for name, entry in sorted(self.items())
        ]

    @classmethod
    def from_plain(
        cls, value: object, now: float, latest: int = LATEST
    ) -> tuple[Registers, int]:
        """Read what `to_plain` wrote, leaving out the entries that are not valid.

        Args:
            value: Anything.
            now: Wall seconds; removals are dated back from it by their age.
            latest: The latest Lamport time and tick to believe.

        Returns:
            The valid entries, and how many were not.

        Raises:
            ValueError: It is no list, or of more than `MAX_NAMES` entries.
        """
        if not isinstance(value, list | tuple) or len(value) > MAX_NAMES:
            raise ValueError(f"a ring's entries are a list of up to {MAX_NAMES}")
        entries: dict[str, Entry] = {}
        for item in value:
            try:
                name, entry = _read_entry(item, now, latest)
            except ValueError:
                continue  # the caller is told how many were
            entries[name] = entry
        return cls(entries), len(value) - len(entries)


def _age(entry: Entry, now: float) -> int:
    return 0 if entry.present else max(0, int(now - entry.removed_at))


def _read_entry(value: object, now: float, latest: int) -> tuple[str, Entry]:
    name, member, record, age = check_list(value, 4, "an entry")
    stamp = Stamp.from_plain(member, latest)
    entry = Entry(stamp, Record.from_plain(record, latest))
    if not entry.present:
        entry = replace(entry, removed_at=now - check_whole(age, "an age"))
    return check_name(name), entry
