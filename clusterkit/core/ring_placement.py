"""Where keys lie on a ring: their owners, and the owners' neighbours.

The lookups of a `HashRing` live here. How a ring comes to have its members
never will: that is `hash_ring`. The invariant is that every answer follows
from the members and the two factors alone.
"""

from __future__ import annotations

from binascii import b2a_base64
from bisect import bisect_left, bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING

from clusterkit.config import DEFAULT_PFACTOR, DEFAULT_WEIGHT
from clusterkit.core.ring_index import EMPTY, RingIndex, point_of, point_text
from clusterkit.core.ring_input import check_number, check_weight, id_of
from clusterkit.errors import RingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.names import NodeInfo


class Placement:
    """The part of a `HashRing` that finds nodes.

    Args:
        rfactor: Weight of a node inserted without one.
        pfactor: Neighbours that hold a copy.

    Raises:
        ValueError: One of them is no integer in its range.
    """

    __slots__ = ("_base", "_index", "_members", "_pfactor", "_rfactor")

    _members: Mapping[str, tuple[NodeInfo, int]]
    _index: RingIndex | None
    _base: RingIndex

    def __init__(
        self, rfactor: int = DEFAULT_WEIGHT, pfactor: int = DEFAULT_PFACTOR
    ) -> None:
        self._rfactor = check_weight(rfactor, "rfactor")
        if type(pfactor) is not int or pfactor < 0:
            raise ValueError(f"pfactor is an integer of at least 0, not {pfactor!r}")
        self._pfactor = pfactor
        self._members = {}
        self._index = None
        self._base = EMPTY

    @property
    def rfactor(self) -> int:
        """Positions of a node that is inserted without a weight."""
        return self._rfactor

    @property
    def pfactor(self) -> int:
        """Neighbours that hold a copy of what a node owns."""
        return self._pfactor

    def find(self, key: str | bytes) -> NodeInfo:
        """Return the node that owns `key`.

        Args:
            key: Any bytes; text counts as UTF-8.

        Raises:
            RingError: The ring is empty.
        """
        if isinstance(key, str):
            key = key.encode()
        index = self._index or self._sort()
        # `point_of` written out: a call would be a twentieth of the whole.
        point = b2a_base64(sha256(key).digest())
        try:
            return index.owners[bisect_right(index.points, point)]
        except IndexError:
            raise RingError("the ring is empty: insert a node first") from None

    def range_next(
        self, key: str | bytes, n: int | None = None
    ) -> tuple[NodeInfo, ...]:
        """Return the nodes that own `key`, most preferred first.

        Walk clockwise from the key and collect the first `n` *distinct* nodes,
        so that one node's many positions count once.

        Args:
            key: Any bytes; text counts as UTF-8.
            n: How many nodes; None for `pfactor` + 1.

        Returns:
            `n` nodes, or all if the ring has fewer; `find(key)` is the first.

        Raises:
            ValueError: `n` is not an integer of at least 1.
        """
        wanted = self._pfactor + 1 if n is None else check_number(n)
        index = self._index or self._sort()
        start = bisect_right(index.points, point_of(key))
        return index.walk(start, 1, min(wanted, len(self._members)))

    def range_prev(
        self, key: str | bytes, n: int | None = None
    ) -> tuple[NodeInfo, ...]:
        """Return the nodes before `key`, nearest first: `range_next` mirrored.

        The walk is anticlockwise and begins at the first position strictly
        before the key's.

        Raises:
            ValueError: `n` is not an integer of at least 1.
        """
        wanted = self._pfactor + 1 if n is None else check_number(n)
        index = self._index or self._sort()
        start = bisect_left(index.points, point_of(key)) - 1
        return index.walk(start, -1, min(wanted, len(self._members)))

    def next(self, id: NodeInfo | str, n: int | None = None) -> tuple[NodeInfo, ...]:
        """Return the neighbours of a node, clockwise from its position 1.

        Args:
            id: The node.
            n: How many nodes; None for `pfactor`.

        Returns:
            `n` distinct other nodes, or all others if there are fewer; none
            if the id is not in the ring.

        Raises:
            ValueError: `n` is not an integer of at least 1.
        """
        return self._neighbours(id_of(id), n, 1)

    def prev(self, id: NodeInfo | str, n: int | None = None) -> tuple[NodeInfo, ...]:
        """Return the neighbours of a node anticlockwise: `next` mirrored.

        Raises:
            ValueError: `n` is not an integer of at least 1.
        """
        return self._neighbours(id_of(id), n, -1)

    def positions(self) -> tuple[tuple[str, NodeInfo], ...]:
        """Return every position with its node, in ascending order.

        >>> from clusterkit.core import HashRing
        >>> HashRing(rfactor=1).insert("foo@127.0.0.1:7022").positions()[0][0]
        'kzMt7C+SJZbxNQmrL3vhpfJ+a0RgPiGlRhrxwS57RWI='
        """
        index = self._index or self._sort()
        return tuple(zip(map(point_text, index.points), index.owners, strict=False))

    def _sort(self) -> RingIndex:
        self._index = index = self._base.derive(self._members)
        self._base = EMPTY
        return index

    def _neighbours(self, id: str, n: int | None, step: int) -> tuple[NodeInfo, ...]:
        wanted = self._pfactor if n is None else check_number(n)
        if id not in self._members:
            return ()
        index = self._index or self._sort()
        first = bisect_left(index.points, point_of(f"{id}_1"))
        others = len(self._members) - 1
        return index.walk(first, step, min(wanted, others), without=id)
