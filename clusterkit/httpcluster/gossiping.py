"""Exchanging with one node after the other, for as long as this one lives.

With whom is `partners`, what is exchanged `cluster.reconciling`. The invariant is that
nobody who hangs keeps this node from the others: exchanges run beside each other, one
at a time with each, and none for long.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import ClusterError
from clusterkit.httpcluster.asking import OwnAnswer
from clusterkit.httpcluster.partners import Candidate, chosen, farewells
from clusterkit.logs import Seldom, log

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable
    from random import Random

    from clusterkit.cluster.reconciling import Reconciling
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.httpcluster.asking import Asking
    from clusterkit.httpcluster.members import HttpMembers

logger = logging.getLogger("clusterkit.http")

STEPS: Final = 16
"""Most steps of one exchange. What is missing then is left to the next."""

MOST_AT_ONCE: Final = 8
"""Exchanges that one node has under way."""

ENOUGH: Final = 10.0
"""Seconds of one exchange. What is missing then is left to the next, too."""

LATE: Final = 1.0
"""Intervals beyond the expected one after which this node itself stood still."""


class Gossiping:
    """Exchanges, for one node.

    Args:
        name: The node's.
        members: Who is there.
        asking: Asks them.
        reconciling: Knows what.
        book: Is tidied.
        seeds: URLs to begin with.
        interval: Seconds between two exchanges, a tenth more or less.
        rng: The dice.
        refused: Counts, by reason: `failed`.

    Attributes:
        listed: URLs from elsewhere, as from a master list.
    """

    def __init__(
        self,
        name: str,
        members: HttpMembers,
        asking: Asking,
        reconciling: Reconciling,
        book: StateBook,
        seeds: Iterable[str],
        interval: float,
        rng: Random,
        refused: Counter[str],
    ) -> None:
        self.listed: Collection[str] = ()
        self._name = name
        self._members = members
        self._asking = asking
        self._reconciling = reconciling
        self._book = book
        self._seeds = tuple(dict.fromkeys(seeds))
        self._interval = interval
        self._rng = rng
        self._refused = refused
        self._under_way: set[str] = set()
        self._seldom = Seldom(trio.current_time)

    def __repr__(self) -> str:
        return f"<Gossiping {len(self._under_way)} exchanges>"

    async def run(self) -> None:
        """Exchange until cancelled."""
        async with trio.open_nursery() as nursery:
            due = trio.current_time()
            while True:
                late = trio.current_time() - due
                if late > LATE * self._interval:
                    self._members.oversleep(late)
                self._members.beat()
                self._members.refresh()
                self._book.tidy()
                self._begin(nursery)
                due = trio.current_time() + self._interval * self._rng.uniform(0.9, 1.1)
                await trio.sleep_until(due)

    async def farewell(self) -> None:
        """Exchange with some for the last time."""
        async with trio.open_nursery() as nursery:
            for url in farewells(self._living(), self._rng):
                nursery.start_soon(self._exchange, url)

    def _living(self) -> list[Candidate]:
        found = []
        given = {self._asking.who(url): url for url in self._given()}
        for name in self._members.alive():
            url = self._members.url(name) or given.get(name)
            if url is not None and name != self._name:
                found.append(Candidate(url, self._members.is_monitor(name)))
        return found

    def _absent(self) -> list[str]:
        """Return where somebody may be who is not there."""
        there = {self._name, *self._members.alive()}
        gone = (name for name in self._members.names() if name not in there)
        urls = [self._members.url(name) for name in gone]
        urls += [url for url in self._given() if self._may_lead_on(url, there)]
        return list(dict.fromkeys(url for url in urls if url is not None))

    def _may_lead_on(self, url: str, there: set[str]) -> bool:
        """Say whether somebody who is not there may be at a URL that was given.

        By way of a balancer another each time; or else two parts of a cluster that
        have met nobody else there would not find each other.
        """
        if there == {self._name}:
            return True  # where it met itself may be a balancer's
        return self._asking.who(url) not in there or self._asking.is_shared(url)

    def _given(self) -> tuple[str, ...]:
        return (*self._seeds, *self.listed)

    def _begin(self, nursery: trio.Nursery) -> None:
        """Begin to exchange with some with whom nothing is under way."""
        living = self._living()
        free = [one for one in living if one.url not in self._under_way]
        if living and not free:
            return  # which is not to know nobody
        for url in chosen(free, self._absent(), self._rng):
            if url not in self._under_way and len(self._under_way) < MOST_AT_ONCE:
                self._under_way.add(url)
                nursery.start_soon(self._exchange, url)

    async def _exchange(self, url: str) -> None:
        """Exchange with who is at a URL until both agree, or nothing comes of it."""
        try:
            with trio.fail_after(ENOUGH):
                await self._steps(url)
        except OwnAnswer:
            log(logger, logging.DEBUG, "http_own_answer", url=url)
        except (ClusterError, ValueError, trio.TooSlowError) as error:
            self._note_failure(url, error)
        finally:
            self._under_way.discard(url)

    def _note_failure(self, url: str, error: Exception) -> None:
        """Count that somebody was asked in vain; warn of it while nobody is known.

        Later it is usual: those that are away are tried as well.
        """
        self._refused["failed"] += 1
        due = None if self._living() else self._seldom.due(url)
        level = logging.DEBUG if due is None else logging.WARNING
        reason = str(error) or type(error).__name__
        log(logger, level, "http_failed", url=url, error=reason, **(due or {}))

    async def _steps(self, url: str) -> None:
        peer = await self._asking.meet(url)
        last = None
        for _ in range(STEPS):
            step = await self._reconciling.step(peer)
            if step in (None, last):
                return
            last = step
