"""Consistent hashing: which nodes own a key.

`HashRing` lives here, as a value made from values; where its keys lie is in
`ring_placement`. Membership never will: who may join, what a conflict is and
which of two records is newer are the gossip ring's to decide; this is the value
it hands out. The invariant is that a ring is a map of ids to one record
and one weight each, from which every position follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, overload

from clusterkit.config import DEFAULT_PFACTOR, DEFAULT_WEIGHT
from clusterkit.core.ring_input import check_weight, id_of, node_of, read_weights
from clusterkit.core.ring_placement import Placement
from clusterkit.names import NodeInfo

Default = TypeVar("Default")


class HashRing(Placement):
    """An immutable ring of nodes, and the owners of every key.

    Each node has as many positions on a circle as its weight; a key belongs to
    the node whose position is the first strictly after the key's own (Karger
    et al., 1997). Position k of a node, from 1, is the SHA-256 of `id_k`; a
    key's is that of its bytes. Positions are written in base64 and ordered as
    text. Only ids place a node; its address rides along.

    Every operation returns the new ring, or the same one if nothing changed.
    The first lookup sorts the positions, or splices in what differs from a
    sorted ring that this one was made from: a chain of inserts is cheap, and
    so is one insert between lookups.

        >>> ring = HashRing(rfactor=3)
        >>> for port, name in enumerate(["foo", "bar", "baz"], 7022):
        ...     ring = ring.insert(f"{name}@127.0.0.1:{port}")
        >>> ring
        <HashRing 3 nodes, 9 positions, rfactor 3, pfactor 2>
        >>> str(ring.find("user:1"))
        'baz@127.0.0.1:7024'
        >>> [node.id for node in ring.range_next("user:1")]
        ['baz', 'bar', 'foo']

    A *node* is a `NodeInfo` or text `id@host:port`; where only its id matters
    (`id` below, and `remove`), the bare id will do. A `NodeInfo` is taken as
    it is except that its id must be valid.

    Args:
        rfactor: Weight of a node inserted without one. With 128 and equal
            weights the fullest of 100 nodes has 1.24 times the mean load,
            with 3 it has 3.3 times.
        pfactor: Neighbours that hold a copy: `range_next` gives `pfactor` + 1
            owners by default, `next` and `prev` give `pfactor`. 0 for none.

    Raises:
        ValueError: `rfactor` is not an integer from 1 to `MAX_WEIGHT`, or
            `pfactor` is not an integer of at least 0.

    Guarantees:
        Two rings that compare equal place every key alike, on every machine,
        whatever the order in which they were made. Adding a node to a ring of
        n equal ones moves about 1/(n+1) of the keys, all of them to it;
        removing a node moves its own keys only.
    """

    __slots__ = ()

    @classmethod
    def of(
        cls,
        nodes: Iterable[NodeInfo | str] | Mapping[NodeInfo, int] | Mapping[str, int],
        rfactor: int = DEFAULT_WEIGHT,
        pfactor: int = DEFAULT_PFACTOR,
    ) -> HashRing:
        """Return the ring of `nodes`, as if they were inserted one by one.

            >>> HashRing.of(["a@host:1", "b@host:2"], rfactor=3).weights()
            {'a': 3, 'b': 3}
            >>> HashRing.of({"a@host:1": 5, "b@host:2": 1}).weights()
            {'a': 5, 'b': 1}

        Args:
            nodes: The nodes, or a map of nodes to weights.
            rfactor: As for the class.
            pfactor: As for the class.

        Raises:
            ValueError: As for the class and `insert`.
        """
        ring: HashRing = cls(rfactor, pfactor)
        weights = nodes if isinstance(nodes, Mapping) else dict.fromkeys(nodes, rfactor)
        members: dict[str, tuple[NodeInfo, int]] = {}
        for node, weight in weights.items():
            info = node_of(node)
            members.setdefault(info.id, (info, check_weight(weight)))
        return ring._with(members)

    def insert(self, node: NodeInfo | str, weight: int | None = None) -> HashRing:
        """Add a node; the same ring if its id is present, even elsewhere.

        Args:
            node: The node.
            weight: Its positions, 1 to `MAX_WEIGHT`; None for `rfactor`.

        Raises:
            ValueError: The weight is not an integer in that range, or the node
                is not valid.
        """
        info = node_of(node)
        member = info, check_weight(self._rfactor if weight is None else weight)
        if info.id in self._members:
            return self
        return self._with({**self._members, info.id: member})

    def update(self, node: NodeInfo | str, weight: int | None = None) -> HashRing:
        """Replace a node's address and weight, adding it if it is absent.

        Args:
            node: The node.
            weight: Its positions, 1 to `MAX_WEIGHT`; None leaves them as they
                are, or is `rfactor` for a new node.

        Raises:
            ValueError: As for `insert`.
        """
        info = node_of(node)
        known = self._members.get(info.id)
        if weight is None:
            weight = self._rfactor if known is None else known[1]
        member = info, check_weight(weight)
        if member == known:
            return self
        return self._with({**self._members, info.id: member})

    def remove(self, node: NodeInfo | str) -> HashRing:
        """Take `node` out by its id; the same ring if it is absent."""
        gone = id_of(node)
        if gone not in self._members:
            return self
        return self._with({n: m for n, m in self._members.items() if n != gone})

    def merge(self, other: HashRing) -> HashRing:
        """Return the union with the positions of `other`; our records win.

        A node in both has the greater of its two weights, and this ring's
        record at every position. So a merge neither lowers a weight nor keeps
        a node out: it is no way to agree on members. `rfactor` and `pfactor`
        are this ring's.

        Guarantees:
            Associative and idempotent; commutative if no node has one address
            here and another there.
        """
        members = dict(self._members)
        for name, theirs in other._members.items():
            ours = members.get(name)
            if ours is None:
                members[name] = theirs
            elif ours[1] < theirs[1]:
                members[name] = ours[0], theirs[1]
        return self if members == self._members else self._with(members)

    def intersect(self, other: HashRing) -> HashRing:
        """Return the positions in both rings, with the records of `other`.

        A node in both has the lesser of its two weights; `rfactor` and
        `pfactor` are this ring's.
        """
        members: dict[str, tuple[NodeInfo, int]] = {}
        for name, ours in self._members.items():
            theirs = other._members.get(name)
            if theirs is not None:
                members[name] = theirs[0], min(ours[1], theirs[1])
        return self if members == self._members else self._with(members)

    @overload
    def get(self, id: NodeInfo | str, default: None = None) -> NodeInfo | None: ...
    @overload
    def get(self, id: NodeInfo | str, default: Default) -> NodeInfo | Default: ...
    def get(self, id: NodeInfo | str, default: object = None) -> object:
        """Return the node `id` as the ring has it, or `default`."""
        member = self._members.get(id_of(id))
        return default if member is None else member[0]

    def is_defined(self, id: NodeInfo | str) -> bool:
        """Whether the node `id` is in the ring; also `in`."""
        return id_of(id) in self._members

    def weight(self, id: NodeInfo | str) -> int | None:
        """Return how many positions the node `id` has, None if it is absent."""
        member = self._members.get(id_of(id))
        return None if member is None else member[1]

    def weights(self) -> dict[str, int]:
        """Return each node's number of positions, by id."""
        return {name: self._members[name][1] for name in sorted(self._members)}

    def nodes(self) -> tuple[NodeInfo, ...]:
        """Return the nodes in order of id."""
        return tuple([self._members[name][0] for name in sorted(self._members)])

    def size(self) -> int:
        """Return the number of positions; also `len()`."""
        return sum([weight for _, weight in self._members.values()])

    def number_nodes(self) -> int:
        """Return the number of nodes."""
        return len(self._members)

    def to_json(self) -> dict[str, Any]:
        """Return `{"rfactor": …, "pfactor": …, "tree": [{"key", "value"}, …]}`.

        The tree is the positions in ascending order, each with its node.
        """
        tree = [{"key": k, "value": node.to_json()} for k, node in self.positions()]
        return {"rfactor": self._rfactor, "pfactor": self._pfactor, "tree": tree}

    @classmethod
    def from_json(cls, value: object) -> HashRing:
        """Read what `to_json` wrote, in any order; other fields are ignored.

        Args:
            value: As `json.loads` returns it.

        Raises:
            ValueError: A field is missing or of the wrong kind, or a node is
                not valid, or the positions of an id are not exactly those of
                its first virtual nodes, each once and with one address.
        """
        match value:
            case {"rfactor": rfactor, "pfactor": pfactor, "tree": list(tree)}:
                return cls.of(read_weights(tree), rfactor, pfactor)
        raise ValueError("a ring is an object with rfactor, pfactor and a list, tree")

    def __contains__(self, id: object) -> bool:
        return isinstance(id, NodeInfo | str) and self.is_defined(id)

    def __len__(self) -> int:
        return self.size()

    def __eq__(self, other: object) -> bool:
        """Equal in positions and the nodes there, whatever the factors."""
        if not isinstance(other, HashRing):
            return NotImplemented
        return self._members == other._members

    def __hash__(self) -> int:
        return hash(frozenset(self._members.values()))

    def __repr__(self) -> str:
        return (
            f"<HashRing {len(self._members)} nodes, {self.size()} positions, "
            f"rfactor {self._rfactor}, pfactor {self._pfactor}>"
        )

    def _with(self, members: Mapping[str, tuple[NodeInfo, int]]) -> HashRing:
        ring = HashRing(self._rfactor, self._pfactor)
        ring._members = members
        ring._base = self._index or self._base
        return ring
