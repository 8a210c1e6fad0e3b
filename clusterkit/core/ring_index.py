"""The points of a ring in order, and who owns each.

Where a node's points lie, and the sorted list of all of them, live here. Which
nodes are in the ring, and what a lookup means, never will: that is
`hash_ring`. The invariants are that the points ascend strictly, that
`owners[i]` owns `points[i]`, that the first owner stands once more at the end,
and that all this follows from the members, whatever the order they came in.
"""

from __future__ import annotations

from binascii import b2a_base64
from bisect import bisect_left
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.names import NodeInfo

    Members = Mapping[str, tuple[NodeInfo, int]]
    """Each node's id, with its record and its weight."""

CACHED_NODES = 1024
CACHED_WEIGHT = 1024
"""Points are remembered for so many nodes of at most so many points: 12 MB at
128 each, 92 MB if all are as heavy as that. The rings of one process then share
them, and taking a node out or moving it hashes nothing."""

REBUILD_SHARE = 4
"""With more than a quarter of the points changed, sorting anew is cheaper than
splicing them in."""


def point_of(key: str | bytes) -> bytes:
    """Return where `key` lies: the base64 line of its SHA-256.

    Points compare as the texts do; all are as long, so the newline that ends
    the line changes nothing, and leaving it costs less than asking for none.
    """
    data = key.encode() if isinstance(key, str) else key
    return b2a_base64(sha256(data).digest())


def point_text(point: bytes) -> str:
    """Return the position as it is written: without the newline."""
    return point[:-1].decode()


def node_points(id: str, weight: int) -> tuple[bytes, ...]:
    """Return the points of a node: those of `id_1` to `id_weight`."""
    if weight > CACHED_WEIGHT:
        return _hash_points(id, weight)
    return _remembered_points(id, weight)


def _hash_points(id: str, weight: int) -> tuple[bytes, ...]:
    # One hash of the id, copied for each number, takes a tenth less than to
    # begin anew each time.
    begun = sha256(id.encode())
    points: list[bytes] = []
    for suffix in _suffixes(weight):
        hashed = begun.copy()
        hashed.update(suffix)
        points.append(b2a_base64(hashed.digest()))
    return tuple(points)


_remembered_points = lru_cache(CACHED_NODES)(_hash_points)


@lru_cache(4)
def _suffixes(weight: int) -> tuple[bytes, ...]:
    # Most nodes of a ring have one weight, and formatting its numbers again
    # for each is a quarter of the time that a ring takes to build.
    return tuple([b"_%d" % k for k in range(1, weight + 1)])


class RingIndex:
    """The sorted points of one set of members; never changed.

    `owners[bisect_right(points, p)]` is the owner of the first point after
    `p`, past the last point too: the circle is closed by the first owner,
    repeated at the end. An index without points has no owners.
    """

    __slots__ = ("members", "owners", "points")

    def __init__(
        self, members: Members, points: list[bytes], owners: list[NodeInfo]
    ) -> None:
        self.members = members
        self.points = points
        self.owners = owners + owners[:1]

    @classmethod
    def build(cls, members: Members) -> RingIndex:
        """Sort the points of all `members`."""
        owner_of = _owner_of(members)
        points = sorted(owner_of)
        return cls(members, points, [owner_of[point] for point in points])

    def derive(self, members: Members) -> RingIndex:
        """Return the index of `members`, from this one if they differ little.

        Takes time in proportion to the points that differ, plus one copy.
        """
        gone = _difference(self.members, members)
        come = _difference(members, self.members)
        if not gone and not come:
            return self
        weights = sum([weight for _, weight in (*gone.values(), *come.values())])
        if weights * REBUILD_SHARE > len(self.points):
            return self.build(members)
        return self._splice(
            members, {**dict.fromkeys(_owner_of(gone)), **_owner_of(come)}
        )

    def _splice(
        self, members: Members, edits: dict[bytes, NodeInfo | None]
    ) -> RingIndex:
        """Give each point of `edits` its new owner, or take it out for None."""
        points: list[bytes] = []
        owners: list[NodeInfo] = []
        done = 0
        for point in sorted(edits):
            here = bisect_left(self.points, point, done)
            points += self.points[done:here]
            owners += self.owners[done:here]
            owner = edits[point]
            if owner is not None:
                points.append(point)
                owners.append(owner)
            is_here = here < len(self.points) and self.points[here] == point
            done = here + is_here
        points += self.points[done:]
        owners += self.owners[done : len(self.points)]
        return RingIndex(members, points, owners)

    def walk(
        self, start: int, step: int, n: int, without: str | None = None
    ) -> tuple[NodeInfo, ...]:
        """Collect distinct owners along the circle, in order of meeting.

        Args:
            start: Index of the first point, which may be just off either end.
            step: 1 for clockwise, -1 for anticlockwise.
            n: How many owners; once round the circle ends the walk earlier.
            without: The id of an owner that does not count.
        """
        owners, size = self.owners, len(self.points)
        found: dict[str, NodeInfo] = {}
        for index in range(start, start + step * size, step):
            if len(found) == n:
                break
            owner = owners[index % size]
            if owner.id != without:
                found[owner.id] = owner
        return tuple(found.values())


EMPTY = RingIndex({}, [], [])
"""The index of a ring without nodes."""


def _owner_of(members: Members) -> dict[bytes, NodeInfo]:
    owner_of: dict[bytes, NodeInfo] = {}
    for name, (node, weight) in members.items():
        owner_of.update(zip(node_points(name, weight), repeat(node)))
    return owner_of


def _difference(members: Members, others: Members) -> Members:
    return {name: m for name, m in members.items() if others.get(name) != m}
