"""Log lines: a constant event name, then `key=value` fields.

The fields are in the text and in `extra`, so a plain handler prints them and a
JSON formatter finds them. Payloads and cookies are never logged.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 1_000  # characters of one value

logging.getLogger("clusterkit").addHandler(logging.NullHandler())


def log(logger: logging.Logger, level: int, event: str, /, **fields: object) -> None:
    """Log `event` with its fields, if anybody listens at that level.

    A value with spaces, quotes or control characters is quoted, a very long one cut;
    None is left out.
    """
    if not logger.isEnabledFor(level):
        return
    told = {key: value for key, value in fields.items() if value is not None}
    text = " ".join(f"{key}={_quoted(value)}" for key, value in told.items())
    logger.log(level, "%s %s", event, text, extra={"event": event, "fields": told})


class Seldom:
    """Says when a line is due that others can bring about as often as they like.

    The first of each kind is due at once, the next after a while, with the
    number since. What is kept for that is bounded: others choose the kinds.

    Args:
        clock: Returns the time, in seconds.
        silence: Seconds between two lines of one kind.
        most: Kinds that are told apart within that time; more are counted.
    """

    def __init__(
        self, clock: Callable[[], float], *, silence: float = 60.0, most: int = 256
    ) -> None:
        self._clock = clock
        self._silence = silence
        self._most = most
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}
        self._others = 0

    def __repr__(self) -> str:
        return f"<Seldom kinds={len(self._told)}>"

    def due(self, *kind: str) -> dict[str, int] | None:
        """Say whether a line of this kind is due.

        Returns:
            What to add to the line: how many `more` of its kind there were
            since the last, and of how many `others` nothing was said. None if
            it is not due.
        """
        now = self._clock()
        told_at, more = self._told.get(kind, (now - self._silence, 0))
        if now - told_at < self._silence:
            self._told[kind] = told_at, more + 1
            return None
        self._told.pop(kind, None)  # to the end, as the one told of last
        if not self._make_room(now):
            self._others += 1
            return None
        self._told[kind] = now, 0
        others, self._others = self._others, 0
        counts = {"more": more, "others": others}
        return {name: count for name, count in counts.items() if count}

    def _make_room(self, now: float) -> bool:
        """Forget the kind told of for longest, if its time is over."""
        if len(self._told) >= self._most:
            oldest = next(iter(self._told))
            if now - self._told[oldest][0] < self._silence:
                return False
            del self._told[oldest]
        return True


def _quoted(value: object) -> str:
    text = str(value)
    if len(text) > _LONGEST:  # of strangers, as an error that cites what they sent
        text = f"{text[:_LONGEST]}…"
    plain = text.isprintable() and not set(text) & set(" \"'=")
    return text if text and plain else repr(text)
