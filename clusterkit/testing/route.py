"""The way from one simulated host to another: delay, loss, partition.

Here live the conditions a segment meets and TCP's timing under them. What is
under way is `pipe.py`. Invariant: a route only decides when a segment comes
through, never whether: TCP sends again until it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

    from clusterkit.testing.pipe import Pipe

FIRST_RETRY: Final = 0.2
"""TCP's least retransmission timeout on Linux, in seconds; it doubles."""

LONGEST_RETRY: Final = 120.0
"""Where the doubling ends (TCP_RTO_MAX)."""

INSTANT: Final = 1e-6
"""Segments due within this many seconds arrive in one step of the courier;
also the seeded jitter that gives equal delays an order of their own."""


class Route:
    """What happens to segments from one host to another, one way.

    `delay` and `spread` are seconds (uniform in between), `loss` is the
    probability that one try to send a segment fails.
    """

    __slots__ = ("blocked", "delay", "direct", "loss", "pipes", "rng", "spread")

    def __init__(
        self, rng: Random, *, delay: float, spread: float, loss: float
    ) -> None:
        self.rng = rng
        self.blocked = False
        self.pipes: dict[Pipe, None] = {}
        self.set_conditions(delay=delay, spread=spread, loss=loss)

    def set_conditions(self, *, delay: float, spread: float, loss: float) -> None:
        """Change what segments meet from now on; those under way go on."""
        self.delay, self.spread, self.loss = delay, spread, loss
        self._reconsider()

    def block(self) -> None:
        """Let nothing through; what is under way waits to be sent again."""
        self.blocked = True
        self._reconsider()

    def unblock(self) -> None:
        """Let segments through again, each at its next retransmission."""
        if not self.blocked:
            return
        self.blocked = False
        self._reconsider()
        for pipe in list(self.pipes):
            pipe.resume()

    def one_way(self) -> float:
        """Return how long the next segment takes if no try fails."""
        return self.delay + self.rng.random() * (self.spread + INSTANT)

    def travel_time(self) -> float:
        """Return how long the next segment takes, retransmissions included."""
        seconds = self.one_way()
        if self.loss:  # as `loses_one` asks for each try; most routes lose nothing
            retry = FIRST_RETRY
            while self.rng.random() < self.loss:
                seconds += retry
                retry = min(2 * retry, LONGEST_RETRY)
        return seconds

    def loses_one(self) -> bool:
        """Decide whether one try to send a segment fails."""
        return self.loss > 0 and self.rng.random() < self.loss

    def _reconsider(self) -> None:
        self.direct = not (self.blocked or self.delay or self.spread or self.loss)


def next_try(since: float, now: float) -> float:
    """Return when TCP tries again at `now` or later, after a try at `since`.

    Retransmission timeouts double from `FIRST_RETRY` up to `LONGEST_RETRY`
    (RFC 6298, section 5), so a stream wakes late after a long silence.
    """
    retry = FIRST_RETRY
    while since < now:
        since += retry
        retry = min(2 * retry, LONGEST_RETRY)
    return since
