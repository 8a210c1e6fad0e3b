"""Telling neighbours what is new, as fast as each of them takes it.

To each there is at most one message under way. What comes up meanwhile goes with the
next one, and the next waits the longer, the longer there has been no end of news: so
a slow neighbour, or a busy link, is told less often and not less. What cannot be told
is dropped: a comparison finds it (`comparing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import trio

from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from random import Random

    from clusterkit.cluster.background import Background

V = TypeVar("V")

FIRST_PAUSE: Final = 0.02
"""Seconds between a change and its being told, in which others may join it."""

LAST_PAUSE: Final = 0.25
"""The same while there is no end of changes; it doubles from one to the next."""


class Telling(Generic[V]):
    """What neighbours are still to be told.

    Args:
        background: Runs a task for each neighbour that there is something for.
        rng: Keeps the messages of many nodes apart.
        tell: Tells a neighbour of some names; returns of which it has to be told
            again. May raise a `ClusterError`, or a `ValueError` if the neighbour
            answered nonsense.

    Attributes:
        failed: How often that came to nothing.
    """

    def __init__(
        self,
        background: Background,
        rng: Random,
        tell: Callable[[str, dict[str, V]], Awaitable[Mapping[str, V]]],
    ) -> None:
        self.failed = 0
        self._background = background
        self._rng = rng
        self._tell = tell
        self._untold: dict[str, dict[str, V]] = {}
        self._under_way: set[str] = set()
        self._waiting: dict[str, list[Wait[V]]] = {}

    def __repr__(self) -> str:
        return f"<Telling {len(self._under_way)} neighbours>"

    def add(self, peer: str, names: Mapping[str, V]) -> None:
        """Have a neighbour told of names; what is to be told of one already stays."""
        untold = self._untold.setdefault(peer, {})
        for name, value in names.items():
            untold.setdefault(name, value)
        if peer not in self._under_way:
            self._under_way.add(peer)
            self._background.spawn(self._run, peer)

    async def told(self, name: str, is_enough: Callable[[V], bool]) -> None:
        """Return when all have heard of a name, or cannot be told; they are hurried.

        Args:
            name: Of which.
            is_enough: Whether one that has to be told of it again has heard enough.

        Cancellation:
            Ends the wait only.
        """
        waits = {peer: Wait(name, is_enough) for peer in self._under_way}
        for peer, wait in waits.items():
            self._waiting.setdefault(peer, []).append(wait)
        for wait in waits.values():
            await wait.over.wait()

    async def _run(self, peer: str) -> None:
        pause = FIRST_PAUSE
        waiting: list[Wait[V]] = []
        try:
            while True:
                await trio.sleep(pause * self._rng.uniform(0.5, 1.0))
                untold = self._untold.pop(peer, None)
                if not untold:
                    return
                waiting = self._waiting.pop(peer, [])
                again = await self._tell(peer, untold)
                waiting = [wait for wait in waiting if not wait.hears(again)]
                self._waiting.setdefault(peer, []).extend(waiting)
                self._untold.setdefault(peer, {}).update(again)
                pause = FIRST_PAUSE if waiting else min(2 * pause, LAST_PAUSE)
        except (ClusterError, ValueError):
            self.failed += 1
        finally:
            self._untold.pop(peer, None)
            self._under_way.discard(peer)
            for wait in (*waiting, *self._waiting.pop(peer, [])):
                wait.over.set()


class Wait(Generic[V]):
    """Somebody waits until a neighbour has heard of a name.

    Args:
        name: The name.
        is_enough: As for `Telling.told`.

    Attributes:
        over: Set when it has, or cannot be told.
    """

    def __init__(self, name: str, is_enough: Callable[[V], bool]) -> None:
        self.over = trio.Event()
        self._name = name
        self._is_enough = is_enough

    def __repr__(self) -> str:
        return f"<Wait for {self._name} over={self.over.is_set()}>"

    def hears(self, again: Mapping[str, V]) -> bool:
        """Say whether it is over, now that the neighbour was told all but these."""
        if self._name not in again or self._is_enough(again[self._name]):
            self.over.set()
        return self.over.is_set()
