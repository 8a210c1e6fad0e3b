"""The ring as one of the books that members compare.

What is compared is a hash; where it differs, a digest is sent, and what follows is for
`core.merging` to say. The invariant is that whoever is not heard gets a digest, too: it
may be of another ring by now, or take this node to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.cluster.ring_work import RingWork
    from clusterkit.core.membership import Membership


class RingBook:
    """The ring of one node; a `Comparable`.

    Args:
        membership: What is known of it.
        work: Carries out what follows.
        wall_clock: Seconds since 1970.
    """

    def __init__(
        self, membership: Membership, work: RingWork, wall_clock: Callable[[], float]
    ) -> None:
        self.neighbourhood = work.neighbourhood
        self._membership = membership
        self._work = work
        self._wall_clock = wall_clock

    def __repr__(self) -> str:
        return f"<RingBook {self.hash:016x}>"

    @property
    def hash(self) -> int:
        """See `Comparable`."""
        return self._membership.hash

    def tidy(self) -> None:
        """Forget removals of long ago."""
        todo = self._membership.expire(self._wall_clock())
        if todo and self._work.polls:
            self._work.submit(todo)

    async def step(self, peer: str) -> tuple[Any, ...] | None:
        """Send a digest; what it leads to needs no more steps."""
        self.greet(peer)
        return None

    def greet(self, peer: str) -> None:
        """Send a member a digest: it answers if it holds anything else."""
        if self._work.polls and self._work.name:
            self._work.submit(self._membership.greet(peer))
