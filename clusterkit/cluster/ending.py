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
    """How far the end of one node has come.

    Attributes:
        over: Whether there is nothing left to do.
    """

    def __init__(self) -> None:
        self.over = False
        self._done: trio.Event | None = None
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        state = "over" if self.over else "under way" if self._done else "not begun"
        return f"<Ending {state}>"

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
                self.over = True
            finally:
                self._done = None
                self._scope = trio.CancelScope()
                done.set()

    def cut(self) -> None:
        """Have it over now, as if the process had died: what is left is not done."""
        self.over = True
        self._scope.cancel()
