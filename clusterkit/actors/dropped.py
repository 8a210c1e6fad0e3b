"""Casts that nobody can handle: one line in the log, not one for each.

Nobody waits for a cast, so a name that is misspelt would show nowhere. Its line
comes at once, and again after a while if it goes on, with the number since.
What is kept for that is bounded: a peer chooses the names.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from clusterkit.actors.faults import text_of
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("clusterkit.actors")

SILENCE: Final = 60.0
"""Seconds between two lines about the casts of one name to one actor."""

MOST_KINDS: Final = 256
"""Actors and casts that are told apart; the one not told of for longest goes."""

MOST_TEXT: Final = 128
"""Characters of a name in such a line."""


class DroppedCasts:
    """What was said of casts that were dropped.

    Args:
        clock: Returns the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def __repr__(self) -> str:
        return f"<DroppedCasts kinds={len(self._told)}>"

    def say(self, actor: str, cast: str, peer: str, error: object) -> None:
        """Log a cast that was dropped, unless the like of it was just now.

        Args:
            actor: The actor it was for.
            cast: The event.
            peer: The node or tool that it came from.
            error: Why nobody handled it.
        """
        actor, cast = text_of(actor, MOST_TEXT), text_of(cast, MOST_TEXT)
        now, about = self._clock(), (actor, cast)
        told_at, more = self._told.get(about, (now - SILENCE, 0))
        if now - told_at < SILENCE:
            self._told[about] = told_at, more + 1
            return
        self._told.pop(about, None)  # to the end, as the one told of last
        if len(self._told) >= MOST_KINDS:
            del self._told[next(iter(self._told))]
        self._told[about] = now, 0
        log(
            logger,
            logging.WARNING,
            "cast_dropped",
            actor=actor,
            cast=cast,
            peer=peer,
            error=error,
            more=more or None,
        )
