"""NodeState: what each node says of itself, known to all the others.

Scuttlebutt over the links (R. van Renesse et al., LADIS 2008): each node owns a map
that only it writes, and every member has a copy of everybody's. What is written
reaches all within a few tenths of a second, what was missed within a few polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from clusterkit.actors.handlers import call
from clusterkit.cluster.announcing import MARK
from clusterkit.cluster.member_actor import MemberActor
from clusterkit.cluster.state_exchange import MOST_NODES, ROOM
from clusterkit.core.state_input import (
    plain_parts,
    read_digest,
    read_numbers,
    read_parts,
)
from clusterkit.errors import ConfigError
from clusterkit.names import check_timeout

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.config import Policy
    from clusterkit.core.replica import Summary

FEW: Final = 64
"""Nodes of which a digest is sent at once; hashes of buckets are as long."""


class NodeState(MemberActor):
    """The keys of all members of the ring, as this node knows them.

    The methods without a peer are of this node's own keys. A value is anything
    that travels; what is read is a copy.

    Guarantees:
        Only a node writes its own keys. What it writes is seen by the others in
        that order, though of several writes of a key perhaps only the last. Once a
        node has restarted, what it wrote before is gone, everywhere; so is what a
        node wrote that is no member any more.

    Args:
        book: What is known.
        neighbourhood: Knows who is a member.
        runtime: The node's actors.
    """

    mailbox_policy: ClassVar[Policy | None] = "wait"  # whatever the node's is

    def __init__(
        self,
        book: StateBook,
        neighbourhood: Neighbourhood,
        runtime: Runtime,
    ) -> None:
        self._book = book
        super().__init__(neighbourhood)
        self._runtime = runtime

    def __repr__(self) -> str:
        return f"<NodeState {self._book!r}>"

    def set(self, key: str, value: object, *, ttl: float | None = None) -> None:
        """Give a key of this node a value, for all members to see.

        Args:
            key: Text of 1 to 128 bytes; those that begin with `_` are the node's own.
            value: Anything that travels, encoded in up to 32 KiB.
            ttl: Seconds after which it is deleted, unless it is set again; None
                for never.

        Raises:
            ConfigError: The key or the time is not valid.
            EncodeError: The value cannot travel.
            MessageTooLarge: It is too long, or this node has too many keys, or too
                much in them (500 keys, 255 KiB).
        """
        self._runtime.thread.require()
        _refuse_own(key)
        if ttl is not None:
            check_timeout(ttl)
        self._book.set(key, value, ttl)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value of this node's own; `default` if there is none."""
        return self.value(self._runtime.name, key, default)

    def delete(self, key: str) -> bool:
        """Delete a key of this node, everywhere; return whether it was there.

        Raises:
            ConfigError: The key is not valid.
        """
        self._runtime.thread.require()
        _refuse_own(key)
        return self._book.delete(key)

    def peers(self) -> tuple[str, ...]:
        """Return the members of the ring, this node first; those forgotten are not."""
        return (self._runtime.name, *self._neighbourhood.sought())

    def keys(self, peer: str) -> tuple[str, ...]:
        """Return a node's keys, in the order they were last written.

        Args:
            peer: Its name; of a node of which nothing is known there are none.
        """
        return self._book.keys(peer)

    def value(self, peer: str, key: str, default: Any = None) -> Any:
        """Return what a node's key has, as far as is known here.

        Args:
            peer: Its name.
            key: The key.
            default: Returned if there is no such node or key.

        Raises:
            ConfigError: The key is not valid.
            DecodeError: It cannot be built here.
        """
        return self._book.value(peer, key, default)

    @call
    async def compare(self, hash: int) -> Any:
        """Return None if a member's book is as this one, else what leads to why."""
        self._neighbourhood.polled_by(self._member())
        known = self._book.known
        if hash == known.hashes.hash:
            return None
        if len(tuple(known.names())) > FEW:
            return known.hashes.each
        return _plain(known.digest())

    @call
    async def digest(self, numbers: list[int]) -> dict[str, list[int]]:
        """Return what is known of the nodes in some buckets."""
        self._member()
        try:
            return _plain(self._book.known.digest(read_numbers(numbers)))
        except ValueError as error:
            raise self._invalid(error) from error

    @call
    async def exchange(self, parts: list[Any], wants: dict[str, Any]) -> list[Any]:
        """Take what a member tells; return what it wants."""
        peer = self._member()
        try:
            told, wanted = read_parts(parts, MOST_NODES), read_digest(wants, MOST_NODES)
        except ValueError as error:
            raise self._invalid(error) from error
        self._book.take(told, peer)
        self._book.defend(wanted)
        return plain_parts(self._book.known.parts_for(wanted, ROOM))

    @call
    async def tell(self, parts: list[Any]) -> dict[str, list[int]]:
        """Take what a member tells; return where something before it is missing."""
        peer = self._member()
        try:
            told = read_parts(parts, MOST_NODES)
        except ValueError as error:
            raise self._invalid(error) from error
        self._book.take(told, peer)
        return _plain(self._book.lacks(told, peer))


def _refuse_own(key: object) -> None:
    """Keep what clusterkit says of the node from its application's hands."""
    if isinstance(key, str) and key.startswith(MARK):
        raise ConfigError(
            f"{key!r:.150} is a key of the node itself, as all are that begin with "
            f"{MARK}: choose another name"
        )


def _plain(digest: dict[str, Summary]) -> dict[str, list[int]]:
    return {name: list(summary) for name, summary in digest.items()}
