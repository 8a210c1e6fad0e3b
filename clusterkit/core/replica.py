"""One node's keys as they are known here, and what is said of them.

From R. van Renesse, D. Dumitriu, V. Gough, C. Thomas, "Efficient Reconciliation
and Flow Control for Anti-Entropy Protocols", LADIS 2008 (scuttlebutt). Each node
owns a map; each write has the next version of it. A copy knows *everything* up to
its version and nothing beyond: changes are told in the order of their versions and
without a gap, so one number says what a copy has.

Three things that the paper leaves open:

- A version counts within an *incarnation*, one life of the owner's process. A
  later incarnation replaces all that is known of the earlier one, so a restart
  neither loses what is written after it nor brings back what was before.
- What is deleted leaves a *tombstone*, a version like any other. When the owner
  drops its old ones, it raises the *floor*, their highest version. A copy that has
  not come to the floor cannot know what was deleted meanwhile; it is told
  everything anew, and what is not in that is gone (chitchat's rule).
- Who hears others tell more of it than it ever said begins anew above that: only
  the owner speaks for itself, whatever a peer with a bad memory or bad will says.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clusterkit.core.registers import MOST_INCARNATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MOST_VERSION: Final = 2**62
"""Above it a version is an error."""

MOST_CHANGES: Final = 1_000
"""Changes that one part tells; an owner keeps no more keys, deleted ones included."""


class Deleted:
    """Stands for the value of a key that was deleted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "DELETED"


DELETED: Final = Deleted()


class Change(NamedTuple):
    """One key's latest write: its version, and its value, in bytes, or `DELETED`."""

    key: str
    version: int
    value: Any


class Summary(NamedTuple):
    """What a copy has: all of this incarnation up to this version.

    Two that have come as far have the same, unless somebody has lied; then their
    `check` differs, and only the owner knows which is true.
    """

    incarnation: int
    version: int
    floor: int
    check: int = 0

    @property
    def extent(self) -> tuple[int, int, int]:
        """How far it has come, whatever it has."""
        return self[:3]


NOTHING: Final = Summary(0, 0, 0)


class Part(NamedTuple):
    """What somebody tells of one node.

    Attributes:
        name: Of the node.
        incarnation: Of its life.
        since: Version up to which the reader is believed to have everything.
        version: Up to which it has after this.
        floor: The owner's, as the teller knows it.
        changes: In the order of their versions, all in (since, version].
    """

    name: str
    incarnation: int
    since: int
    version: int
    floor: int
    changes: list[Change]


