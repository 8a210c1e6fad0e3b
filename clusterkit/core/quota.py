"""How much of what strangers send is looked at, by where it comes from.

A token bucket for each source, and one that all sources share which have not
shown yet that they belong here. The invariant is that neither work nor memory
grows with what is sent, and that whoever belongs here is heard whatever
strangers send: what they take is their own share.
"""

from __future__ import annotations

from typing import Final

RATE: Final = 400.0
"""Datagrams a second of one source that are looked at: 200 nodes on a machine,
each heard twice a second."""

BURST: Final = 800.0
"""How many at once."""

STRANGERS_RATE: Final = 1_000.0
"""Datagrams a second of all sources together that have brought nothing new and valid."""

STRANGERS_BURST: Final = 2_000.0
"""How many at once: all nodes of a large cluster may start in one second."""

MOST_SOURCES: Final = 1024
"""Sources that are told apart, and as many strangers; those heard of least
lately are forgotten."""


class Bucket:
    """Tokens that come back at a rate, up to a number.

    Args:
        rate: Tokens a second.
        most: How many there are at most, and at first.
        now: The time, in seconds.
    """

    __slots__ = ("_left", "_most", "_rate", "_since")

    def __init__(self, rate: float, most: float, now: float) -> None:
        self._rate = rate
        self._most = most
        self._left = most
        self._since = now

    def __repr__(self) -> str:
        return f"<Bucket {self._left:.1f} of {self._most:g}>"

    def take(self, now: float) -> bool:
        """Take a token; say whether there was one."""
        self._left = min(self._most, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Quota:
    """Who may be looked at now.

    Args:
        now: The time, in seconds.
    """

    def __init__(self, now: float) -> None:
        self._known: dict[str, Bucket] = {}
        self._strangers: dict[str, Bucket] = {}
        self._shared = Bucket(STRANGERS_RATE, STRANGERS_BURST, now)

    def __repr__(self) -> str:
        return f"<Quota known={len(self._known)} strangers={len(self._strangers)}>"

    def admits(self, source: str, now: float) -> bool:
        """Say whether what came from a source is to be looked at."""
        bucket = self._known.get(source)
        if bucket is not None:
            return bucket.take(now)
        bucket = self._strangers.pop(source, None) or Bucket(RATE, BURST, now)
        _put(self._strangers, source, bucket)
        # Its own first: a single loud stranger must not take what all share.
        return bucket.take(now) and self._shared.take(now)

    def trust(self, source: str, now: float) -> None:
        """Note that something new and valid has come from a source."""
        bucket = self._known.pop(source, None) or self._strangers.pop(source, None)
        _put(self._known, source, bucket or Bucket(RATE, BURST, now))


def _put(buckets: dict[str, Bucket], source: str, bucket: Bucket) -> None:
    """Put a bucket last, as the one used most lately."""
    if len(buckets) >= MOST_SOURCES:
        del buckets[next(iter(buckets))]
    buckets[source] = bucket
