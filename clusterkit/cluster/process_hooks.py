"""Hooks that run when the ring has changed, one change after the other.

This is where an application moves its data to the new owners of its keys.
While a hook runs the ring is busy: further mutations wait, unless forced.
"""

from __future__ import annotations

import inspect
import logging
from collections import deque
from typing import TYPE_CHECKING

import trio

from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.core import HashRing

    Hook = Callable[[HashRing, HashRing], Awaitable[object] | object]

logger = logging.getLogger("clusterkit.cluster")


class ProcessHooks:
    """The hooks of one ring, and the changes they have not seen."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []
        self._changes: deque[tuple[HashRing, HashRing]] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._running = False
        self._task: trio.lowlevel.Task | None = None

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
        """Whether the running task is that of a hook."""
        return self._task is trio.lowlevel.current_task()

    async def idle(self) -> None:
        """Wait until every change is processed; not from within a hook."""
        while self.busy:
            await self._lot.park()

    async def run(self) -> None:
        """Run hooks until cancelled; one that raises is logged, not fatal."""
        self._task = trio.lowlevel.current_task()
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
        try:
            result = hook(old, new)
            if inspect.isawaitable(result):
                await result
        except Exception:
            # The application's code: its failure must not stop the ring.
            log(logger, logging.ERROR, "process_hook_failed", hook=hook)
            logger.exception("the hook raised")
