"""Casts that nobody can handle: one line in the log, not one for each.

Nobody waits for a cast, so a name that is misspelt would show nowhere. Its line
comes at once, and again after a while if it goes on, with the number since.
What is kept for that is bounded, and so is what is said: a peer chooses the
names.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from clusterkit.actors.faults import text_of
from clusterkit.logs import Seldom, log

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("clusterkit.actors")

SILENCE: Final = 60.0
"""Seconds between two lines about the casts of one name to one actor."""

MOST_KINDS: Final = 256
"""Actors and casts that are told apart, and lines within that time."""

MOST_TEXT: Final = 128
"""Characters of a name in such a line."""


class DroppedCasts:
    """What was said of casts that were dropped.

    Args:
        clock: Returns the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._seldom = Seldom(clock, silence=SILENCE, most=MOST_KINDS)

    def __repr__(self) -> str:
        return f"<DroppedCasts {self._seldom!r}>"

    def say(self, actor: str, cast: str, peer: str, error: object) -> None:
        """Log a cast that was dropped, unless the like of it was just now.

        Args:
            actor: The actor it was for.
            cast: The event.
            peer: The node or tool that it came from.
            error: Why nobody handled it.
        """
        actor, cast = text_of(actor, MOST_TEXT), text_of(cast, MOST_TEXT)
        due = self._seldom.due(actor, cast)
        if due is not None:
            told = {"actor": actor, "cast": cast, "peer": peer, "error": error}
            log(logger, logging.WARNING, "cast_dropped", **told, **due)
