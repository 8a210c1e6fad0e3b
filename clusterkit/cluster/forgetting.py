"""What becomes of members that stay dead: forgotten after a day, removed if asked for.

A *forgotten* member is still one of the ring, and is heard when it speaks up; but it is
dialled no more, and what it said of itself is dropped. Whoever sees no majority of the
ring alive forgets and removes nobody: it may be the one that is cut off, and has to
find back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.core.liveness import DEAD, SUSPECT
from clusterkit.errors import ClusterError
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.core.liveness import Liveness, Turn

logger = logging.getLogger("clusterkit.cluster")

LOOK: Final = 1.0
"""Seconds between two looks at those that are dead."""


class Forgetting:
    """Forgets for one node.

    Args:
        liveness: Who is dead, and since when.
        neighbourhood: Whom to dial.
        gossip: The ring that members are removed from.
        runtime: Says how long.
        forgot: Called when others are forgotten than before.
    """

    def __init__(
        self,
        liveness: Liveness,
        neighbourhood: Neighbourhood,
        gossip: GossipRing,
        runtime: Runtime,
        forgot: Callable[[], None],
    ) -> None:
        self._liveness = liveness
        self._neighbourhood = neighbourhood
        self._gossip = gossip
        self._runtime = runtime
        self._forgot = forgot
        self._forgotten: frozenset[str] = frozenset()
        self._lot = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<Forgetting {sorted(self._forgotten)}>"

    async def run(self) -> None:
        """Look at the dead until cancelled."""
        while True:
            if not self._liveness.gone():
                await self._lot.park()
            await trio.sleep(LOOK)
            self._look()
            name = self._to_remove()
            if name is not None:
                await self._remove(name)

    def follow(self, turn: Turn) -> None:
        """One may be dead now; or one that was forgotten back, or removed."""
        if turn.after.state >= DEAD:
            self._lot.unpark()
        if turn.name in self._forgotten:
            self._look()

    def _look(self) -> None:
        forgotten = frozenset(self._gone_for(self._runtime.config.forget_after))
        if forgotten == self._forgotten:
            return
        for name in sorted(forgotten - self._forgotten):
            log(logger, logging.INFO, "member_forgotten", peer=name)
        self._forgotten = forgotten
        self._neighbourhood.forget(forgotten)
        self._forgot()

    def _gone_for(self, seconds: float) -> list[str]:
        """Return who has been dead, or has left, for so long; none but by a majority."""
        known = self._liveness
        if not known.is_majority:
            return []
        until = self._runtime.now() - seconds
        gone = known.gone()
        return [n for n in gone if (s := known.since(n)) is not None and s <= until]

    def _to_remove(self) -> str | None:
        """Return whom this node is to remove: the first by name of the living does.

        One at a time: each is judged by the ring without the one before.
        """
        after = self._runtime.config.remove_after
        known = self._liveness
        dead = [n for n in self._gone_for(after) if known.claim(n).state == DEAD]
        alive = (n for n in known.names() if known.claim(n).state <= SUSPECT)
        return min(dead) if dead and min(alive) == self._runtime.name else None

    async def _remove(self, name: str) -> None:
        log(logger, logging.WARNING, "member_removed", peer=name, reason="dead")
        try:
            await self._gossip.remove(name)
        except ClusterError as error:  # it is tried again
            log(logger, logging.ERROR, "member_not_removed", peer=name, error=error)
