"""Comparing what is known with other members, so that nothing stays missed.

Once per `gossip_interval` with one member (`Neighbourhood.partner`), and with each
whose link has come up. While all books agree, that is one call with a hash of each;
what is compared where they do not, and how, is for each book to say.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from clusterkit.cluster.own_names import MEMBERS
from clusterkit.errors import ClusterError
from clusterkit.events import LinkUp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.background import Background
    from clusterkit.cluster.broadcast import Broadcast
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.ring_book import RingBook

logger = logging.getLogger("clusterkit.cluster")

STEPS: Final = 64
"""Most steps of one comparison. What is missing then is left to the next."""

GREET: Final = 0.05
"""Seconds from a new member to the first comparison with it, which has to know by then
that this node is one."""


class Comparable(Protocol):
    """What can be compared with another node's."""

    @property
    def hash(self) -> int:
        """Eight bytes that are equal where, and nearly only where, all is."""

    async def step(self, peer: str) -> tuple[Any, ...] | None:
        """Exchange with a member once.

        Returns:
            What was exchanged: the same twice leads nowhere. None if both agree,
            as far as they can.

        Raises:
            ClusterError, ValueError: The member gave no answer, or nonsense.
        """

    def tidy(self) -> None:
        """Do what is due; called once per `gossip_interval`."""


class Comparing:
    """Compares books with members.

    Args:
        books: All that this node compares, the ring first.
        runtime: Says how often.
        background: Runs a task for each comparison.
        neighbourhood: Whom to ask.
        broadcast: Says when links come up.
        rng: Keeps the polls of many nodes apart.

    Attributes:
        failed: Comparisons that came to nothing.
    """

    def __init__(
        self,
        books: tuple[RingBook, *tuple[Comparable, ...]],
        runtime: Runtime,
        background: Background,
        neighbourhood: Neighbourhood,
        broadcast: Broadcast,
        rng: Random,
    ) -> None:
        self.failed = 0
        self._books: Sequence[Comparable] = books
        self._ring = books[0]
        self._runtime = runtime
        self._background = background
        self._neighbourhood = neighbourhood
        self._broadcast = broadcast
        self._rng = rng
        self._asked: set[str] = set()
        self._under_way: set[tuple[str, int]] = set()
        self._members: frozenset[str] = frozenset()
        neighbourhood.on_change(self._follow_ring)

    def __repr__(self) -> str:
        return f"<Comparing {len(self._books)} books>"

    async def run(self) -> None:
        """Poll until cancelled."""
        async with (
            self._broadcast.events(LinkUp) as events,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._poll)
            async for event in events:
                if isinstance(event, LinkUp):  # of those that were lost a poll makes up
                    self._compare_soon(event.peer)

    def _follow_ring(self) -> None:
        """Compare with new members that are near: most have met on a link before."""
        members = frozenset(self._neighbourhood.others())
        new, self._members = members - self._members, members
        for peer in self._neighbourhood.near():
            if peer in new:
                self._background.spawn(self._greet, peer)

    async def _greet(self, peer: str) -> None:
        await trio.sleep(GREET)
        self._compare_soon(peer)

    async def _poll(self) -> None:
        interval = self._runtime.config.gossip_interval
        while True:
            # A tenth of jitter keeps the polls of many nodes apart.
            await trio.sleep(interval * self._rng.uniform(0.9, 1.1))
            for book in self._books:
                book.tidy()
            partner = self._neighbourhood.partner()
            if partner is None:
                continue
            if self._neighbourhood.keeps(partner):
                self._compare_soon(partner)
            else:  # it is dialled, and compared with as the link comes up
                self._ring.greet(partner)

    def _compare_soon(self, peer: str) -> None:
        if self._neighbourhood.is_member(peer) and peer not in self._asked:
            self._asked.add(peer)
            self._background.spawn(self._ask, peer)

    async def _ask(self, peer: str) -> None:
        """Ask a member which books differ, and compare those."""
        try:
            hashes = [book.hash for book in self._books]
            answer = await self._runtime.call(
                peer, MEMBERS, "differing", (hashes,), {}, None
            )
            differing = read_places(answer, len(self._books))
        except (ClusterError, ValueError):
            self.failed += 1
            self._ring.greet(peer)  # it may take this node for no member
            return
        finally:
            self._asked.discard(peer)
        for number in differing:
            if (peer, number) not in self._under_way:
                self._under_way.add((peer, number))
                self._background.spawn(self._compare, peer, number)

    def differing(self, hashes: object) -> list[int]:
        """Return which books are not as a member has them.

        Args:
            hashes: Of its books, as they came in.

        Raises:
            ValueError: They are no such hashes.
        """
        count = len(self._books)
        if type(hashes) is not list or [*map(type, hashes)] != [int] * count:
            raise ValueError(f"the hashes of {count} books are as many integers")
        return [n for n, book in enumerate(self._books) if book.hash != hashes[n]]

    async def _compare(self, peer: str, number: int) -> None:
        """Compare one book with a member's until they agree, or nothing comes of it."""
        book, last = self._books[number], None
        try:
            for _ in range(STEPS):
                step = await book.step(peer)
                if step in (None, last):
                    break
                last = step
        except (ClusterError, ValueError):
            self.failed += 1
        finally:
            self._under_way.discard((peer, number))


def read_places(value: object, count: int) -> list[int]:
    """Return `value` if it is a list of different places below `count`.

    Raises:
        ValueError: It is not.
    """
    if type(value) is list and [n for n in range(count) if n in value] == value:
        return value
    raise ValueError(f"places are a list of integers below {count}, not {value!r:.100}")
