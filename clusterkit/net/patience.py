"""How long a link pauses between dials, and when it stops dialling for good.

Counts and times of one outage after the other; what is done about them is the
link's affair. The invariant is that with the defaults a link never stops.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from clusterkit.core.backoff import Backoff

if TYPE_CHECKING:
    from random import Random

    from clusterkit.config import Config

TIME: Final = "time"
TRIES: Final = "tries"
"""Why a link is given up that was not reached within `give_up_after`, or by
`give_up_tries` dials."""

FORGOTTEN: Final = "forgotten"
"""Why one is given up whose peer has been dead for `forget_after`."""

SPENT: Final = frozenset({TIME, TRIES, FORGOTTEN})
"""Reasons that say nothing bad of the peer: it may come back by itself."""


class Verdict(Enum):
    """What became of an attempt, as far as the next one is concerned."""

    UP = auto()
    FAILED = auto()
    """Back off and try again."""
    TIE = auto()
    """The peer's own dial is about to arrive: give it a second."""
    AGAIN = auto()
    """What was agreed is outdated: try at once."""


class Patience:
    """What one link has for its peer.

    Args:
        config: Has the bounds.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._began = 0.0
        self._tries = 0
        self._backoff = Backoff(
            config.backoff_first,
            config.backoff_cap,
            config.backoff_patience,
            config.backoff_long_cap,
        )

    def __repr__(self) -> str:
        return f"<Patience tries={self._tries}>"

    def begin(self, now: float) -> None:
        """An outage has begun."""
        self._began = now
        self._tries = 0

    def calm(self) -> None:
        """A session has lasted: the next outage is a new one."""
        self._backoff.reset()

    def is_spent_by(self, verdict: Verdict) -> bool:
        """Count a dial that came to nothing; say whether it was the last."""
        if verdict is Verdict.FAILED:  # else the peer is there
            self._tries += 1
        return self._tries >= self._config.give_up_tries

    def pause(self, verdict: Verdict, spent: float, now: float, rng: Random) -> float:
        """Return how long to wait after a dial that took `spent` seconds.

        A dial that nobody answered was a pause itself: a second one on top
        would find a healed network late.
        """
        if verdict is Verdict.TIE:
            return self._config.tie_wait
        if verdict is Verdict.AGAIN:
            return 0.0
        return max(0.0, self._backoff.next_pause(now - self._began, rng) - spent)
