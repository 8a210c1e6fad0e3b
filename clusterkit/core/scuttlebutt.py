"""Every node's keys as they are known here, and what two nodes tell each other.

Scuttlebutt reconciliation (see `replica`), but what is compared first are hashes
(see `buckets`): where nothing is new, nothing is said.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from clusterkit.core.buckets import BUCKETS, Buckets, bucket_of
from clusterkit.core.replica import DELETED, NOTHING, Change, Part, Replica, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


class News(NamedTuple):
    """What a reader learns: a key of a node has this value now, or `DELETED`."""

    name: str
    key: str
    value: Any


class Scuttlebutt:
    """The keys of all nodes, as one of them knows them.

    Args:
        name: Of the node itself, the only one whose keys are written here.
        incarnation: Of this life of it.
        cost: Of telling one change, in bytes.
        most: What the keys of one node may cost together. The owner keeps to it.
            A copy on its way from one state to another may have old values and
            new ones side by side, hence up to twice as much; no part of a delta
            that leads beyond is taken.

    Attributes:
        hashes: Of all that is known.
        refused: Parts that were not, for that.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        cost: Callable[[Change], int],
        most: float = inf,
    ) -> None:
        self.name = name
        self.refused = 0
        self._cost = cost
        self._most = most
        self._replicas: dict[str, Replica] = {name: Replica(incarnation)}
        self.hashes = Buckets()
        self._hash(name)

    def __repr__(self) -> str:
        return f"<Scuttlebutt {self.name} nodes={len(self._replicas)}>"

    @property
    def own(self) -> Replica:
        """The node's own keys."""
        return self._replicas[self.name]

    def names(self) -> Iterator[str]:
        """Yield the nodes of which something is known, this one first."""
        return iter(self._replicas)

    def replica(self, name: str) -> Replica | None:
        """Return what is known of a node, None if nothing is."""
        return self._replicas.get(name)

    def write(self, key: str, value: Any) -> Change:
        """Give one of the node's own keys a value, or delete it (`DELETED`)."""
        change = self.own.write(key, value)
        self._hash(self.name)
        return change

    def raise_floor(self, floor: int) -> None:
        """Drop the node's own tombstones up to a version."""
        self.own.raise_floor(floor)
        self._hash(self.name)

    def forget(self, name: str) -> list[News]:
        """Know nothing of a node any more; return what readers lose by it."""
        replica = self._replicas.pop(name)
        self.hashes.drop(name)
        return [News(name, change.key, DELETED) for change in replica]

    # What is compared.

    def digest(self, buckets: Iterable[int] = range(BUCKETS)) -> dict[str, Summary]:
        """Return what is known of each node in some buckets."""
        wanted = frozenset(buckets)
        return {
            name: replica.summary
            for name, replica in self._replicas.items()
            if bucket_of(name) in wanted
        }

    # What is told.

    def delta(
        self, digest: Mapping[str, Summary], buckets: Iterable[int], room: int
    ) -> list[Part]:
        """Return what a reader lacks, as much of it as there is room for.

        The nodes of which it lacks most come first (the paper's
        scuttlebutt-depth), so that nobody's changes wait for ever behind
        another's.

        Args:
            digest: What it has.
            buckets: Of which it has told: what is missing there, it lacks.
            room: What all of it may cost; one change may be more.
        """
        wanted = frozenset(buckets)
        lacking = {
            name: known
            for name, replica in self._replicas.items()
            if bucket_of(name) in wanted
            and (known := digest.get(name, NOTHING)) != replica.summary
        }
        return self.parts_for(lacking, room)

    def parts_for(self, lacking: Mapping[str, Summary], room: int) -> list[Part]:
        """Return what is known here beyond what a reader says it knows.

        Args:
            lacking: Of some nodes, what it knows.
            room: As for `delta`.
        """
        behind = [
            (self._replicas[name], name, known)
            for name, known in lacking.items()
            if name in self._replicas
        ]
        behind.sort(key=lambda row: _distance(row[0].summary, row[2]), reverse=True)
        parts = []
        for replica, name, known in behind:
            if room <= 0:
                break
            part = replica.part_for(name, known, room, self._cost)
            if part is not None:
                parts.append(part)
                room -= sum(map(self._cost, part.changes)) + len(name)
        return parts

    def wants(self, digest: Mapping[str, Summary]) -> dict[str, Summary]:
        """Return what is known here of the nodes of which a digest has more."""
        found = {}
        for name, theirs in digest.items():
            replica = self._replicas.get(name)
            ours = NOTHING if replica is None else replica.summary
            if theirs.extent > ours.extent and name != self.name:
                found[name] = ours
        return found

    def contested(self, digest: Mapping[str, Summary]) -> dict[str, Summary]:
        """Return what is known here of others of which a peer knows as much, but else.

        One of the two has been told a lie.
        """
        return {
            name: ours
            for name, theirs in digest.items()
            if (replica := self._replicas.get(name)) is not None
            and (ours := replica.summary).extent == theirs.extent
            and ours != theirs
            and name != self.name
        }

    def take(self, parts: Iterable[Part]) -> list[News]:
        """Take what somebody tells; return what is new by it for those who read.

        What is told of this node itself is nothing to learn from; but where it
        is more than was ever said here, the node begins anew above it.
        """
        news = []
        for part in parts:
            if part.name == self.name:
                extent = part.incarnation, part.version, part.floor
                self.defend(Summary(*extent, self.own.check))
            else:
                changes = self._take_of_other(part)
                news += [News(part.name, key, value) for key, _, value in changes]
        return news

    def _take_of_other(self, part: Part) -> list[Change]:
        replica = self._replicas.get(part.name)
        if replica is None:
            replica = Replica()
        if not replica.fits(part):
            return []
        if self._is_excessive(replica, part):
            self.refused += 1
            return []
        changes = replica.take(part)
        self._replicas[part.name] = replica
        self._hash(part.name)
        return changes

    def _is_excessive(self, replica: Replica, part: Part) -> bool:
        fresh = {change.key for change in part.changes}
        kept = (c for c in replica if c.key not in fresh) if part.since else ()
        return sum(map(self._cost, (*part.changes, *kept))) > 2 * self._most

    def defend(self, claimed: Summary) -> bool:
        """Outgrow what is claimed of this node, if it is more than it said."""
        if not self.own.is_below(claimed):
            return False
        self.own.outgrow(claimed)
        self._hash(self.name)
        return True

    def _hash(self, name: str) -> None:
        self.hashes.put(name, *self._replicas[name].summary)


def _distance(ours: Summary, theirs: Summary) -> tuple[int, int]:
    """How far behind a reader is: in another life, or by how many versions."""
    if theirs.incarnation != ours.incarnation:
        return (1, ours.version)
    return (0, ours.version - theirs.version)
