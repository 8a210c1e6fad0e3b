"""Restart intensity: how often an actor may crash before it is given up."""

from __future__ import annotations

from collections import deque


class RestartWindow:
    """Counts restarts in a sliding window, as an OTP supervisor does.

    Args:
        most: Restarts allowed within the window.
        period: Its length, in seconds.
    """

    __slots__ = ("_most", "_period", "_times")

    def __init__(self, most: int, period: float) -> None:
        self._most = most
        self._period = period
        self._times: deque[float] = deque()

    def allow(self, now: float) -> bool:
        """Count a restart at `now`; say whether it is still one of few."""
        self._times.append(now)
        while self._times[0] <= now - self._period:
            self._times.popleft()
        return len(self._times) <= self._most
