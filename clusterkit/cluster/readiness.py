"""Whether a node is to be given work; and how the others learn that it is not.

What its end takes is `node`'s to say. The invariant is that a node which ends says so
before its links do: who is near hears it first, and the rest by gossip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.cluster.state_book import StateBook

Phase: TypeAlias = Literal["starting", "running", "ending", "ended"]
"""How far the life of a node has come."""

STATUS: Final = "_status"
"""The key of `node.state` that says it; it is there from the beginning of the end on."""

ENDING: Final = "ending"
"""What it has then."""

OFFLINE: Final = "offline"
"""What it has while an operator wants the node to get no work."""

SAID_BY: Final = 0.1
"""Part of a shutdown's time for which it waits until who is near has heard of it."""


class Readiness:
    """Whether one node is ready.

    Args:
        book: What it says of itself.
        told: Returns when those who are near have heard that.
    """

    def __init__(self, book: StateBook, told: Callable[[], Awaitable[object]]) -> None:
        self._begun = False
        self._ending = False
        self._online = True
        self._book = book
        self._told = told

    def __repr__(self) -> str:
        return f"<Readiness {'ready' if self.is_ready else 'not ready'}>"

    @property
    def is_ready(self) -> bool:
        """Whether it has started, is not ending, and is not kept offline."""
        return self.phase == "running" and self._online

    @property
    def phase(self) -> Phase:
        """How far its life has come, as far as is known here: to its ending."""
        if self._ending:
            return "ending"
        return "running" if self._begun else "starting"

    def begin(self) -> None:
        """Be ready: the node accepts connections, its ring and its actors are there."""
        self._begun = True

    def set_online(self, *, online: bool) -> None:
        """Be given work, or none until this is called again."""
        self._online = online
        if self._ending:
            return
        if online:
            self._book.delete(STATUS)
        else:
            self._book.set(STATUS, OFFLINE, None, spare=True)

    async def end(self, deadline: float) -> None:
        """Be ready no more, and return when those who are near have heard it.

        Args:
            deadline: When to go on whoever has not, in trio's time.

        Cancellation:
            Ends the wait only.
        """
        self._ending = True
        self._book.set(STATUS, ENDING, None, spare=True)
        with trio.move_on_at(deadline):
            await self._told()
