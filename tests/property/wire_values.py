"""Values that can travel, values that cannot, and how to compare them strictly."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from clusterkit.names import NodeInfo
from clusterkit.wire.extensions import register


@register
@dataclass(frozen=True)
class Pair:
    """A registered dataclass; hashable if both halves are."""

    left: object
    right: object = None


def without_fold(moment):
    """A moment travels as its local time and its offset; `fold` does not."""
    return moment.replace(fold=0)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)
NODES = st.builds(NodeInfo, NAMES, st.just("127.0.0.1"), st.integers(1, 65_535))
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.datetimes().map(without_fold)
    | st.datetimes(timezones=st.just(dt.UTC)).map(without_fold)
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | NODES
)
KEYS = st.text(max_size=4) | st.binary(max_size=4) | st.integers(-(2**63), 2**64 - 1)
FROZEN = st.recursive(
    HASHABLE,
    lambda inner: (
        st.tuples(inner, inner)
        | st.frozensets(inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=4,
)


def containers(inner):
    return (
        st.lists(inner, max_size=10)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(FROZEN, max_size=3)
        | st.builds(Pair, inner, inner)
    )


VALUES = st.recursive(FROZEN, containers, max_leaves=12)
"""Whatever may travel."""


def nested(levels_and_wrap):
    levels, wrap = levels_and_wrap
    value = 0
    for _ in range(levels):
        value = wrap(value)
    return value


WRAPS = (
    lambda value: [value],
    lambda value: (value,),
    lambda value: {"k": value},
    lambda value: [*range(9), value],
    lambda value: [(value,)],
    Pair,
)
TRAPS = st.sampled_from(
    [
        *(object(), int, 2**64, -(2**63) - 1, "\ud800", float("nan")),
        *({1.5: 0}, {True: 0}, {"\ud800": 0}, {2**64: 0}, Decimal("NaN")),
        *(NodeInfo("a b", "h", 1), NodeInfo("a", "h", 0)),
        *(bytearray(b"x"), memoryview(b"x")),
    ]
) | st.tuples(st.integers(55, 75), st.sampled_from(WRAPS)).map(nested)
ANYTHING = st.recursive(VALUES | TRAPS, containers, max_leaves=5)
"""What an application may try to send."""


def strictly(value):
    """Return something that is equal only for equal values of equal types."""
    if isinstance(value, dict):
        return dict, [(strictly(k), strictly(v)) for k, v in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, map(strictly, value)))
    if isinstance(value, (list, tuple)):
        return type(value), [strictly(item) for item in value]
    if isinstance(value, Pair):
        return Pair, strictly(value.left), strictly(value.right)
    if isinstance(value, (bytearray, memoryview)):
        return bytes, repr(bytes(value))
    return type(value), repr(value)
