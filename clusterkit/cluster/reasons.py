"""Why a member is what it is: what was seen of it here, kept for who asks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.core.liveness import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clusterkit.core.liveness import Turn

MOST: Final = 16
"""Rows kept of each member, and the oldest make room."""


class Reasons:
    """What was seen of each member, as rows of plain values."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[tuple[float, dict[str, Any]]]] = {}

    def __repr__(self) -> str:
        return f"<Reasons of {len(self._rows)}>"

    def silent(
        self,
        name: str,
        now: float,
        silence: float,
        phi: float | None,
        through: Sequence[str],
    ) -> None:
        """Note that a member was silent, and not reached through others either."""
        row = {"what": "silent", "silence": round(silence, 3), "through": list(through)}
        self._add(name, now, row | {"phi": None if phi is None else round(phi, 2)})

    def turn(self, turn: Turn, by: str) -> None:
        """Note that a member has become something else, as somebody told."""
        after = turn.after
        row: dict[str, Any] = {
            "what": STATES[after.state],
            "told_by": by,
            "suspected_by": [*after.by],
        }
        row |= {"incarnation": after.incarnation, "rumour": after.rumour}
        self._add(turn.name, trio.current_time(), row)

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a member, oldest first, each with its `age` in seconds."""
        now = trio.current_time()
        rows = self._rows.get(name, ())
        return [{"age": round(now - when, 3), **row} for when, row in rows]

    def forget(self, name: str) -> None:
        """Keep nothing of a member any more."""
        self._rows.pop(name, None)

    def _add(self, name: str, now: float, row: dict[str, Any]) -> None:
        self._rows.setdefault(name, deque(maxlen=MOST)).append((now, row))
