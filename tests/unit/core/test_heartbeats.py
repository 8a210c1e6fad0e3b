"""Who lives is known by counters that rise, and by nothing else."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, strategies as st

from clusterkit.core.heartbeats import (
    MOST_BEAT,
    Beat,
    Heartbeats,
    plain_beats,
    read_beats,
)
from clusterkit.core.registers import MOST_INCARNATION


def heartbeats(name="a", incarnation=1, most=100):
    return Heartbeats(name, incarnation, 1.0, most)


def alive(known):
    return [name for name in known if known.is_alive(name)]


def test_who_speaks_is_alive_at_once():
    a = heartbeats()
    a.hear({"b": Beat(1, 1)}, "b", 0.0)
    assert alive(a) == ["b"]
    assert a.told("c") == {"a": Beat(1, 0), "b": Beat(1, 1)}


def test_who_is_heard_of_is_alive_once_its_counter_rises():
    a = heartbeats()
    a.hear({"c": Beat(1, 7)}, "b", 0.0)
    a.hear({"c": Beat(1, 7)}, "b", 1.0)
    a.hear({"c": Beat(1, 6)}, "d", 1.0)
    assert alive(a) == []
    assert "c" not in a.told("d")
    a.hear({"c": Beat(1, 8)}, "b", 1.0)
    assert alive(a) == ["c"]


def test_who_is_silent_is_dead_and_nobody_elses_word_counts():
    a = heartbeats()
    for second in range(10):
        a.hear({"b": Beat(1, second)}, "b", float(second))
    assert a.judge(15.0) == []
    assert a.judge(30.0) == ["b"]
    assert a.judge(31.0) == []
    assert "b" not in a.told("c")
    assert a.told("b")["b"] == Beat(1, 9)  # itself is told how far it was
    assert a.life("b").since == 30.0


def test_what_was_known_long_ago_brings_nobody_back():
    a = heartbeats()
    a.hear({"b": Beat(2, 9)}, "b", 0.0)
    a.judge(60.0)
    for old in (Beat(2, 9), Beat(2, 3), Beat(1, 10**9)):
        a.hear({"b": old}, "c", 61.0)
        a.hear({"b": old}, "b", 61.0)  # nor a request of it that is late
    assert alive(a) == []
    a.hear({"b": Beat(2, 10)}, "c", 62.0)
    assert alive(a) == ["b"]
    assert a.life("b").since == 62.0


def test_a_later_life_begins_anew():
    a = heartbeats()
    for second in range(50):
        a.hear({"b": Beat(1, second)}, "b", second / 100)
    a.hear({"b": Beat(2, 0)}, "c", 1.0)
    assert (alive(a), a.incarnation("b"), a.life("b").since) == (["b"], 2, 0.0)
    assert (
        a.life("b").arrivals.samples == 2
    )  # its own pace, not that of the life before


def test_those_long_dead_are_forgotten_and_stay_so():
    a = heartbeats()
    a.hear({"b": Beat(1, 5), "c": Beat(1, 0)}, "b", 0.0)
    a.judge(60.0)
    assert a.forget(60.0 + 86_399, 86_400) == []
    assert a.forget(60.0 + 86_400, 86_400) == ["b"]
    a.hear({"b": Beat(1, 5)}, "c", 90_000.0)
    assert (list(a), a.forget(2e9, 86_400)) == ([], [])
    a.hear({"b": Beat(1, 6)}, "b", 90_001.0)
    assert alive(a) == ["b"]


# Of this node itself.


def test_its_own_counter_goes_above_what_is_claimed_of_it():
    a = heartbeats()
    a.hear({"a": Beat(1, 50)}, "b", 0.0)
    assert a.own == Beat(1, 51)
    a.hear({"a": Beat(9, 4)}, "b", 0.0)
    assert a.own == Beat(9, 5)
    a.hear({"a": Beat(9, 5)}, "b", 0.0)
    assert a.own == Beat(9, 5)
    a.hear({"a": Beat(9, MOST_BEAT)}, "b", 0.0)
    assert (a.own, a.contested) == (Beat(10, 1), 3)
    a.hear({"a": Beat(MOST_INCARNATION, MOST_BEAT)}, "b", 0.0)
    assert (a.own, a.contested) == (Beat(10, 1), 3)  # which nobody takes from b
    a.hear({"a": Beat(MOST_INCARNATION - 1, MOST_BEAT)}, "b", 0.0)
    assert a.own == Beat(MOST_INCARNATION, 1)
    assert list(a) == []


def test_one_that_restarts_with_a_clock_set_back_finds_its_way():
    a, b = heartbeats("a", 100), heartbeats("b", 1)
    for second in range(3):
        a.beat()
        b.hear(a.told("b"), "a", float(second))
    b.judge(60.0)
    again = heartbeats("a", 50)
    again.beat()
    b.hear(again.told("b"), "a", 60.0)
    assert alive(b) == []
    again.hear(b.told("a"), "b", 60.0)
    b.hear(again.told("b"), "a", 61.0)
    assert alive(b) == ["a"]


def test_of_the_last_incarnation_only_its_owner_speaks():
    a = heartbeats()
    for number in (1, 2):
        a.hear({"b": Beat(MOST_INCARNATION, number)}, "c", 0.0)
    assert (alive(a), a.refused) == ([], 2)
    a.hear({"b": Beat(MOST_INCARNATION, 3)}, "b", 0.0)
    assert alive(a) == ["b"]


def test_what_cannot_be_is_neither_believed_nor_outdone():
    times = iter(range(10, 1000, 10))
    a = Heartbeats("a", 1, 1.0, 100, lambda: next(times))
    a.hear({"a": Beat(11, 1), "b": Beat(11, 1), "c": Beat(10, 1)}, "b", 0.0)
    assert (a.own, list(a), a.refused) == (Beat(1, 0), [], 2)
    assert a.incarnation("c") == 10
    a.hear({"a": Beat(20, MOST_BEAT), "b": Beat(11, 1)}, "b", 0.0)
    assert a.own == Beat(21, 1)  # beyond what others believe now, and not for long
    assert alive(a) == ["b"]


def test_names_are_bounded_and_the_living_stay():
    a = heartbeats(most=10)
    a.hear({"b": Beat(1, 1)}, "b", 0.0)
    a.hear({f"x{n}": Beat(1, 1) for n in range(100)}, "b", 0.0)
    assert alive(a) == ["b"]
    for n in range(9):
        a.hear({f"y{n}": Beat(1, 1)}, f"y{n}", 0.0)
    assert len(alive(a)) == 10
    assert a.refused == 0
    a.hear({"z": Beat(1, 1)}, "z", 0.0)
    assert len(alive(a)) == 10
    assert a.refused == 1


def test_the_dead_make_room_who_was_heard_of_least_lately_first():
    a = heartbeats(most=10)
    for n in range(10):
        a.hear({f"y{n}": Beat(1, 1)}, f"y{n}", float(n))
    a.judge(100.0)
    assert alive(a) == []
    a.hear({"y0": Beat(1, 2)}, "y0", 100.0)
    a.hear({"z": Beat(1, 1)}, "z", 100.0)
    assert alive(a) == ["y0", "z"]
    assert sorted(a) == ["y0", *(f"y{n}" for n in range(2, 10)), "z"]
    # And who is only heard of is there for as long as it takes to rise.
    names = [f"x{n}" for n in range(8)]
    a.hear({name: Beat(1, 1) for name in names}, "z", 100.0)
    a.hear({name: Beat(1, 2) for name in names}, "z", 101.0)
    assert alive(a) == ["y0", "z", *names]
    assert a.refused == 0


def test_what_is_heard_before_it_knows_that_it_stood_still_is_of_now():
    a = heartbeats()
    for second in range(20):
        a.hear({"b": Beat(1, second)}, "b", float(second))
    a.hear({"b": Beat(1, 20)}, "b", 80.0)  # for a minute it stood still
    a.oversleep(60.0, 80.0)
    assert a.judge(80.0) == []
    assert a.judge(95.0) == ["b"]


BEATS = st.builds(Beat, st.integers(1, 3), st.integers(0, 5))


@given(
    st.lists(
        st.tuples(
            st.sampled_from("bc"),
            st.dictionaries(st.sampled_from("bc"), BEATS, max_size=2),
        ),
        max_size=4,
    )
)
def test_how_far_each_has_come_does_not_depend_on_the_order(messages):
    seen = set()
    for order in permutations(messages):
        a = heartbeats()
        for by, claims in order:
            a.hear(claims, by, 0.0)
        seen.add(tuple(sorted(a._heard.items())))
    assert len(seen) == 1


@given(st.lists(BEATS, min_size=1))
def test_nobody_lives_by_what_is_not_above_all_before(beats):
    a = heartbeats()
    a.hear({"b": max(beats)}, "b", 0.0)
    a.judge(60.0)
    for number, beat in enumerate(beats):
        a.hear({"b": beat}, "bc"[number % 2], 61.0)
    assert alive(a) == []


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), BEATS))
def test_counters_are_read_as_they_were_written(beats):
    assert read_beats(plain_beats(beats), 3) == beats


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"a": [1]},
        {"a": [1, -1]},
        {"a": [1, MOST_BEAT + 1]},
        {"a": [MOST_INCARNATION + 1, 0]},
        {"a": [True, 0]},
        {"": [1, 1]},
        {5: [1, 1]},
        {f"n{n}": [1, 1] for n in range(4)},
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_counters_is_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011 - it says which
        read_beats(value, 3)
