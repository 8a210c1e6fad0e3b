"""The end of a node: once, whoever asks for it, and however often.

What ending takes is the node's to say. The invariant is that nobody who waits
for the end waits for ever: it comes, or is taken up by the next who waits, or
is cut short for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Ending:
    """How far the end of one node has come."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._done: trio.Event | None = None
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        state = "over" if self.over else "under way" if self._done else "not begun"
        return f"<Ending {state}>"

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self._over.is_set()

    async def wait(self) -> None:
        """Return when it is over, whoever asked for it."""
        await self._over.wait()

    async def reach(self, end: Callable[[], Awaitable[object]]) -> None:
        """Return when the node has ended.

        Args:
            end: Ends it; called if nobody is at it.

        Cancellation:
            Stops what `end` does. The next who waits begins it anew.
        """
        while not self.over:
            if self._done is not None:
                await self._done.wait()
                continue
            self._done = done = trio.Event()
            try:
                with self._scope:
                    await end()
                self._over.set()
            finally:
                self._done = None
                self._scope = trio.CancelScope()
                done.set()

    def cut(self) -> None:
        """Have it over now, as if the process had died: what is left is not done."""
        self._over.set()
        self._scope.cancel()
