"""Virtual time and seeded scheduling for trio.

Here lives all that leans on trio's insides; nothing else in the project may.
What runs in a simulation is `runner.py`. Invariants: time moves only when no
task can run, and then at once to what comes next; and trio is left as it was.
A test that compares the traces of two processes guards this file against
changes in trio.
"""

from __future__ import annotations

from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Final

from trio._core import _run
from trio.abc import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from clusterkit.testing.pipe import Courier

_FOREVER: Final = 1e9  # seconds; trio has its own bound below it


class VirtualClock(Clock):
    """A clock that jumps to the next deadline or the next delivery.

    trio's MockClock does so too, but spends two passes of the loop on a jump
    and needs a task to deliver segments. This one carries the courier along:
    a segment with a delay costs a third.

    Args:
        courier: The network's; from now on this clock drives it.
    """

    def __init__(self, courier: Courier) -> None:
        courier.driven = True
        self._courier = courier
        self._now = 0.0

    def start_clock(self) -> None:
        """Do nothing: this clock starts at 0 when it is made."""

    def current_time(self) -> float:
        """Return virtual seconds since the start."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to `deadline`, or deliver what is due before it."""
        # trio asks this when no task can run, before it looks whether one
        # waits for just that (`wait_all_tasks_blocked`). Then time stands.
        if _run.GLOBAL_RUN_CONTEXT.runner.waiting_for_idle:
            return _FOREVER
        due = self._courier.next_due
        if due <= deadline and due < inf:
            self._now = max(self._now, due)
            self._courier.deliver(self._now)
            return 0
        if deadline == inf:
            return _FOREVER
        self._now = max(self._now, deadline)
        return 0


@contextmanager
def scheduled_by(rng: Random) -> Iterator[None]:
    """Make trio choose by `rng` which task runs next.

    trio shuffles each batch of runnable tasks with a private generator. It
    has a switch, for Hypothesis, that first sorts the batch by the tasks'
    creation, because the batch's own order may come from object addresses
    (of cancel scopes with equal deadlines, of tasks in a set).
    """
    before = _swap(rng, deterministic=True)
    try:
        yield
    finally:
        _swap(before[0], deterministic=before[1])


def _swap(rng: Random, *, deterministic: bool) -> tuple[Random, bool]:
    before = _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001
    _run._r = rng  # noqa: SLF001
    _run._ALLOW_DETERMINISTIC_SCHEDULING = deterministic  # type: ignore[misc]  # noqa: SLF001
    return before
