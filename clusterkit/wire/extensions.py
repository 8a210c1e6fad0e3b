"""Values beyond msgpack's own that may travel: one row per extension type.

msgpack carries None, bool, int (64 bit), float, str, bytes, lists and maps.
This table adds tuples, sets, dates, and so on, and the dataclasses that an
application registers. Never pickle: a peer chooses among constructors listed
here, and nothing else.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload
from uuid import UUID

from clusterkit.errors import ConfigError
from clusterkit.names import NodeInfo

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C", bound=type[Any])

TUPLE: Final = 1
SET: Final = 2
FROZENSET: Final = 3
DATETIME: Final = 4
DATE: Final = 5
TIMEDELTA: Final = 6
UUID_: Final = 7
DECIMAL: Final = 8
NODE: Final = 9
REF: Final = 10
RECORD: Final = 11


def _node_parts(node: NodeInfo) -> list[Any]:
    # Constructing one checks nothing, but the receiver will.
    return [*NodeInfo.from_json(node.to_json()).to_json().values()]


_Row = tuple[int, "Callable[[Any], Any]"]

# Python type → (code, what is packed in its place). Sets are sorted by the
# codec, after packing, so that equal sets give equal bytes in every process.
PARTS: Final[dict[type, _Row]] = {
    tuple: (TUPLE, list),
    set: (SET, list),
    frozenset: (FROZENSET, list),
    dt.datetime: (DATETIME, dt.datetime.isoformat),
    dt.date: (DATE, dt.date.isoformat),
    dt.timedelta: (TIMEDELTA, lambda d: [d.days, d.seconds, d.microseconds]),
    UUID: (UUID_, lambda u: u.bytes),
    Decimal: (DECIMAL, str),
    NodeInfo: (NODE, _node_parts),
}

WHOLE: Final[dict[int, Callable[[Any], Any]]] = {
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    DATETIME: dt.datetime.fromisoformat,
    DATE: dt.date.fromisoformat,
    TIMEDELTA: lambda parts: dt.timedelta(*parts),
    UUID_: lambda data: UUID(bytes=data),
    DECIMAL: Decimal,
    NODE: lambda parts: NodeInfo.from_json(
        dict(zip(("id", "host", "port"), parts, strict=True))
    ),
}

_registered: dict[str, type] = {}
_names: dict[type, str] = {}


@overload
def register(cls: C, /) -> C: ...
@overload
def register(*, name: str) -> Callable[[C], C]: ...
def register(cls: Any = None, /, *, name: str | None = None) -> Any:
    """Let instances of a dataclass travel as arguments and results.

    Register the same class under the same name on both nodes; as a
    decorator, with or without a name. The fields travel by name, so one with
    a default may be added later: an older peer's value takes the default,
    and a field unknown to the receiver is dropped.

        @register
        @dataclass(frozen=True)
        class Order:
            item: str
            count: int = 1

    Args:
        cls: A dataclass.
        name: What it is called on the wire; the class's name by default.

    Returns:
        The class itself.

    Raises:
        ConfigError: It is no dataclass, or the name is another class's.
    """
    if cls is None:
        return lambda cls: _register(cls, name)
    return _register(cls, None)


def _register(cls: Any, name: str | None) -> Any:
    if not isinstance(cls, type) or not is_dataclass(cls):
        raise ConfigError(f"{cls!r} is not a dataclass")
    name = name or cls.__name__
    holder = _registered.get(name, cls)
    # A reloaded module registers its class anew: same place, new object.
    if (holder.__module__, holder.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ConfigError(f"{name!r} is registered for {holder.__qualname__}")
    _registered[name] = cls
    _names[cls] = name
    return cls


def dataclass_parts(value: object) -> list[Any] | None:
    """Return `[name, {field: value}]` of a registered dataclass, else None."""
    name = _names.get(type(value))
    if name is None:
        return None
    return [
        name,
        {f.name: getattr(value, f.name) for f in fields(value) if f.init},  # type: ignore[arg-type]
    ]


def dataclass_whole(parts: Any) -> object:
    """Build the instance that `dataclass_parts` took apart.

    Raises:
        ValueError: The name is not registered here.
        TypeError: A field without a default is missing.
    """
    name, values = parts
    cls = _registered.get(name)
    if cls is None:
        raise ValueError(f"dataclass {name!r} is not registered on this node")
    known = {f.name for f in fields(cls) if f.init}
    return cls(**{key: value for key, value in values.items() if key in known})
