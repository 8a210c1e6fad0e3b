"""Any value an actor may answer, as JSON.

For people and their tools: one way only, and not for the wire, which keeps the
types. A value that cannot be shown is an error, never a guess.
"""

from __future__ import annotations

import datetime as dt
import json
from base64 import b64encode
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any, Final
from uuid import UUID

from clusterkit.actors.ref import ActorRef
from clusterkit.errors import EncodeError

MAX_DEPTH: Final = 64
"""As deep as a message may nest; a local value can even contain itself."""

_TEXT = (Decimal, UUID, ActorRef)
_DATES = (dt.datetime, dt.date, dt.time)


def json_value(value: Any, room: int = MAX_DEPTH) -> Any:
    """Return `value` as what `json.dumps` takes.

    Bytes become `{"base64": …}`; tuples lists; sets sorted lists; dates ISO
    8601; a timedelta its seconds; UUIDs, decimals and actor references text;
    dataclasses objects; numbers that JSON does not have, like NaN, text.

    Args:
        value: What a handler returned.
        room: How many levels it may nest.

    Raises:
        EncodeError: It is of another type, or nests too deep.
    """
    if value is None or isinstance(value, (bool, str, int, float)):
        return _scalar(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, _TEXT):
        return str(value)
    if isinstance(value, _DATES):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return json_value(value.value, room)
    if room <= 0:
        raise EncodeError(f"the answer nests deeper than {MAX_DEPTH}")
    return _container(value, room - 1)


def _scalar(value: bool | str | int | float | None) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    return value


def _container(value: Any, room: int) -> Any:
    if isinstance(value, dict):
        return {_key(key): json_value(item, room) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item, room) for item in value]
    if isinstance(value, (set, frozenset)):
        return _in_order([json_value(item, room) for item in value])
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: json_value(getattr(value, f.name), room) for f in fields(value)}
    raise EncodeError(
        f"the answer holds a {type(value).__qualname__}, which JSON cannot show"
    )


def _in_order(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:  # of several types: any order will do, if always the same
        return sorted(items, key=json.dumps)


def _key(key: object) -> str:
    """Return the key of a map as text, as JSON has no other."""
    shown = json_value(key)
    return shown if isinstance(shown, str) else json.dumps(shown)
