"""What peers say of nodes' keys, checked before anybody takes it.

A peer that proved the cookie may still be of another release, or broken. The
invariant is that what passes fits its bounds and is what `replica` expects of it;
what does not is the teller's fault, and costs it its message only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from clusterkit.core.buckets import BUCKETS
from clusterkit.core.registers import (
    MOST_INCARNATION,
    check_list,
    check_whole,
    read_by_name,
)
from clusterkit.core.replica import (
    DELETED,
    MOST_CHANGES,
    MOST_VERSION,
    Change,
    Part,
    Summary,
)
from clusterkit.names import check_name

MOST_KEY: Final = 128
"""Longest key, in bytes of UTF-8."""

MOST_KEYS: Final = MOST_CHANGES
"""Keys of one node, deleted ones that are still remembered included."""

MOST_VALUE: Final = 32 * 1024
"""Longest value, in encoded bytes. What is longer is nothing for everybody to have."""

MOST_STATE: Final = 256 * 1024
"""Bytes of all keys and values of one node, `KEY_COST` for each included."""

KEY_COST: Final = 16
"""Bytes that a key counts for beside its own and its value's."""


def check_key(key: object) -> str:
    """Return `key` if it is one of a node's state.

    Raises:
        ValueError: It is no text of 1 to `MOST_KEY` bytes.
    """
    if isinstance(key, str) and type(key) is str and 0 < _length(key) <= MOST_KEY:
        return key
    raise ValueError(f"a key is text of 1 to {MOST_KEY} bytes, not {key!r:.100}")


def _length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0  # half of a surrogate pair, which is no text


def size_of(change: Change) -> int:
    """Return what a change costs, in bytes."""
    value = 0 if change.value is DELETED else len(change.value)
    return len(change.key.encode()) + value + KEY_COST


def check_value(value: object) -> bytes:
    """Return `value` if it is the encoding of one, by its length.

    Raises:
        ValueError: It is not, or too long.
    """
    if isinstance(value, bytes) and type(value) is bytes and len(value) <= MOST_VALUE:
        return value
    raise ValueError(f"a value is encoded in up to {MOST_VALUE} bytes")


def read_summary(value: object) -> Summary:
    """Return what a peer says that somebody has.

    Raises:
        ValueError: It has another shape.
    """
    incarnation, version, floor, check = check_list(value, 4, "a summary")
    return Summary(
        check_whole(incarnation, "an incarnation", MOST_INCARNATION),
        check_whole(version, "a version", MOST_VERSION),
        check_whole(floor, "a floor", MOST_VERSION),
        check_whole(check, "a check"),
    )


def read_digest(value: object, most: int) -> dict[str, Summary]:
    """Return a digest.

    Args:
        value: What a peer sent.
        most: Nodes that it may name.

    Raises:
        ValueError: It has another shape, or names more.
    """
    return read_by_name(value, read_summary, most, "summaries of a digest")


def read_buckets(value: object) -> list[int]:
    """Return hashes of all buckets.

    Raises:
        ValueError: It has another shape.
    """
    hashes = check_list(value, BUCKETS, "hashes of buckets")
    return [check_whole(item, "a hash") for item in hashes]


def read_numbers(value: object) -> list[int]:
    """Return numbers of buckets.

    Raises:
        ValueError: It has another shape.
    """
    if type(value) is not list or len(value) > BUCKETS:
        raise ValueError("that are no numbers of buckets")
    return [check_whole(item, "a bucket", BUCKETS - 1) for item in value]


def read_parts(value: object, most: int) -> list[Part]:
    """Return what a peer tells of nodes.

    Args:
        value: What it sent: `[name, incarnation, since, version, floor, changes]`
            each, with a change of `[key, version, value]`, the value encoded, or
            `[key, version]` if the key was deleted.
        most: Nodes that it may tell of.

    Raises:
        ValueError: It has another shape, or its versions have no order.
    """
    if type(value) is not list or len(value) > most:
        raise ValueError(f"a delta is a list of up to {most} parts")
    return [_read_part(item) for item in value]


def _read_part(value: object) -> Part:
    name, incarnation, since, version, floor, changes = check_list(value, 6, "a part")
    check_whole(incarnation, "an incarnation", MOST_INCARNATION)
    for number in (since, version, floor):
        check_whole(number, "a version", MOST_VERSION)
    if type(changes) is not list or len(changes) > MOST_KEYS:
        raise ValueError(f"a node has up to {MOST_KEYS} keys")
    read = [_read_change(item) for item in changes]
    versions = [since, *(change.version for change in read)]
    if any(b <= a for a, b in pairwise(versions)):
        raise ValueError("changes are in the order of their versions")
    if not incarnation or version < versions[-1]:
        raise ValueError("a part that ends before its last change")
    if len({change.key for change in read}) < len(read):
        raise ValueError("a part tells of each key once")
    return Part(check_name(name), incarnation, since, version, floor, read)


def _read_change(value: Any) -> Change:
    if type(value) is not list or len(value) not in (2, 3):
        raise ValueError("a change is a key, a version and perhaps a value")
    key, version, *rest = value
    check_whole(version, "a version", MOST_VERSION)
    return Change(check_key(key), version, check_value(*rest) if rest else DELETED)


def plain_parts(parts: list[Part]) -> list[Any]:
    """Return parts as `read_parts` takes them."""
    return [
        [*part[:5], [_plain_change(change) for change in part.changes]]
        for part in parts
    ]


def _plain_change(change: Change) -> list[Any]:
    if change.value is DELETED:
        return [change.key, change.version]
    return list(change)
