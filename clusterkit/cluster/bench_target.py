"""The far end of a bench: an actor that every node has; see `bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import trio

from clusterkit.actors.handlers import call, cast
from clusterkit.actors.server import GenServer
from clusterkit.errors import Rejected

if TYPE_CHECKING:
    from clusterkit.config import Policy

MOST_SECONDS: Final = 60.0
"""Longest bench: it is a load on a cluster that works."""

GRACE: Final = 2.0
"""Seconds for which a bench still holds both ends after one of its parts: its tool
asks for the next one."""


class BenchBusy(Rejected):
    """Another bench runs at one of the two ends; wait for its end."""

    code = "bench_busy"


class BenchTarget(GenServer):
    """The far end of a bench: answers, and counts."""

    mailbox_policy: ClassVar[Policy | None] = "wait"  # whatever the node's is

    def __init__(self) -> None:
        self._by = ""
        self._until = 0.0
        self._taken = 0

    @call
    async def begin(self, seconds: Any) -> None:
        """Be measured by the caller's node for some seconds, and by no other."""
        if not isinstance(seconds, (int, float)) or not 0 < seconds <= MOST_SECONDS:
            raise Rejected(f"a bench takes up to {MOST_SECONDS:g} s")
        self.hold(self.caller.node, seconds + GRACE)
        self._taken = 0

    @cast
    async def end(self) -> None:
        """Be free for others."""
        self.let_go(self.caller.node)

    def hold(self, by: str, seconds: float) -> None:
        """Keep others off for some seconds.

        Args:
            by: The node that measures, which may be this one.
            seconds: How long.

        Raises:
            BenchBusy: It is kept for another.
        """
        now, me = trio.current_time(), self.node.name
        if self._by not in ("", by) and now < self._until:
            whom = "another node" if self._by == me else me
            raise BenchBusy(f"{self._by} measures {whom} already")
        self._by, self._until = by, now + seconds

    def let_go(self, by: str) -> None:
        """Be free, if it was kept for that node."""
        if self._by == by:
            self._by = ""

    @call
    async def echo(self, value: Any) -> Any:
        """Return what came."""
        return value

    @call
    async def size(self, value: Any) -> int:
        """Return the size of what came."""
        return len(value) if isinstance(value, bytes) else 0

    @cast
    async def take(self, value: Any) -> None:
        """Count what came."""
        self._taken += 1

    @call
    async def taken(self) -> int:
        """Return how many were counted since `begin`."""
        return self._taken
