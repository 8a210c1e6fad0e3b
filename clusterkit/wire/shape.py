"""The shape of values: what maps may have as keys, how deep containers may nest.

Both are checked at both ends: msgpack would take any depth, and a peer that sent
too much of it could end a node by recursion.
"""

from __future__ import annotations

from typing import Any, Final

from clusterkit.frozen import frozen
from clusterkit.wire import extensions as ext
from clusterkit.wire.messages import LEAVES

MAX_DEPTH: Final = 64
"""How deep containers may nest in a value, at both ends."""

DEEPER: Final = f"nested deeper than {MAX_DEPTH}"
KEYS: Final = frozenset({str, bytes, int})
CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset})


@frozen
class Undecodable:
    """Stands where a value of an incoming message could not be built."""

    reason: str


class TooDeep(ValueError):
    """A value nests deeper than `MAX_DEPTH`."""


def check_shape(value: Any, room: int) -> None:
    """Check the keys and the depth of what is inside a container.

    It is on the path of every message, hence one pass, and no call per leaf.

    Raises:
        TooDeep: The items of `value` nest `room` deep or deeper.
        ValueError: A map has a key that is not str, bytes or int.
    """
    if type(value) is dict:
        for key, item in value.items():
            if type(key) not in KEYS:
                raise ValueError("a map has a key that is not str, bytes or int")
            if type(item) not in LEAVES:
                check_value(item, room)
    elif len(value) < 8 or not LEAVES.issuperset(map(type, value)):
        for item in value:
            if type(item) not in LEAVES:
                check_value(item, room)


def check_value(value: Any, room: int) -> None:
    """Check a value that is no leaf, and what is inside it; see `check_shape`."""
    if type(value) not in CONTAINERS:
        parts = ext.dataclass_parts(value)
        if parts is None:
            return  # packing it says whether it may travel
        value = parts[1]
    if room <= 1:
        raise TooDeep(DEEPER)
    check_shape(value, room - 1)


def is_too_deep(value: Any) -> bool:
    """Say whether an outgoing value nests more than `MAX_DEPTH` deep."""
    try:
        check_shape([value], MAX_DEPTH + 1)
    except ValueError as error:
        return isinstance(error, TooDeep)
    return False


def too_deep(value: Any, room: int = MAX_DEPTH) -> bool:
    """Say whether items of an incoming container nest more than `room` deep."""
    for item in value.values() if type(value) is dict else value:
        nests = type(item) not in LEAVES and type(item) in CONTAINERS
        if nests and (room < 1 or too_deep(item, room - 1)):
            return True
    return False


def holds_undecodable(value: Any) -> Undecodable | None:
    """Return the first `Undecodable` inside `value`, None if there is none.

    Only lists and maps can hold one: what is built from an extension type
    with one inside is undecodable as a whole. Check the depth first.
    """
    if type(value) is Undecodable:
        return value
    if type(value) is dict:
        value = [*value.keys(), *value.values()]
    if type(value) is list:
        return next(filter(None, map(holds_undecodable, value)), None)
    return None
