"""A master list beside gossip: what it may know of the node, and what comes of it.

The list itself is `discovery.MasterList`, as for nodes with links; its entries have
URLs here. The invariant is that a list only adds to where others are looked for: who
is a member is said by gossip, under the cookie.
"""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.httpcluster.urls import HttpPlace, read_place
from clusterkit.logs import Seldom, log

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from random import Random

    from clusterkit.httpcluster.gossiping import Gossiping
    from clusterkit.httpcluster.members import HttpMembers
    from clusterkit.httpcluster.urls import Dialable

logger = logging.getLogger("clusterkit.http")

MOST_LISTED: Final = 1_000
"""URLs of a list that are remembered; of more, those told of longest ago make room."""

LISTED_FOR: Final = 86_400.0
"""Seconds for which a URL is remembered that is on no list any more."""


class Listing:
    """What a list knows of one node (a `discovery.source.Keeper`), and tells it.

    Args:
        place: Where the node is.
        members: Who is there.
        gossiping: Looks for others.
        dialable: Is told what is listed.
        rng: Jitter.
        wall_clock: Returns seconds since 1970.
        refused: Counts what went wrong.
    """

    read = staticmethod(read_place)

    def __init__(
        self,
        place: HttpPlace,
        members: HttpMembers,
        gossiping: Gossiping,
        dialable: Dialable,
        rng: Random,
        wall_clock: Callable[[], float],
        refused: Counter[str],
    ) -> None:
        self.rng = rng
        self.wall_clock = wall_clock
        self._place = place
        self._members = members
        self._dialable = dialable
        self._refused = refused
        self._seldom = Seldom(trio.current_time)
        self._listed: dict[str, float] = {}  # when each was told of last
        gossiping.listed = self._listed.keys()

    def __repr__(self) -> str:
        return f"<Listing {len(self._listed)} URLs>"

    def found(self, place: HttpPlace) -> None:
        """Look for a node where a list says that one is, unless it is this one."""
        if place.url == self._place.url:
            return
        now = trio.current_time()
        if self._listed.pop(place.url, None) is None:
            self._dialable.add_listed(place.url)
        while self._listed:
            oldest = next(iter(self._listed))
            is_due = now - self._listed[oldest] >= LISTED_FOR
            if not is_due and len(self._listed) < MOST_LISTED:
                break
            del self._listed[oldest]
            self._dialable.drop_listed(oldest)
        self._listed[place.url] = now

    def info(self) -> HttpPlace:
        """Return where this node is."""
        return self._place

    def ring(self) -> str:
        """Return its name while it wants to be found, else ""."""
        return self._place.id if self._members.state(self._place.id) == "alive" else ""

    def members(self) -> list[HttpPlace]:
        """Return the members that are alive, and have said where they are."""
        rows = self._members.all()
        return [HttpPlace(m.id, m.url) for m in rows if m.url and m.state == "alive"]

    def count(self, reason: str) -> None:
        """Count what went wrong."""
        self._refused[reason] += 1

    def say(self, event: str, **fields: Any) -> None:
        """Log a warning, at most once a minute for each event."""
        due = self._seldom.due(event)
        if due is not None:
            log(logger, logging.WARNING, event, **fields, **due)

    def left(self) -> float:
        """Return that the list's own bound at the end is the only one."""
        return inf

    async def refresh(self, seconds: float) -> None:
        """Wait about so many seconds, a tenth more or less."""
        await trio.sleep(seconds * self.rng.uniform(0.9, 1.1))
