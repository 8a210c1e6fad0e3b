"""Values and events as JSON, for people and their tools.

One way only, and not for the wire, which keeps the types. A value that cannot
be shown is an error, never a guess.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from base64 import b64encode
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from clusterkit.actors.ref import ActorRef
from clusterkit.core import HashRing
from clusterkit.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.events import Event

MAX_DEPTH: Final = 64
"""As deep as a message may nest; a local value can even contain itself."""

# In order: the first row that fits counts. An Enum may be text or a number too.
_SCALARS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Enum, lambda value: json_value(value.value)),
    ((type(None), bool, int, str), lambda value: value),
    (float, lambda value: value if isfinite(value) else str(value)),
    ((bytes, bytearray), lambda value: {"base64": b64encode(value).decode()}),
    ((Decimal, UUID, ActorRef), str),
    ((dt.datetime, dt.date, dt.time), lambda value: value.isoformat()),
    (dt.timedelta, dt.timedelta.total_seconds),
)


def json_value(value: Any, room: int = MAX_DEPTH) -> Any:
    """Return `value` as what `json.dumps` takes.

    Bytes become `{"base64": …}`; tuples lists; sets sorted lists; dates ISO
    8601; a timedelta its seconds; UUIDs, decimals and actor references text;
    dataclasses objects; numbers that JSON does not have, like NaN, text.

        >>> json_value({"at": (b"hi", {3, 1})})
        {'at': [{'base64': 'aGk='}, [1, 3]]}

    Args:
        value: What a handler returned.
        room: How many levels it may nest.

    Raises:
        EncodeError: It is of another type, or nests too deep.
    """
    for kind, shown in _SCALARS:
        if isinstance(value, kind):
            return shown(value)
    if room <= 0:
        raise EncodeError(f"the answer nests deeper than {MAX_DEPTH}")
    return _container(value, room - 1)


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


def event_json(event: Event, time: dt.datetime) -> dict[str, Any]:
    """Return an event as `{"event": its name, "time": …, its fields}`.

    A ring is a list of `{id, host, port, weight}`: all that can change in it.

    Args:
        event: The event; its class gives the name, in snake case.
        time: When it happened.
    """
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    told = {"event": name, "time": time.isoformat(timespec="milliseconds")}
    for field in fields(event):
        told[field.name] = _field_json(getattr(event, field.name))
    return told


def _field_json(value: object) -> Any:
    if isinstance(value, HashRing):
        weights = value.weights()
        return [{**n.to_json(), "weight": weights[n.id]} for n in value.nodes()]
    try:
        return json_value(value)
    except EncodeError:
        return repr(value)
