"""Why a member is what it is: what was seen of it here, kept for who asks."""

from __future__ import annotations

from collections import deque
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.core.liveness import MOST_ACCUSERS, STATES
from clusterkit.core.registers import check_whole
from clusterkit.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

    def keep_to(self, members: Iterable[str]) -> None:
        """Keep nothing of others any more."""
        wanted = frozenset(members)
        for name in [name for name in self._rows if name not in wanted]:
            del self._rows[name]

    def _add(self, name: str, now: float, row: dict[str, Any]) -> None:
        self._rows.setdefault(name, deque(maxlen=MOST)).append((now, row))


def read_rows(value: object) -> list[dict[str, Any]]:
    """Return rows that a peer sent, as `Reasons.of` returns them.

    Raises:
        ValueError: They have another shape.
    """
    if type(value) is not list or len(value) > MOST:
        raise ValueError(f"that are no {MOST} rows")
    return [_read_row(row) for row in value]


_KEYS: Final = (
    "age",
    "what",
    "silence",
    "phi",
    "through",
    "told_by",
    "suspected_by",
    "incarnation",
    "rumour",
)
"""Of rows of both kinds."""


def _read_row(row: Any) -> dict[str, Any]:
    what = row.get("what") if type(row) is dict else None
    names = row.get("through" if what == "silent" else "suspected_by") if what else None
    if type(names) is not list or len(names) > MOST_ACCUSERS:
        raise ValueError("rows name members")
    for name in names:
        check_name(name)
    if what == "silent":
        phi = row.get("phi")
        numbers = [row.get("age"), row.get("silence"), 0.0 if phi is None else phi]
    elif what in STATES:
        check_name(row.get("told_by"))
        check_whole(row.get("incarnation"), "in rows an incarnation")
        check_whole(row.get("rumour"), "in rows a rumour")
        numbers = [row.get("age")]
    else:
        raise ValueError("rows say what was seen")
    if not all(type(n) in (float, int) and isfinite(n) for n in numbers):
        raise ValueError("rows have numbers")
    return {key: row[key] for key in _KEYS if key in row}
