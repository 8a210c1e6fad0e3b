"""Channels have names of parts; patterns match by parts."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, strategies as st

from clusterkit.core.topics import RESERVED, check_channel, check_pattern, matches
from clusterkit.errors import ConfigError


@pytest.mark.parametrize("name", ["a", "orders", "orders.new", "a-b_c.1", "x" * 100])
def test_a_channel_is_parts_with_dots_between(name):
    assert check_channel(name) == name
    assert check_pattern(name) == name


@pytest.mark.parametrize("name", ["*", "orders.*", "*.new", "a.*.c"])
def test_a_pattern_is_no_channel(name):
    assert check_pattern(name) == name
    with pytest.raises(ConfigError, match="pattern"):
        check_channel(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "_a",
        "a b",
        "a*",
        "**",
        "ä",
        "x" * 101,
        None,
        5,
        b"a",
    ],
)
def test_what_is_no_channel_is_refused(name):
    with pytest.raises(ConfigError, match="channel"):
        check_pattern(name)


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_says_which_event_is_meant(name):
    with pytest.raises(ConfigError, match=RESERVED[name]):
        check_pattern(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a"),
        ("a.b", "a.*"),
        ("a.b.c", "a.*"),
        ("a.b.c", "*"),
        ("a.b.c", "a.*.c"),
        ("a.*", "*.b"),
        ("a.*", "a.b.*"),
        ("a.*.c", "a.b.*"),
    ],
)
def test_names_and_patterns_match_either_way(one, other):
    assert matches(one, other)
    assert matches(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"),
        ("a", "a.b"),
        ("a", "a.*"),
        ("a.b", "a.b.*"),
        ("a.b.c", "a.*.d"),
        ("a.*.c", "a.b.c.d"),
        ("a.*", "b.*"),
    ],
)
def test_what_differs_in_a_part_does_not_match(one, other):
    assert not matches(one, other)
    assert not matches(other, one)


PARTS = st.lists(st.sampled_from("ab*"), min_size=1, max_size=4).map(".".join)


def as_regex(pattern):
    *parts, last = pattern.split(".")
    ends = r"[^.]+(\.[^.]+)*" if last == "*" else last
    return re.compile(r"\.".join([p.replace("*", "[^.]+") for p in parts] + [ends]))


CHANNELS = [".".join(p) for n in (1, 2, 3, 4, 5, 6) for p in product("abc", repeat=n)]


@given(PARTS, PARTS)
def test_patterns_match_if_some_channel_is_meant_by_both(one, other):
    first, second = as_regex(one), as_regex(other)
    meant = any(first.fullmatch(c) and second.fullmatch(c) for c in CHANNELS)
    assert matches(one, other) == meant
