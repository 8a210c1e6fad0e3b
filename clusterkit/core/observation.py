"""What a node sees of the members it watches: whether they have fallen silent.

A member is *silent* when nothing has come from it for longer than is usual: than the
pause between two heartbeats and the time of an answer (SWIM's direct probe, with the
link's Ping for it), or until phi passes a threshold (`phi`). Silence alone is no
proof; it is the reason to ask others.

Who hears nothing from many may be deaf itself. Its *health* is a score (Lifeguard's
local health multiplier): each watcher that was asked and did not answer makes it worse,
each that did makes it better, and the worse it is, the more patient is the node. A node
that has not run for a while, and sees the whole world silent, does not count that time.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clusterkit.config import Detector
    from clusterkit.core.phi import PhiAccrual

WORST: Final = 8
"""The worst health; the node is then nine times as patient as at its best, 0."""


class Observation:
    """The members that one node watches.

    Args:
        patience: Seconds without a byte after which a member is silent.
        make_phi: Makes the estimate of a member from the time it is watched.
        detector: Which of the two decides.

    Attributes:
        health: 0 at best, `WORST` at worst.
    """

    def __init__(
        self,
        patience: float,
        make_phi: Callable[[float], PhiAccrual],
        detector: Detector = "probe",
    ) -> None:
        self.health = 0
        self._patience = patience
        self._make_phi = make_phi
        self._detector = detector
        self._phis: dict[str, PhiAccrual] = {}
        self._heard: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Observation of {len(self._heard)} health={self.health}>"

    def watch(self, names: Iterable[str], now: float) -> None:
        """Watch these members and no others; a new one's silence begins now."""
        wanted = dict.fromkeys(names)
        if wanted.keys() == self._heard.keys():
            return
        for name in [name for name in self._heard if name not in wanted]:
            del self._heard[name], self._phis[name]
        for name in wanted:
            if name not in self._heard:
                self._heard[name] = now
                self._phis[name] = self._make_phi(now)

    def hear(self, last: Iterable[tuple[str, float]]) -> None:
        """Note when the last byte came from each of some members that are watched."""
        known = self._heard
        for name, when in last:
            if when > known[name]:
                known[name] = when
                self._phis[name].arrive(when)

    def vouch(self, name: str, now: float) -> None:
        """Note that others have reached it: its silence begins anew."""
        if name in self._heard:
            self._heard[name] = now

    def silent(self, now: float) -> list[str]:
        """Return who is silent."""
        if self._detector == "phi":
            return [n for n, phi in self._phis.items() if self._is_beyond(phi, n, now)]
        limit = now - self._patience * (1 + self.health)
        return [name for name, heard in self._heard.items() if heard < limit]

    @property
    def next_silence(self) -> float:
        """When somebody is silent next, if nothing more comes; by phi, at any time."""
        if self._detector == "phi":
            return -inf
        patience = self._patience * (1 + self.health)
        return min(self._heard.values(), default=inf) + patience

    def silence(self, name: str, now: float) -> float | None:
        """Return for how long nothing has come from a member, None if unwatched."""
        heard = self._heard.get(name)
        return None if heard is None else max(0.0, now - heard)

    def phi(self, name: str, now: float) -> float | None:
        """Return how surprising a member's silence is, None if it is not watched."""
        phi = self._phis.get(name)
        return None if phi is None else phi.phi(now)

    def oversleep(self, seconds: float, now: float) -> None:
        """Do not count a time in which this node has not run; see `PhiAccrual`."""
        for name, heard in self._heard.items():
            self._heard[name] = max(heard, min(heard + seconds, now))
        for phi in self._phis.values():
            phi.oversleep(seconds, now)

    def judge_itself(self, asked: int, answers: int) -> None:
        """Change the health by how many of those that were asked have answered."""
        change = asked - answers if answers < asked else -1
        self.health = min(WORST, max(0, self.health + change))

    def _is_beyond(self, phi: PhiAccrual, name: str, now: float) -> bool:
        vouched = now - self._heard[name] <= self._patience
        return phi.phi(now) > phi.threshold * (1 + self.health / WORST) and not vouched
