"""Who holds the event loop: measured by a beat, named by a look from outside.

A handler that computes for a second stops every actor and every link of its
node. A task that should wake ten times a second measures how late it is; a
thread looks, while it is late, at what the loop's thread is doing, and finds
the actor on its stack. That costs the messages nothing.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.actors.loop import Loop
from clusterkit.logs import log
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from types import FrameType

logger = logging.getLogger("clusterkit.cluster")

BEAT: Final = 0.1
"""Seconds between two beats."""

LATELY: Final = 600
"""Beats over which `lag` is the maximum: a minute."""


class Watchdog:
    """Watches one event loop.

    Args:
        held_after: Seconds after which a hold is logged.
    """

    def __init__(self, held_after: float) -> None:
        self._held_after = held_after
        self._lags: deque[float] = deque([0.0], maxlen=LATELY)
        self._beat = time.monotonic()
        self._thread = threading.get_ident()
        self._culprit: dict[str, Any] = {}
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"<Watchdog lag={self.lag:.3f}>"

    @property
    def lag(self) -> float:
        """The longest the loop was held in the last minute, in seconds."""
        return max(self._lags)

    async def run(self) -> None:
        """Beat until cancelled."""
        looker = threading.Thread(target=self._look, name="watchdog", daemon=True)
        looker.start()
        try:
            while True:
                self._beat = time.monotonic()
                await trio.sleep(BEAT)
                self._note(time.monotonic() - self._beat - BEAT)
        finally:
            self._over.set()

    def _note(self, lag: float) -> None:
        self._lags.append(max(lag, 0.0))
        if lag >= self._held_after:
            seconds = f"{lag:.1f}"
            log(logger, logging.WARNING, "loop_held", seconds=seconds, **self._culprit)
        self._culprit = {}

    def _look(self) -> None:
        """Find out, from a thread, what holds a late loop."""
        while not self._over.wait(min(self._held_after / 2, threading.TIMEOUT_MAX)):
            late = time.monotonic() - self._beat - BEAT
            if late > self._held_after / 2:
                frame = sys._current_frames().get(self._thread)  # noqa: SLF001
                self._culprit = culprit(frame)


def culprit(frame: FrameType | None) -> dict[str, Any]:
    """Return which actor is on a stack, handling what, and where.

    Args:
        frame: The innermost frame of a thread.
    """
    if frame is None:
        return {}
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    while frame is not None:
        loop = frame.f_locals.get("self")
        if isinstance(loop, Loop) and loop.current is not None:
            record = loop.current[0]
            event = record[m.EVENT] if len(record) > m.EVENT else "info"
            return {"actor": loop.name, "handling": event, "at": where}
        frame = frame.f_back
    return {"at": where}
