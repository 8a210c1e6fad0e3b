"""How books come to agree: a change is pushed, and what was missed is asked for.

*Push.* Who learns something new tells its neighbours, at most one message to each
under way. What changes meanwhile goes with the next one, so a slow neighbour, or a
busy link, is told less often, and each key's last value only. In a mesh every node
tells its own changes to all; in a larger ring news goes on from node to node along
the links that are kept (`neighbourhood`).

*Poll.* Once per `gossip_interval` each node compares its book with that of one
member, by a hash of eight bytes; if they differ, the hashes of 64 buckets of nodes
lead to the nodes that differ, and each gets what it lacks. That heals whatever was
lost, and costs next to nothing where nothing was.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cluster.own_names import STATE
from clusterkit.core.buckets import BUCKETS
from clusterkit.core.state_input import (
    plain_parts,
    read_buckets,
    read_digest,
    read_parts,
)
from clusterkit.errors import ClusterError
from clusterkit.events import LinkUp, RingChanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.broadcast import Broadcast
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.core.replica import Summary

logger = logging.getLogger("clusterkit.cluster")

ROOM: Final = 32 * 1024
"""Bytes that one message tells, of all nodes together; one change may be more."""

MOST_NODES: Final = 10_000
"""Nodes that a digest may name: all that a ring can have."""

FIRST_PAUSE: Final = 0.02
"""Seconds between a change and its being told, in which others may join it."""

LAST_PAUSE: Final = 0.25
"""The same while there is no end of changes; it doubles from one to the next."""

STEPS: Final = 64
"""Most messages of one poll. What is missing then is left to the next."""

HEARD: Final = 5.0
"""Polls ago that a member polled this node which counts as a neighbour."""


class StateExchange:
    """Exchanges with the members of the ring.

    Args:
        book: What is known here.
        runtime: Calls the others' actors.
        neighbourhood: Whom to poll, and whom to tell.
        broadcast: Says when members come and go, and links come up.
        rng: Keeps the polls of many nodes apart.

    Attributes:
        failed: Exchanges that came to nothing: nobody answered, or nonsense.
    """

    def __init__(
        self,
        book: StateBook,
        runtime: Runtime,
        neighbourhood: Neighbourhood,
        broadcast: Broadcast,
        rng: Random,
    ) -> None:
        self.failed = 0
        self._book = book
        self._runtime = runtime
        self._neighbourhood = neighbourhood
        self._broadcast = broadcast
        self._rng = rng
        self._interval = runtime.config.gossip_interval
        # Of each neighbour: what it is thought to know of the nodes that changed.
        self._untold: dict[str, dict[str, Summary]] = {}
        self._telling: set[str] = set()
        self._comparing: set[str] = set()
        self._polled_by: dict[str, float] = {}
        book.changed = self.tell

    def __repr__(self) -> str:
        return f"<StateExchange telling={len(self._telling)}>"

    async def run(self) -> None:
        """Poll, and follow the ring, until cancelled."""
        async with (
            self._broadcast.events(LinkUp, RingChanged) as events,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._poll)
            async for event in events:
                if isinstance(event, LinkUp):
                    self._compare_soon(event.peer)
                else:  # RingChanged, or so many that some were lost
                    self._book.keep_to_members()

    def polled_by(self, peer: str) -> None:
        """Note that a member has polled this node: it is a neighbour, too."""
        self._polled_by.pop(peer, None)
        self._polled_by[peer] = trio.current_time()

    def tell(self, before: Mapping[str, Summary], by: str) -> None:
        """Have neighbours told of nodes of which more is known now.

        Args:
            before: What was known of each.
            by: Who told it, and need not be told.
        """
        own = self._runtime.name
        if by != own and self._neighbourhood.is_mesh:
            return  # whoever wrote it tells everybody itself
        for peer in self._audience():
            if peer != by:
                untold = self._untold.setdefault(peer, {})
                for name, known in before.items():
                    untold.setdefault(name, known)
                self._tell_soon(peer)

    def _audience(self) -> Iterable[str]:
        recent = trio.current_time() - HEARD * self._interval
        for peer, heard in list(self._polled_by.items()):
            if heard < recent:
                del self._polled_by[peer]
        members = self._neighbourhood
        near = dict.fromkeys((*members.kept(), *self._polled_by))
        return [peer for peer in near if members.is_member(peer)]

    def _tell_soon(self, peer: str) -> None:
        if peer not in self._telling:
            self._telling.add(peer)
            self._runtime.spawn(self._tell, peer)

    async def _tell(self, peer: str) -> None:
        """Tell a neighbour what it has not been told, until that is nothing."""
        pause = FIRST_PAUSE
        try:
            while True:
                await trio.sleep(pause * self._rng.uniform(0.5, 1.0))
                untold = self._untold.pop(peer, None)
                if not untold:
                    return
                await self._tell_once(peer, untold)
                pause = min(2 * pause, LAST_PAUSE)
        except (ClusterError, ValueError):
            self.failed += 1  # a poll will find it
        finally:
            self._untold.pop(peer, None)
            self._telling.discard(peer)

    async def _tell_once(self, peer: str, untold: dict[str, Summary]) -> None:
        parts = self._book.known.parts_for(untold, ROOM)
        if not parts:
            return
        lacks = read_digest(
            await self._ask(peer, "tell", plain_parts(parts)), MOST_NODES
        )
        # Who lacks just what it was told did not take it, and will not.
        again = {n: known for n, known in lacks.items() if known != untold.get(n)}
        again |= self._left_out(untold, parts)
        waiting = self._untold.setdefault(peer, {})
        for name, known in again.items():
            waiting[name] = min(known, waiting.get(name, known))

    def _left_out(
        self, untold: dict[str, Summary], parts: list[Any]
    ) -> dict[str, Summary]:
        """Return of whom not everything was told, for want of room."""
        told = {part.name: part for part in parts}
        left = {name: known for name, known in untold.items() if name not in told}
        for name, part in told.items():
            replica = self._book.known.replica(name)
            if replica is not None and replica.version > part.version:
                left[name] = replica.summary._replace(
                    version=part.version, floor=part.floor
                )
        return left

    async def _poll(self) -> None:
        while True:
            # A tenth of jitter keeps the polls of many nodes apart.
            await trio.sleep(self._interval * self._rng.uniform(0.9, 1.1))
            self._book.tidy()
            partner = self._neighbourhood.partner()
            if partner is not None:
                self._compare_soon(partner)

    def _compare_soon(self, peer: str) -> None:
        if peer not in self._comparing and self._neighbourhood.is_member(peer):
            self._comparing.add(peer)
            self._runtime.spawn(self._compare, peer)

    async def _compare(self, peer: str) -> None:
        """Compare books with a member until they agree, or no more comes of it."""
        last = None
        try:
            for _ in range(STEPS):
                step = await self._step(peer)
                if step in (None, last):
                    break
                last = step
        except (ClusterError, ValueError):
            self.failed += 1
        finally:
            self._comparing.discard(peer)

    async def _step(self, peer: str) -> tuple[Any, ...] | None:
        """Exchange once.

        Returns:
            What was exchanged: the same twice leads nowhere. None if the books
            agree, but perhaps for members that only one of the two knows of.
        """
        known = self._book.known
        answer = await self._ask(peer, "compare", known.hashes.hash)
        if answer is None:
            return None
        numbers = list(range(BUCKETS))
        if type(answer) is list:
            numbers = known.hashes.differing(read_buckets(answer))
            answer = await self._ask(peer, "digest", numbers)
        digest = read_digest(answer, MOST_NODES)
        wants = self._book.wants(digest)
        parts = known.delta(digest, numbers, ROOM)
        if not parts and not wants:
            return None
        plain = {name: list(summary) for name, summary in wants.items()}
        told = await self._ask(peer, "exchange", plain_parts(parts), plain)
        self._book.take(read_parts(told, MOST_NODES), peer)
        return (known.hashes.hash, *(part[:5] for part in parts))

    async def _ask(self, peer: str, event: str, *args: Any) -> Any:
        timeout = self._runtime.config.call_timeout
        return await self._runtime.call(peer, STATE, event, args, {}, timeout)
