"""What a node saves of its membership, and how that is read again.

Plain dicts, lists, text and integers, for a file of any format. Writing the
file never will be here. The invariant is that what is read is either whole and
recent or refused: a node must not come back with half of what it knew.
"""

from __future__ import annotations

from typing import Any

from clusterkit.core.registers import MOST_TIME, Stamp, check_list, check_whole
from clusterkit.core.ring_state import RingState
from clusterkit.core.standing import Parting, Standing
from clusterkit.errors import StateError

_REMEDY = "move the file away, start without it, and meet a member of the ring again"


def write_standing(standing: Standing, now: float) -> dict[str, Any]:
    """Return what to save.

    Args:
        standing: Whose.
        now: Wall seconds; everything is dated by its age.
    """
    return {
        "name": standing.name,
        "incarnation": standing.incarnation,
        "saved_at": int(now),
        "state": standing.state.to_plain(now),
        "left": [
            [ring_id, parting.stamp.to_plain(), max(0, int(now - parting.at))]
            for ring_id, parting in standing.left.items()
        ],
        "owed": [[t, state.to_plain(now)] for t, state in standing.owed.items()],
    }


def read_standing(saved: object, standing: Standing, *, ttl: float) -> None:
    """Fill `standing`, which is new, with what was saved.

    Args:
        saved: What `write_standing` returned.
        standing: Of a node of the same name; its `now` is the time of reading.
        ttl: Seconds for which removals are remembered.

    Raises:
        StateError: It is not valid, or of another node, or older than `ttl`.
    """
    if not isinstance(saved, dict):
        raise StateError(f"the saved ring state is no map of fields; {_REMEDY}")
    if saved.get("name") != standing.name:
        raise StateError(
            f"the saved ring state is that of {saved.get('name')!r:.200}, not of "
            f"{standing.name}: start it under that name or {_REMEDY}"
        )
    try:
        saved_at = check_whole(saved.get("saved_at"), "saved_at")
        _check_age(standing.now - saved_at, ttl)
        _fill(saved, standing, float(saved_at))
    except ValueError as error:
        raise StateError(
            f"the saved ring state is damaged ({error}); {_REMEDY}"
        ) from error


def _check_age(age: float, ttl: float) -> None:
    if age > ttl:
        raise StateError(
            f"the saved ring state is {age / 86_400:.1f} days old, and removed members "
            f"are remembered for {ttl / 86_400:.1f}: it might bring one back; {_REMEDY}"
        )


def _fill(saved: dict[str, Any], standing: Standing, saved_at: float) -> None:
    state = _read_state(saved.get("state"), saved_at)
    if not state.entries.lists(standing.name):
        raise ValueError("the node itself is not in its ring")
    incarnation = check_whole(saved.get("incarnation"), "an incarnation", MOST_TIME)
    standing.incarnation = max(incarnation + 1, int(standing.now * 1000))
    standing.become(state)
    for row in _rows(saved.get("left"), 3):
        ring_id, stamp, age = row
        at = saved_at - check_whole(age, "an age")
        parting = Parting(Stamp.from_plain(stamp), at)
        standing.left[check_whole(ring_id, "a ring id")] = parting
    for ticket, plain in _rows(saved.get("owed"), 2):
        owed = _read_state(plain, saved_at)
        if standing.name not in owed.entries:
            raise ValueError("the node itself is not in a ring that it left")
        standing.owed[check_whole(ticket, "a ticket")] = owed


def _read_state(value: object, saved_at: float) -> RingState:
    state, dropped = RingState.from_plain(value, saved_at)
    if dropped:
        raise ValueError(f"{dropped} entries are not valid")
    return state


def _rows(value: object, width: int) -> list[list[Any]]:
    match value:
        case list() | tuple():
            return [check_list(row, width, "a row") for row in value]
    raise ValueError(f"expected rows of {width}, not {value!r:.100}")
