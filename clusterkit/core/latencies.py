"""How long many things took, in little memory: counts by logarithm.

Eight buckets to each doubling, so a quantile is right within a tenth, whatever the
times are and however many. The shortest, the longest and the mean are exact.
"""

from __future__ import annotations

from math import ceil, log2
from typing import Final

PER_DOUBLING: Final = 8
"""Buckets of `Latencies` for times between one and twice as long."""

_LEAST: Final = 1e-9


class Latencies:
    """Times, counted.

    Attributes:
        count: How many.
        total: Their sum, in seconds.
        least: The shortest, in seconds; 0 if there is none.
        most: The longest, in seconds.
    """

    __slots__ = ("_buckets", "count", "least", "most", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.total = self.least = self.most = 0.0

    def __repr__(self) -> str:
        return f"<Latencies count={self.count} mean={self.mean:g}>"

    @property
    def mean(self) -> float:
        """Their mean, in seconds; 0 if there is none."""
        return self.total / self.count if self.count else 0.0

    def add(self, seconds: float) -> None:
        """Count one more.

        Args:
            seconds: How long it took; less than a nanosecond counts as one.
        """
        bucket = ceil(log2(max(seconds, _LEAST)) * PER_DOUBLING)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.least = min(self.least, seconds) if self.count else seconds
        self.most = max(self.most, seconds)
        self.total += seconds
        self.count += 1

    def quantile(self, share: float) -> float:
        """Return how long the given share of them took at most, in seconds.

        Args:
            share: From 0 to 1: 0.5 for the median.

        Returns:
            At most a tenth more than the exact value; 0 if there is none.
        """
        wanted, seen = share * self.count, 0
        for upper, count in self.buckets():
            seen += count
            if seen >= wanted:
                return min(max(upper, self.least), self.most)
        return self.most

    def buckets(self) -> list[tuple[float, int]]:
        """Return the upper bound of each bucket that is used, and its count."""
        return [
            (2.0 ** (bucket / PER_DOUBLING), self._buckets[bucket])
            for bucket in sorted(self._buckets)
        ]
