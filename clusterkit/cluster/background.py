"""The tasks by which a node keeps in touch with others: they end before its links do.

Comparing, telling and watching go on for as long as a node lives. At its end they
would ask members that have ended just before it, and the node would wait for answers
that nobody misses.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Background:
    """Runs tasks until it is stopped, or cut."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        count = 0 if self._nursery is None else len(self._nursery.child_tasks)
        return f"<Background {count} tasks>"

    def spawn(self, task: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Start a task; none after the end.

        Args:
            task: An async function.
            args: For it.
        """
        if self._nursery is not None:
            self._nursery.start_soon(_unless_cut, task, *args)

    def stop(self) -> None:
        """Cancel all of them, and start no more."""
        self._nursery = None
        self._scope.cancel()

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run tasks until they are stopped."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    if not self._scope.cancel_called:
                        self._nursery = nursery
                    task_status.started()
                    await trio.sleep_forever()
            finally:
                self._nursery = None


async def _unless_cut(task: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Run a task, unless it is cancelled before it begins: by one that ends, say."""
    if trio.current_effective_deadline() != -inf:
        await task(*args)
