"""Which name is which actor, on this node."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from clusterkit.errors import NameTaken
from clusterkit.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clusterkit.actors.process import Process


class Registry:
    """Names of the local actors; each is held by one process at most."""

    __slots__ = ("_count", "_table", "get")

    def __init__(self) -> None:
        self._table: dict[str, Process] = {}
        self._count = count(1)
        self.get = self._table.get
        """The table's own `get`: looked up for every incoming message."""

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Process]:
        return iter([p for name, p in self._table.items() if name == p.name])

    def claim(
        self, name: str | None, process: Process, *, reserved: bool = False
    ) -> str:
        """Register `process`; None stands for a name made up here.

        Returns:
            The name.

        Raises:
            NameTaken: Another actor on this node has it.
            ConfigError: It is not a valid name; those that begin with `_`
                are the node's own (`reserved`).
        """
        if name is None:
            made_up = (f"actor-{number}" for number in self._count)
            name = next(name for name in made_up if name not in self._table)
        elif not reserved:
            check_name(name, "actor name")
        if name in self._table:
            raise NameTaken(f"an actor named {name!r} runs on this node already")
        self._table[name] = process
        return name

    def alias(self, name: str, process: Process) -> None:
        """Register `process` under one more name.

        Raises:
            NameTaken: An actor on this node has it.
        """
        if name in self._table:
            raise NameTaken(f"an actor named {name!r} runs on this node already")
        self._table[name] = process

    def unalias(self, name: str) -> None:
        """Free a name that `alias` gave; unknown ones are ignored."""
        self._table.pop(name, None)

    def release(self, process: Process) -> None:
        """Free the name of `process`, if it still holds it."""
        if self._table.get(process.name) is process:
            del self._table[process.name]
