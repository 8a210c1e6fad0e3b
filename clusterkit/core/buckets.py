"""Hashes by which two nodes find out in what they differ, where it is next to nothing.

What is kept by name falls into 64 *buckets*. A hash of all is compared first, eight
bytes, so that where nothing is new nothing is said; then those of the buckets, so
that one change among a thousand nodes costs the names of sixteen.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKETS: Final = 64
"""Into how many the nodes of a cluster fall."""


class Buckets:
    """A hash of what is known of each of many names.

    They are combined by exclusive or: in no order, and one at a time.

    Attributes:
        hash: Eight bytes that are equal where, and nearly only where, all is.
    """

    __slots__ = ("_buckets", "_hashes", "hash")

    def __init__(self) -> None:
        self._hashes: dict[str, int] = {}
        self._buckets = [0] * BUCKETS
        self.hash = 0

    def __repr__(self) -> str:
        return f"<Buckets {self.hash:016x} of {len(self._hashes)}>"

    @property
    def each(self) -> list[int]:
        """The same as `hash`, of each bucket."""
        return list(self._buckets)

    def put(self, name: str, *numbers: int) -> None:
        """Know this of a name, whatever was known before."""
        text = f"{name} {'.'.join(map(str, numbers))}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        fresh = int.from_bytes(digest, "big")
        self._change(name, self._hashes.get(name, 0) ^ fresh)
        self._hashes[name] = fresh

    def drop(self, name: str) -> None:
        """Know nothing of a name any more."""
        self._change(name, self._hashes.pop(name))

    def _change(self, name: str, bits: int) -> None:
        self._buckets[bucket_of(name)] ^= bits
        self.hash ^= bits

    def differing(self, others: Iterable[int]) -> list[int]:
        """Return which buckets are not as here."""
        pairs = zip(self._buckets, others, strict=True)
        return [n for n, (ours, theirs) in enumerate(pairs) if ours != theirs]


@lru_cache(maxsize=16_384)  # more than a ring has names
def bucket_of(name: str) -> int:
    """Return the bucket that a name falls into."""
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % BUCKETS
