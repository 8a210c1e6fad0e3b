"""Phi accrual failure detection: how surprising a silence is, on a scale.

From N. Hayashibara, X. Défago, R. Yared, T. Katayama, "The φ Accrual Failure
Detector", SRDS 2004. If what is heard from a peer comes at intervals of a known
distribution, then phi = -log10(P(the next one comes later than now)): at 1, one
silence in ten is as long and harmless; at 8, one in a hundred million.

Two forms are in use, and a threshold means something else in each. With
heartbeats every second that never tarry, phi 8 is reached

- in the *normal* form (Hayashibara's, and Akka's) after the mean, 5.6 deviations,
  and the pause that is accepted: some 4.6 s;
- in the *exponential* form (Cassandra's and node-gossip's), which knows no
  deviation, after 18.4 times the mean.

Times are of any one clock that only goes forward, here in seconds.
"""

from __future__ import annotations

from collections import deque
from math import erfc, log, log10, pi, sqrt
from typing import TYPE_CHECKING, Final

from clusterkit.config import MOST_THRESHOLD
from clusterkit.errors import ConfigError

if TYPE_CHECKING:
    from clusterkit.config import Form

WINDOW: Final = 1000
"""Intervals that the estimate is made of; the oldest makes room."""

_FAR: Final = 20.0  # beyond it `erfc` nears the smallest number there is


def surprise(deviations: float) -> float:
    """Return -log10 of the chance that a normal variable is larger than that.

    Args:
        deviations: How far above the mean, in standard deviations.

    Returns:
        Finite for every finite argument: where the chance itself is too small
        for a number, its asymptotic series is used (Abramowitz and Stegun, 7.1.23).
    """
    x = deviations / sqrt(2.0)
    if x < _FAR:
        return log10(2.0 / erfc(x))
    return x * x / log(10.0) + log10(2.0 * x * sqrt(pi)) - log10(1.0 - 0.5 / (x * x))


def deviations_at(phi: float) -> float:
    """Return where `surprise` reaches `phi`, in standard deviations.

    Args:
        phi: Above 0.3, which is that of the mean, up to `MOST_THRESHOLD`.
    """
    low, high = 0.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if surprise(middle) < phi else (low, middle)
    return high


class PhiAccrual:
    """What one peer's arrivals say of its silence.

    An outage is no interval: a silence that made the peer suspect is not taken
    into the estimate, which it would dull for a thousand arrivals.

    Args:
        now: The time from which the peer's silence counts, heard or not.
        form: Of the distribution.
        threshold: From which phi on the peer is suspect: 1 to `MOST_THRESHOLD`.
        first: The interval expected before any is known.
        min_deviation: Least standard deviation assumed (normal form): arrivals
            that were regular so far need not stay so.
        pause: Silence that is accepted beyond what is usual (normal form), for
            what makes a process stop: collecting garbage, a busy disk. Without
            it, a lost heartbeat is a failure.
        window: How many intervals are kept.

    Raises:
        ConfigError: An argument is out of its range.
    """

    __slots__ = (
        "_heard",
        "_intervals",
        "_last",
        "_reach",
        "_squares",
        "_sum",
        "_unsummed",
        "first",
        "form",
        "min_deviation",
        "pause",
        "threshold",
        "window",
    )

    def __init__(
        self,
        now: float,
        *,
        form: Form = "normal",
        threshold: float = 8.0,
        first: float = 1.0,
        min_deviation: float = 0.1,
        pause: float = 3.0,
        window: int = WINDOW,
    ) -> None:
        _check(form, threshold, first, min_deviation, pause, window)
        self.form = form
        self.threshold = threshold
        self.first = first
        self.min_deviation = min_deviation
        self.pause = pause
        self.window = window
        self._reach = deviations_at(threshold)
        self._intervals: deque[float] = deque()
        self._sum = self._squares = 0.0
        self._unsummed = 0
        self._heard = False
        self._last = now

    def __repr__(self) -> str:
        return f"<PhiAccrual {self.form} mean={self.mean:g} n={len(self._intervals)}>"

    @property
    def mean(self) -> float:
        """The mean interval."""
        count = len(self._intervals)
        return self._sum / count if count else self.first

    @property
    def deviation(self) -> float:
        """The standard deviation that is assumed; `min_deviation` at least."""
        count = len(self._intervals)
        if not count:
            return max(self.first / 4.0, self.min_deviation)
        variance = self._squares / count - (self._sum / count) ** 2
        return max(sqrt(max(variance, 0.0)), self.min_deviation)

    @property
    def samples(self) -> int:
        """How many intervals the estimate is made of."""
        return len(self._intervals)

    def arrive(self, now: float) -> None:
        """Note that something of the peer has come."""
        interval = max(now - self._last, 0.0)
        if not self._heard:
            # What comes first says nothing of intervals; a guess makes the
            # estimate careful until some are known.
            spread = self.first / 4.0 if self.form == "normal" else 0.0
            self._keep(self.first - spread)
            if spread:
                self._keep(self.first + spread)
            self._heard = True
        elif self.phi(now) <= self.threshold:
            self._keep(interval)
        self._last = max(now, self._last)

    def phi(self, now: float) -> float:
        """Return how surprising the silence until `now` is: 0 or more, and finite."""
        silence = max(now - self._last, 0.0)
        if self.form == "exponential":
            return silence / (self.mean * log(10.0))
        return surprise((silence - self.mean - self.pause) / self.deviation)

    def is_suspect(self, now: float) -> bool:
        """Say whether phi is over the threshold."""
        return self.phi(now) > self.threshold

    def oversleep(self, seconds: float, now: float) -> None:
        """Do not count a time in which nobody here could have listened.

        Args:
            seconds: How long that was.
            now: When it was over; what has come since then is not moved.
        """
        self._last = max(self._last, min(self._last + seconds, now))

    @property
    def deadline(self) -> float:
        """When the peer becomes suspect, if nothing is heard until then."""
        if self.form == "exponential":
            return self._last + self.threshold * self.mean * log(10.0)
        return self._last + self.mean + self.pause + self._reach * self.deviation

    def _keep(self, interval: float) -> None:
        self._intervals.append(interval)
        self._sum += interval
        self._squares += interval * interval
        if len(self._intervals) > self.window:
            oldest = self._intervals.popleft()
            self._sum -= oldest
            self._squares -= oldest * oldest
            self._unsummed += 1
        if self._unsummed >= self.window:  # rounding would add up for years
            self._sum = sum(self._intervals)
            self._squares = sum(i * i for i in self._intervals)
            self._unsummed = 0


def _check(
    form: str,
    threshold: float,
    first: float,
    min_deviation: float,
    pause: float,
    window: int,
) -> None:
    if form not in ("normal", "exponential"):
        raise ConfigError(f"phi has the form normal or exponential, not {form!r}")
    if not 1.0 <= threshold <= MOST_THRESHOLD:
        raise ConfigError(f"a threshold of phi is 1 to {MOST_THRESHOLD:g}")
    if not first > 0.0 or not min_deviation > 0.0:
        raise ConfigError("first and min_deviation are more than 0")
    if not pause >= 0.0:
        raise ConfigError("pause is not less than 0")
    if type(window) is not int or window < 1:
        raise ConfigError("window is an integer of at least 1")
