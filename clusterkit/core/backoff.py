"""How long to wait before the next dial."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Backoff:
    """Doubling pauses with full jitter and two caps.

    Full jitter (a uniform pause between nothing and the bound) spreads the
    dials of many nodes after a common outage best; see M. Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        first: Bound of the first pause, in seconds.
        cap: Largest bound during the first `patience` seconds.
        patience: After this long the outage counts as long.
        long_cap: Largest bound in a long outage.
    """

    __slots__ = ("cap", "first", "long_cap", "patience", "tries")

    def __init__(
        self, first: float, cap: float, patience: float, long_cap: float
    ) -> None:
        self.first = first
        self.cap = cap
        self.patience = patience
        self.long_cap = long_cap
        self.tries = 0

    def __repr__(self) -> str:
        return f"<Backoff tries={self.tries} first={self.first:g} cap={self.cap:g}>"

    def next_pause(self, outage: float, rng: Random) -> float:
        """Return the next pause, in seconds.

        Args:
            outage: How long the peer has been unreachable, in seconds.
            rng: Source of the jitter.
        """
        bound = self.first * 2.0 ** min(self.tries, 30)
        self.tries += 1
        return rng.uniform(0.0, min(bound, self._cap(outage)))

    def reset(self) -> None:
        """Begin anew: the peer was reached and stayed."""
        self.tries = 0

    def _cap(self, outage: float) -> float:
        return self.cap if outage < self.patience else self.long_cap