class Replica:
    """The keys of one node.

    Attributes:
        incarnation: Of the life that they are of; 0 if nothing is known.
        version: Up to which everything is known.
        floor: Up to which tombstones are dropped.
        check: A hash of all that is kept.
    """

    __slots__ = ("_entries", "check", "floor", "incarnation", "version")

    def __init__(self, incarnation: int = 0) -> None:
        self.incarnation = incarnation
        self.version = 0
        self.floor = 0
        self._clear()

    def __repr__(self) -> str:
        return f"<Replica {self.incarnation}.{self.version} keys={len(list(self))}>"

    def __len__(self) -> int:
        """How many keys are kept, deleted ones included."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Change]:
        """Yield what every key has, oldest write first; deleted ones not."""
        return (c for c in self._entries.values() if c.value is not DELETED)

    @property
    def summary(self) -> Summary:
        """What is known here."""
        return Summary(self.incarnation, self.version, self.floor, self.check)

    def get(self, key: str) -> Change | None:
        """Return what a key has, None if nothing or deleted."""
        change = self._entries.get(key)
        return None if change is None or change.value is DELETED else change

    def tombstones(self) -> Iterator[Change]:
        """Yield the deletions that are kept, oldest first."""
        return (c for c in self._entries.values() if c.value is DELETED)

    # The owner's side.

    def write(self, key: str, value: Any) -> Change:
        """Give a key a value, or delete it (`DELETED`), with the next version."""
        self.version += 1
        change = Change(key, self.version, value)
        self._put(change)
        return change

    def raise_floor(self, floor: int) -> None:
        """Drop the tombstones up to a version, for good.

        Args:
            floor: No lower than before, and no higher than `version`.
        """
        self.floor = floor
        for change in list(self.tombstones()):
            if change.version <= floor:
                self._drop(change.key)

    def is_below(self, claimed: Summary) -> bool:
        """Say whether somebody claims more than the owner said, and may be outgrown.

        Of the last life others take the owner's word only (`StateBook`), so a
        claim above which there is no room in it does no harm, and is left alone.
        """
        if claimed.incarnation != self.incarnation:
            return claimed.incarnation > self.incarnation
        more = claimed.version > self.version or claimed.floor > self.floor
        more |= claimed.extent == self.summary.extent and claimed.check != self.check
        no_room = self.incarnation >= MOST_INCARNATION and _is_high(claimed)
        return more and not no_room

    def outgrow(self, claimed: Summary) -> None:
        """Begin anew above what somebody claims; all copies are told everything."""
        kept = list(self)
        self._clear()
        if claimed.incarnation > self.incarnation or _is_high(claimed):
            self.incarnation = min(claimed.incarnation + 1, MOST_INCARNATION)
            self.version = self.floor = 0
        if claimed.incarnation == self.incarnation and not _is_high(claimed):
            self.version = max(self.version, claimed.version, claimed.floor) + 1
            self.floor = self.version
        for change in kept:
            self.write(change.key, change.value)

    # The readers' side.

    def part_for(
        self, name: str, known: Summary, room: int, cost: Callable[[Change], int]
    ) -> Part | None:
        """Return what a reader lacks, None if it is nothing.

        Args:
            name: Of the node that this is of.
            known: What the reader has.
            room: What the changes may cost together; one is told at least.
            cost: Of one change, in bytes or whatever is scarce.
        """
        since = known.version
        if known.incarnation > self.incarnation or not self.incarnation:
            return None
        if known.incarnation < self.incarnation or known.floor < self.floor > since:
            since = 0  # of another life, or asleep for too long: all of it
        elif since >= self.version and known.floor >= self.floor:
            return None
        changes, version = self.changes_after(since), max(since, self.version)
        for index, change in enumerate(changes):
            room -= cost(change)
            if room < 0 < index or index == MOST_CHANGES:
                del changes[index:]
                version = changes[-1].version
                break
        return Part(name, self.incarnation, since, version, self.floor, changes)

    def changes_after(self, since: int) -> list[Change]:
        """Return the latest write of each key that was written after a version."""
        newest_first = takewhile(
            lambda change: change.version > since, reversed(self._entries.values())
        )
        return list(newest_first)[::-1]

    def fits(self, part: Part) -> bool:
        """Say whether a part can be taken: nothing before it is missing."""
        if part.incarnation != self.incarnation:
            return part.incarnation > self.incarnation and part.since == 0
        if part.floor < self.floor > self.version:
            # Who is being told anew must not hear it from somebody who does not
            # know what has been deleted since, and will never be said again.
            return False
        if part.floor > self.floor and part.floor > self.version:
            return part.since == 0
        return part.since <= self.version

    def take(self, part: Part) -> list[Change]:
        """Take a part; return what changes by it for those who read, in order.

        What is older than what is known, or does not fit, changes nothing.
        """
        if part.incarnation < self.incarnation or not self.fits(part):
            return []
        if (
            part.incarnation > self.incarnation
            or self.floor < part.floor > self.version
        ):
            return self._begin_anew(part)
        news = [c for c in part.changes if c.version > self.version and self._tells(c)]
        for change in part.changes:
            if change.version > self.version:
                self._put(change)
        self.version = max(self.version, part.version)
        if part.floor > self.floor:
            self.raise_floor(part.floor)
        return news

    def _begin_anew(self, part: Part) -> list[Change]:
        """Know of a node what a part says, and nothing else."""
        before = self._entries
        self._clear()
        for change in part.changes:
            self._put(change)
        self.incarnation, self.version = part.incarnation, part.version
        self.floor = part.floor
        gone = [
            Change(change.key, part.version, DELETED)
            for change in before.values()
            if change.value is not DELETED and self.get(change.key) is None
        ]
        return gone + [
            change for change in self if not _has(before.get(change.key), change.value)
        ]

    def _tells(self, change: Change) -> bool:
        """Say whether a change is one: to delete what is not there is none."""
        return change.value is not DELETED or self.get(change.key) is not None

    def _put(self, change: Change) -> None:
        self._drop(change.key)
        self._entries[change.key] = change
        self.check ^= _fingerprint(change)

    def _drop(self, key: str) -> None:
        before = self._entries.pop(key, None)
        if before is not None:
            self.check ^= _fingerprint(before)

    def _clear(self) -> None:
        # Ordered by version: whatever is written is put behind all others.
        self._entries: dict[str, Change] = {}
        self.check = 0


def _fingerprint(change: Change) -> int:
    """Return eight bytes that tell a change from others, as a number."""
    key, version, value = change
    written = b"" if value is DELETED else b"=" + value
    data = key.encode() + b"\0" + version.to_bytes(8, "big") + written
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def _has(change: Change | None, value: Any) -> bool:
    return change is not None and change.value == value


def _is_high(claimed: Summary) -> bool:
    """Say whether a life has little room left above what is claimed of it."""
    return max(claimed.version, claimed.floor) > MOST_VERSION // 2
