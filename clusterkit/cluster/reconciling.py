"""What two nodes ask and answer until their books of `node.state` agree.

First a hash of eight bytes, then those of 64 buckets of nodes, then who has what,
until each has what it lacked (see `core.scuttlebutt`). How the questions travel is
for others to say: as calls over links (`state_exchange`), or over HTTP. Neither
side trusts the other: what has no meaning raises `ValueError`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from clusterkit.core.buckets import BUCKETS
from clusterkit.core.state_input import (
    plain_parts,
    read_buckets,
    read_digest,
    read_numbers,
    read_parts,
)
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.core.replica import Part, Summary

ROOM: Final = 32 * 1024
"""Bytes that one message tells, of all nodes together; one change may be more."""

MOST_NODES: Final = 10_000
"""Nodes that a digest may name: all that a ring can have."""

FEW: Final = 64
"""Nodes of which a digest is sent at once; hashes of buckets are as long."""


class Ask(Protocol):
    """Asks a peer; raises `ClusterError` if there is no answer."""

    async def __call__(self, peer: str, event: str, *args: Any) -> Any:
        """Return what it answers: not checked yet.

        Args:
            peer: Its name.
            event: `compare`, `digest` or `exchange`, as the methods of `Answers`.
            args: For it.
        """


class Reconciling:
    """Asks, for one node.

    Args:
        book: What is known here.
        ask: Asks a peer.
    """

    def __init__(self, book: StateBook, ask: Ask) -> None:
        self._book = book
        self._ask = ask

    def __repr__(self) -> str:
        return f"<Reconciling {self._book!r}>"

    async def step(self, peer: str) -> tuple[Any, ...] | None:
        """Exchange with a peer once; see `Comparable`."""
        known = self._book.known
        answer = await self._ask(peer, "compare", known.hashes.hash)
        if answer is None:
            return None
        numbers = list(range(BUCKETS))
        if type(answer) is list:
            numbers = known.hashes.differing(read_buckets(answer))
            answer = await self._ask(peer, "digest", numbers)
        digest = read_digest(answer, MOST_NODES)
        wants = self._book.wants(digest, peer)
        parts = known.delta(digest, numbers, ROOM)
        if not parts and not wants:
            # Or else only one of the two knows of some members.
            await self._ask_owners(self._book.contested(digest))
            return None
        await self._exchange(peer, parts, wants)
        return (known.hashes.hash, *(part[:5] for part in parts))

    async def _exchange(
        self, peer: str, parts: list[Part], wants: dict[str, Summary]
    ) -> None:
        told = await self._ask(peer, "exchange", plain_parts(parts), plain(wants))
        self._book.take(read_parts(told, MOST_NODES), peer)

    async def _ask_owners(self, contested: dict[str, Summary]) -> None:
        """Ask who is lied about, and will hear it; those that are away another time."""
        for name, ours in contested.items():
            with suppress(ClusterError, ValueError):
                await self._exchange(name, [], {name: ours})


class Answers:
    """Answers, for one node.

    Args:
        book: What is known here.
    """

    def __init__(self, book: StateBook) -> None:
        self._book = book

    def __repr__(self) -> str:
        return f"<Answers {self._book!r}>"

    def compare(self, hash: object) -> Any:
        """Return None if a peer's book is as this one, else what leads to why."""
        known = self._book.known
        if hash == known.hashes.hash:
            return None
        if len(tuple(known.names())) > FEW:
            return known.hashes.each
        return plain(known.digest())

    def digest(self, numbers: object) -> dict[str, list[int]]:
        """Return what is known of the nodes in some buckets.

        Raises:
            ValueError: They are no buckets.
        """
        return plain(self._book.known.digest(read_numbers(numbers)))

    def exchange(self, parts: object, wants: object, peer: str) -> list[Any]:
        """Take what a peer tells; return what it wants.

        Raises:
            ValueError: One of them has no meaning; nothing is taken.
        """
        told, wanted = read_parts(parts, MOST_NODES), read_digest(wants, MOST_NODES)
        self._book.take(told, peer)
        self._book.defend(wanted)
        return plain_parts(self._book.known.parts_for(wanted, ROOM))


def plain(digest: dict[str, Summary]) -> dict[str, list[int]]:
    """Return a digest as `read_digest` takes it."""
    return {name: list(summary) for name, summary in digest.items()}
