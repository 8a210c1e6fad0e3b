"""A sleep whose end moves while a task sleeps.

One lives here that trio's clocks know, as a scope that is cancelled. A clock that has
its own, as that of a simulation, gives it by a method `alarm`, and `alarm()` asks.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol, cast

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Alarm(Protocol):
    """Wakes one task, once for each time that it is set."""

    async def wait(self, due: Callable[[], float]) -> None:
        """Sleep until `due()`, in trio's time, or whatever `hasten` says.

        By then it may have become later: whether the task wakes all the same is left to
        the clock.
        """
        ...

    def hasten(self, deadline: float) -> None:
        """Have who sleeps wake at `deadline` at the latest; without one, do nothing."""
        ...


class ScopeAlarm:
    """An `Alarm` for every clock."""

    __slots__ = ("_deadline", "_scope")

    def __init__(self) -> None:
        self._scope = trio.CancelScope()
        self._deadline = -inf

    async def wait(self, due: Callable[[], float]) -> None:
        """See `Alarm`."""
        self._deadline = due()
        with trio.CancelScope(deadline=self._deadline) as self._scope:
            await trio.sleep_forever()

    def hasten(self, deadline: float) -> None:
        """See `Alarm`."""
        if deadline < self._deadline:
            self._deadline = self._scope.deadline = deadline


def alarm() -> Alarm:
    """Return an alarm for the clock of this run of trio."""
    make = getattr(trio.lowlevel.current_clock(), "alarm", ScopeAlarm)
    return cast("Alarm", make())
