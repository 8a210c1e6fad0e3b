"""What others wait for in the life of an actor."""

from __future__ import annotations

import trio


class Beginning:
    """The first `init` of an actor, which somebody waits for.

    Attributes:
        scope: Around it; cancelled when nobody waits any more.
        done: Set when it has returned, or failed.
        failure: What it raised.
    """

    __slots__ = ("done", "failure", "scope")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.done = trio.Event()
        self.failure: BaseException | None = None

    async def over(self) -> None:
        """Wait for the end of `init`; end the actor if the wait is cancelled."""
        try:
            await self.done.wait()
        except trio.Cancelled:
            self.scope.cancel()
            raise
        if self.failure is not None:
            raise self.failure
