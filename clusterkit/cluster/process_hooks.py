"""Hooks that run when the ring has changed, one change after the other.

This is where an application moves its data to the new owners of its keys.
While a hook runs the ring is busy: further mutations wait, unless forced.
"""

from __future__ import annotations

import inspect
import logging
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING

import trio

from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.core import HashRing

    Hook = Callable[[HashRing, HashRing], Awaitable[object] | object]

logger = logging.getLogger("clusterkit.cluster")

_run_of: ContextVar[object] = ContextVar("clusterkit_hook_run", default=None)
"""The run of a hook that the task belongs to; tasks inherit it from the task
that started them, so a hook may do its work in a nursery."""


class ProcessHooks:
    """The hooks of one ring, and the changes they have not seen."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []
        self._changes: deque[tuple[HashRing, HashRing]] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._running = False
        self._run_now: object = None

    def __repr__(self) -> str:
        return f"<ProcessHooks {len(self._hooks)} busy={self.busy}>"

    @property
    def busy(self) -> bool:
        """Whether a change is not processed yet."""
        return self._running or bool(self._changes)

    def add(self, hook: Hook) -> None:
        """Run `hook(old, new)` after each change from now on."""
        self._hooks.append(hook)

    def put(self, old: HashRing, new: HashRing) -> None:
        """Queue a change; dropped if there are no hooks."""
        if self._hooks:
            self._changes.append((old, new))
            self._lot.unpark_all()

    @property
    def inside(self) -> bool:
        """Whether the running task is a hook's that runs now, or was started by it."""
        return self._run_now is not None and _run_of.get() is self._run_now

    async def idle(self) -> None:
        """Wait until every change is processed; not from within a hook."""
        while self.busy:
            await self._lot.park()

    async def run(self) -> None:
        """Run hooks until cancelled; one that raises is logged, not fatal."""
        while True:
            while not self._changes:
                self._running = False
                self._lot.unpark_all()
                await self._lot.park()
            self._running = True
            old, new = self._changes.popleft()
            for hook in list(self._hooks):
                await self._run(hook, old, new)

    async def _run(self, hook: Hook, old: HashRing, new: HashRing) -> None:
        self._run_now = object()
        _run_of.set(self._run_now)
        try:
            result = hook(old, new)
            if inspect.isawaitable(result):
                await result
        except Exception:  # the application's code must not stop the ring
            log(logger, logging.ERROR, "process_hook_failed", hook=hook)
            logger.exception("the hook raised")
        finally:
            self._run_now = None
