"""What peers say of nodes' keys: taken if it fits, the teller's fault if not."""

from __future__ import annotations

import pytest

from clusterkit.core.buckets import BUCKETS
from clusterkit.core.replica import DELETED, Change, Part, Summary
from clusterkit.core.state_input import (
    KEY_COST,
    MOST_KEY,
    MOST_KEYS,
    MOST_VALUE,
    MOST_VERSION,
    check_key,
    plain_parts,
    read_buckets,
    read_digest,
    read_numbers,
    read_parts,
    size_of,
)

PARTS = [
    Part("foo", 7, 2, 9, 1, [Change("a", 3, b"\x01"), Change("b", 9, DELETED)]),
    Part("bar", 1, 0, 0, 0, []),
]


def with_changes(*changes, since=0, version=9):
    return [["foo", 1, since, version, 0, list(changes)]]


def test_parts_survive_the_way():
    assert read_parts(plain_parts(PARTS), 2) == PARTS


def test_a_digest_survives_the_way():
    digest = {"foo": Summary(7, 9, 1), "bar": Summary(1, 0, 0)}
    plain = {name: list(summary) for name, summary in digest.items()}
    assert read_digest(plain, 2) == digest


def test_numbers_and_hashes_survive_the_way():
    assert read_numbers([0, BUCKETS - 1]) == [0, BUCKETS - 1]
    assert read_buckets([2**64 - 1] * BUCKETS) == [2**64 - 1] * BUCKETS


@pytest.mark.parametrize("key", ["a", "x" * MOST_KEY, "é" * (MOST_KEY // 2), "a b\n"])
def test_any_text_within_the_bound_is_a_key(key):
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "x" * (MOST_KEY + 1), "é" * MOST_KEY, "\ud800", b"a", 1, None]
)
def test_nothing_else_is_a_key(key):
    with pytest.raises(ValueError, match="a key is text"):
        check_key(key)


def test_a_change_costs_its_bytes_and_something_for_being_there():
    assert size_of(Change("é", 1, b"123")) == 2 + 3 + KEY_COST
    assert size_of(Change("é", 1, DELETED)) == 2 + KEY_COST


BAD_PARTS = {
    "no_list": {},
    "too_many": [["foo", 1, 0, 0, 0, []]] * 3,
    "short": [["foo", 1, 0, 0, 0]],
    "no_name": [["", 1, 0, 0, 0, []]],
    "number_for_a_name": [[1, 1, 0, 0, 0, []]],
    "no_incarnation": [["foo", 0, 0, 0, 0, []]],
    "negative": [["foo", 1, -1, 0, 0, []]],
    "true_for_one": [["foo", True, 0, 0, 0, []]],
    "a_version_beyond_all": [["foo", 1, 0, MOST_VERSION + 1, 0, []]],
    "changes_no_list": [["foo", 1, 0, 0, 0, None]],
    "too_many_changes": with_changes(
        *([f"k{i}", i + 1] for i in range(MOST_KEYS + 1)), version=MOST_KEYS + 1
    ),
    "out_of_order": with_changes(["a", 3, b""], ["b", 2, b""]),
    "twice_a_version": with_changes(["a", 3, b""], ["b", 3, b""]),
    "before_what_is_known": with_changes(["a", 3, b""], since=3),
    "beyond_its_end": with_changes(["a", 10, b""]),
    "a_key_twice": with_changes(["a", 3, b""], ["a", 4, b""]),
    "a_value_that_is_not_encoded": with_changes(["a", 3, "text"]),
    "a_long_value": with_changes(["a", 3, bytes(MOST_VALUE + 1)]),
    "a_change_too_short": with_changes(["a"]),
    "a_change_too_long": with_changes(["a", 3, b"", 4]),
    "a_change_no_list": with_changes("abc"),
    "a_key_too_long": with_changes(["x" * (MOST_KEY + 1), 3, b""]),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_parts_of_another_shape_are_the_tellers_fault(name):
    with pytest.raises(ValueError, match=r"a |an |in the order|up to|ends|each key"):
        read_parts(BAD_PARTS[name], 2)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"foo": [1, 2]},
        {"": [1, 2, 3]},
        {1: [1, 2, 3]},
        dict.fromkeys("abc", [1] * 3),
    ],
    ids=["no_map", "short", "no_name", "number_for_a_name", "too_many"],
)
def test_a_digest_of_another_shape_is_the_tellers_fault(value):
    with pytest.raises(ValueError, match=r"digest|summary|name"):
        read_digest(value, 2)


@pytest.mark.parametrize(
    "value", [{}, [BUCKETS], [-1], [1.0], [0] * (BUCKETS + 1)], ids=range(5)
)
def test_numbers_of_another_shape_are_the_tellers_fault(value):
    with pytest.raises(ValueError, match="bucket"):
        read_numbers(value)


@pytest.mark.parametrize("value", [None, [1], ["a"] * BUCKETS], ids=range(3))
def test_hashes_of_another_shape_are_the_tellers_fault(value):
    with pytest.raises(ValueError, match="hash"):
        read_buckets(value)
