"""Addresses that were found and not met yet: which is dialled next, and when.

Nothing is dialled here, and nothing waits. The invariants: there are never more
than so many, whatever sources tell; and who has spoken itself comes before what a
list says, and what was never tried before what did not answer.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final

from clusterkit.core.backoff import Backoff
from clusterkit.names import Address, NodeInfo

if TYPE_CHECKING:
    from random import Random

MOST_FOUND: Final = 10_000
"""Addresses that are kept, as many as a ring has names. One more: the one that has
not answered for longest goes."""

FORGOTTEN_AFTER: Final = 3_600.0
"""Seconds after which an address is forgotten that no source has told of again."""

BACKOFF_FIRST: Final = 0.02
"""Seconds between two tries of one address, at first: they double, with full jitter."""

BACKOFF_CAP: Final = 60.0
"""The same, at most."""

HEARD_AGAIN: Final = 1.0
"""Seconds after which one that speaks is tried again, however long it was away."""


AGAIN_RATE: Final = 50.0
"""Tries a second of addresses that did not answer before, all together: ten
thousand that refuse at once would else keep a core busy for a minute."""

AGAIN_BURST: Final = 100
"""How many at once: so few are each tried as soon as their pause is over."""


class Candidate:
    """One address.

    Attributes:
        address: Without a name until one is known.
        node: The node that answered there, or that the address names.
        source: Who told of it first.
        told: When a source told of it last.
        heard: Whether it has spoken itself.
        answered: Whether it was reached.
        own: Whether this very node answered there.
        due: When to try it; infinite while it is tried, or need not be.
        tried: When it was tried last.
    """

    __slots__ = (
        "address",
        "answered",
        "backoff",
        "due",
        "heard",
        "node",
        "own",
        "source",
        "told",
        "tried",
    )

    def __init__(self, address: NodeInfo | Address, source: str, now: float) -> None:
        self.address = address
        self.node = address if isinstance(address, NodeInfo) else None
        self.source = source
        self.told = now
        self.heard = False
        self.answered = False
        self.own = False
        self.due = inf
        self.tried = -inf
        self.backoff = Backoff(BACKOFF_FIRST, BACKOFF_CAP, inf, BACKOFF_CAP)

    def __repr__(self) -> str:
        return f"<Candidate {self.address} tries={self.backoff.tries}>"

    @property
    def where(self) -> Address:
        """Host and port."""
        address = self.address
        return address.address if isinstance(address, NodeInfo) else address

    def may_be_another(self, now: float) -> bool:
        """Say whether another node may answer by now than the one that did.

        At an address without a name, which addresses of pods for one are given anew.
        """
        nameless = not isinstance(self.address, NodeInfo)
        return nameless and now - self.tried > BACKOFF_CAP


class Candidates:
    """All of them.

    Args:
        rng: Jitter of the pauses.

    Attributes:
        dropped: How many were let go for want of room.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._all: dict[NodeInfo | Address, Candidate] = {}
        self._order = count()
        self._fresh: deque[Candidate] = deque()
        self._heard: list[tuple[float, int, Candidate]] = []
        self._again: list[tuple[float, int, Candidate]] = []
        self._again_from = -inf
        self.dropped = 0

    def __repr__(self) -> str:
        return f"<Candidates {len(self._all)}>"

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> tuple[Candidate, ...]:
        """Return all, the oldest first."""
        return tuple(self._all.values())

    def get(self, address: NodeInfo | Address) -> Candidate | None:
        """Return the one of an address."""
        return self._all.get(address)

    def add(self, address: NodeInfo | Address, source: str, now: float) -> Candidate:
        """Return a new one, which is not due yet."""
        if len(self._all) >= MOST_FOUND:
            self._drop_one()
        candidate = self._all[address] = Candidate(address, source, now)
        return candidate

    def try_at(self, candidate: Candidate, due: float) -> None:
        """Have one tried, at a time or as soon as there is a hand free."""
        candidate.due = due
        if candidate.heard:
            self._push(self._heard, candidate)
        elif candidate.backoff.tries:
            self._push(self._again, candidate)
        else:
            self._fresh.append(candidate)
            if len(self._fresh) > 2 * MOST_FOUND:
                self._fresh = deque(filter(self._is_kept, self._fresh))

    def put_off(self, candidate: Candidate, now: float) -> None:
        """Have one tried again, later than the last time, or forget it."""
        if now - candidate.told > FORGOTTEN_AFTER:
            self._all.pop(candidate.address, None)
            return
        self.try_at(candidate, now + candidate.backoff.next_pause(0.0, self._rng))

    def next(self, now: float) -> Candidate | None:
        """Take the one to try now, None if none is due."""
        found = self._take(self._heard, now)
        if found is None and self._fresh:
            found = self._take_fresh()
        if found is None and self._again_from <= now:
            found = self._take(self._again, now)
            if found is not None:
                saved = now - AGAIN_BURST / AGAIN_RATE
                self._again_from = max(self._again_from, saved) + 1 / AGAIN_RATE
        if found is not None:
            found.due, found.tried = inf, now
        return found

    def next_due(self) -> float:
        """Return when one will be due; perhaps none is then."""
        if self._fresh:
            return -inf
        heard = self._heard[0][0] if self._heard else inf
        again = max(self._again[0][0], self._again_from) if self._again else inf
        return min(heard, again)

    def _push(
        self, heap: list[tuple[float, int, Candidate]], candidate: Candidate
    ) -> None:
        heappush(heap, (candidate.due, next(self._order), candidate))
        if len(heap) > 2 * MOST_FOUND:  # most were dropped, or are due another time
            heap[:] = [
                (due, number, candidate)
                for due, number, candidate in heap
                if due == candidate.due and self._is_kept(candidate)
            ]
            heapify(heap)

    def _take(
        self, heap: list[tuple[float, int, Candidate]], now: float
    ) -> Candidate | None:
        while heap and heap[0][0] <= now:
            due, _, candidate = heappop(heap)
            if due == candidate.due and self._is_kept(candidate):
                return candidate
        return None

    def _take_fresh(self) -> Candidate | None:
        while self._fresh:
            candidate = self._fresh.popleft()
            # Who has spoken since waits among those that have.
            waits = candidate.due < inf and not candidate.heard
            if waits and self._is_kept(candidate):
                return candidate
        return None

    def _is_kept(self, candidate: Candidate) -> bool:
        return self._all.get(candidate.address) is candidate

    def _drop_one(self) -> None:
        kept = self._all.values()
        oldest = next((c for c in kept if not c.answered), None) or next(iter(kept))
        del self._all[oldest.address]
        self.dropped += 1
