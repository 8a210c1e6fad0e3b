"""Wrong proofs, by the address that they come from: how many are judged.

Handshakes of TLS that came to nothing are counted in the same way.

A cookie of 256 bits is not found by guessing; one that a person made up may be,
and each guess costs the node some work and a line of its log. The invariant is
that whoever can show that it has been here is judged always, and anybody else
sooner or later: many honest nodes may share the address of one that guesses.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

GUESSES: Final = 32
"""Wrong proofs that may come from one address at once, before it is held back:
as many as a site of nodes with a stale cookie makes in its first seconds."""

GUESS_RATE: Final = 10.0
"""Wrong proofs a second that are judged from an address that is held back."""

LUCKY: Final = 0.25
"""Part of those beyond that are judged all the same. However many an attacker
sends, an honest node behind the same address gets in: by its fourth dial on
average, where its dials are 0.15 s apart."""

MOST_SOURCES: Final = 1024
"""Addresses that are told apart; the one heard of least lately is forgotten."""


class Guesses:
    """Wrong proofs of late, by source.

    Args:
        clock: Returns the time, in seconds.
        rng: Draws lots.
    """

    def __init__(self, clock: Callable[[], float], rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        # How many wrong ones are not forgiven yet, and as of when; that heard
        # of least lately is first.
        self._owed: dict[str, tuple[float, float]] = {}

    def __repr__(self) -> str:
        return f"<Guesses sources={len(self._owed)}>"

    def holds_back(self, host: str) -> bool:
        """Say whether more has come from an address than is judged at will."""
        return self._debt(source_of(host)) > GUESSES - 1

    def may_try(self, host: str) -> bool:
        """Say whether the proof of a stranger is to be judged."""
        return not self.holds_back(host) or self._rng.random() < LUCKY

    def wrong(self, host: str) -> None:
        """A proof from an address was wrong."""
        source = source_of(host)
        debt = min(self._debt(source) + 1, GUESSES)
        self._owed.pop(source, None)
        if len(self._owed) >= MOST_SOURCES:
            del self._owed[next(iter(self._owed))]
        self._owed[source] = debt, self._clock()

    def _debt(self, source: str) -> float:
        debt, since = self._owed.get(source, (0.0, 0.0))
        return max(0.0, debt - (self._clock() - since) * GUESS_RATE)


@lru_cache(maxsize=MOST_SOURCES)
def source_of(host: str) -> str:
    """Return what stands for an address and all that its owner can take at will.

    Of IPv6 that is the network of 64 bits, which is one site's, often one host's
    (RFC 4291, 2.5.4); an IPv4 address within is one.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host  # of a simulation
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
