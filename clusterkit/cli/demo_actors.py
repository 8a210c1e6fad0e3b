"""The actors of `cluster-cli demo`: small, and the whole of what it shows.

`cluster-cli run foo --actor counter=clusterkit.cli.demo_actors:Counter` starts
one by hand.
"""

from __future__ import annotations

from clusterkit.actors.handlers import call, cast
from clusterkit.actors.server import GenServer
from clusterkit.errors import BadArguments


class Counter(GenServer):
    """Counts."""

    def __init__(self) -> None:
        self.value = 0

    @call
    async def add(self, n: int) -> int:
        """Add `n`; return the sum."""
        if not isinstance(n, int):
            raise BadArguments(f"{n!r} is not an integer")
        self.value += n
        return self.value

    @cast
    async def reset(self) -> None:
        """Begin at 0 again."""
        self.value = 0


class Journal(GenServer):
    """Keeps what it is told, in the order in which it came."""

    def __init__(self) -> None:
        self.lines: list[int] = []

    @cast
    async def note(self, line: int) -> None:
        """Keep a line."""
        self.lines.append(line)

    @call
    async def read(self) -> list[int]:
        """Return all lines."""
        return self.lines


class Guide(GenServer):
    """Shows how an actor on one node speaks to those on another."""

    @call
    async def count(self, node: str, n: int) -> int:
        """Have the counter of another node add `n`, by a typed call."""
        counter = self.node.ref(Counter, "counter", at=node)
        await counter.cast(Counter.reset)
        total: int = await counter.call(Counter.add, n)
        return total

    @call
    async def note(self, node: str, first: int, last: int) -> None:
        """Cast the numbers `first` to `last` to the journal of another node."""
        journal = self.node.ref(Journal, "journal", at=node)
        for line in range(first, last + 1):
            await journal.cast(Journal.note, line)
