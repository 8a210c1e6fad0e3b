"""Virtual time and seeded scheduling for trio.

Here lives all that leans on trio's insides; nothing else in the project may.
What runs in a simulation is `runner.py`. Invariants: time moves only when no
task can run, and then at once to what comes next; and trio is left as it was.
A test that compares the traces of two processes guards this file against
changes in trio.
"""

from __future__ import annotations

from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final

import trio
from trio._core import _run
from trio.abc import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from random import Random

    from clusterkit.testing.pipe import Courier

_FOREVER: Final = 1e9  # seconds; trio has its own bound below it
_MOST_AWOKEN: Final = 1000  # sleepers that were cancelled and are still in the heap


class _Sleeper:
    """A task that sleeps; none once it was woken, or cancelled."""

    __slots__ = ("_clock", "due", "task")

    def __init__(
        self, clock: VirtualClock, due: Callable[[], float] | None = None
    ) -> None:
        self._clock = clock
        self.due = due
        self.task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def abort(self, _: object) -> trio.lowlevel.Abort:
        self.task = None
        self._clock.forget()
        return trio.lowlevel.Abort.SUCCEEDED


class _Alarm:
    """An `Alarm` (`clusterkit.net.alarm`) of the virtual clock."""

    __slots__ = ("_clock", "_deadline", "_sleeper")

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._deadline = -inf
        self._sleeper: _Sleeper | None = None

    async def wait(self, due: Callable[[], float]) -> None:
        self._deadline = due()
        self._sleeper = _Sleeper(self._clock, due)
        try:
            await self._clock.doze(self._sleeper, self._deadline)
        finally:
            self._deadline = -inf

    def hasten(self, deadline: float) -> None:
        if deadline < self._deadline and self._sleeper is not None:
            self._deadline = deadline
            self._clock.wake_at(deadline, self._sleeper)


class VirtualClock(Clock):
    """A clock that jumps to the next deadline or the next delivery.

    trio's MockClock does so too, but spends two passes of the loop on a jump
    and needs a task to deliver segments. This one carries the courier along:
    a segment with a delay costs a third. And tasks sleep by it (`slept_by`) instead
    of in a scope that is cancelled: to sleep costs a third, too.

    Args:
        courier: The network's; from now on this clock drives it.
    """

    def __init__(self, courier: Courier) -> None:
        courier.driven = True
        self._courier = courier
        self._now = 0.0
        self._asleep: list[tuple[float, int, _Sleeper]] = []
        self._order = count()
        self._awoken = 0

    def start_clock(self) -> None:
        """Do nothing: this clock starts at 0 when it is made."""

    def current_time(self) -> float:
        """Return virtual seconds since the start."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to `deadline`, or deliver what is due before it."""
        # trio asks this when no task can run, before it looks whether one
        # waits for just that (`wait_all_tasks_blocked`). Then time stands.
        runner = _run.GLOBAL_RUN_CONTEXT.runner
        if runner.waiting_for_idle:
            return _FOREVER
        while not runner.runq:  # what comes need not wake anybody
            due = self._courier.next_due
            wake = self._asleep[0][0] if self._asleep else inf
            first = min(due, wake, deadline)
            if first == inf:
                return _FOREVER
            self._now = max(self._now, first)
            if due == first:
                self._courier.deliver(self._now)
            elif wake == first:
                self._wake()
            else:
                break
        return 0

    async def sleep_until(self, deadline: float) -> None:
        """Sleep as `trio.sleep_until` does."""
        if self._now < deadline < inf:
            await self.doze(_Sleeper(self), deadline)
        else:
            await _sleep_until(deadline)

    async def sleep(self, seconds: float) -> None:
        """Sleep as `trio.sleep` does."""
        if 0 < seconds < inf:
            await self.doze(_Sleeper(self), self._now + seconds)
        else:
            await _sleep(seconds)

    def alarm(self) -> _Alarm:
        """Return what a task may sleep by that is to be woken earlier."""
        return _Alarm(self)

    def doze(self, sleeper: _Sleeper, deadline: float) -> Awaitable[object]:
        """Return what this task, which is the sleeper's, awaits until it is woken."""
        self.wake_at(deadline, sleeper)
        return trio.lowlevel.wait_task_rescheduled(sleeper.abort)  # noqa: ASYNC105

    def wake_at(self, deadline: float, sleeper: _Sleeper) -> None:
        """Wake a sleeper at `deadline`, unless it is awake by then."""
        heappush(self._asleep, (deadline, next(self._order), sleeper))

    def _wake(self) -> None:
        """Wake who has slept until now."""
        while self._asleep and self._asleep[0][0] <= self._now:
            sleeper = heappop(self._asleep)[2]
            task = sleeper.task
            if task is None:
                continue
            if sleeper.due is not None and (due := sleeper.due()) > self._now:
                self.wake_at(due, sleeper)
                continue
            sleeper.task = None
            trio.lowlevel.reschedule(task)

    def forget(self) -> None:
        """Take out from time to time who is awake already."""
        self._awoken += 1
        if 2 * self._awoken > len(self._asleep) + _MOST_AWOKEN:
            self._asleep = [item for item in self._asleep if item[2].task is not None]
            heapify(self._asleep)
            self._awoken = 0


_sleep, _sleep_until = trio.sleep, trio.sleep_until


@contextmanager
def slept_by(clock: VirtualClock) -> Iterator[None]:
    """Make tasks that call `trio.sleep` or `trio.sleep_until` sleep by `clock`."""
    before = trio.sleep, trio.sleep_until
    trio.sleep, trio.sleep_until = clock.sleep, clock.sleep_until
    try:
        yield
    finally:
        trio.sleep, trio.sleep_until = before


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
