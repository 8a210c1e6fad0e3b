"""What others wait for in the life of an actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from clusterkit.errors import NodeDown

if TYPE_CHECKING:
    from clusterkit.actors.process import Process


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


class Ending:
    """The end of an actor that is not to live again, which somebody waits for.

    Attributes:
        done: Set when it has ended.
        cut: Whether the node ended first.
    """

    __slots__ = ("cut", "done")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.cut = False

    async def over(self) -> None:
        """Wait for the end.

        Raises:
            NodeDown: The node has ended, and did not wait for the actor.
        """
        await self.done.wait()
        if self.cut:
            raise NodeDown("this node has ended", "unknown")


async def end_each(
    actors: list[Process], told: dict[Process, Ending], until: float
) -> None:
    """Have actors end one after the other, none waiting for long for one that hangs.

    The next is told when the one before has ended, or has taken half of the
    time that was left. So each can use, to its end, those after it in the list.

    Args:
        actors: In the order in which they are told.
        told: Gets those that have been told.
        until: When all have been told, and this returns.
    """
    for process in actors:
        ending = told[process] = process.begin_to_end()
        with trio.move_on_at((trio.current_time() + until) / 2):
            await ending.done.wait()
    with trio.move_on_at(until):
        for process in actors:
            await told[process].done.wait()
