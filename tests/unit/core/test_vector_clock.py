"""VectorClock, operation by operation; VC numbers are the named scenarios."""

from __future__ import annotations

import copy
import doctest

import pytest

from clusterkit.core import Entry, VectorClock, vector_clock


def clock(**times):
    """Return a clock of actors with count 1 at the given times."""
    made = VectorClock()
    for actor, time in times.items():
        made = made.update(actor, 1, now=time)
    return made


# VC1
def test_a_new_clock_is_empty():
    assert VectorClock().size() == 0


# VC1
def test_a_clock_made_from_an_actor_holds_it_with_count_1():
    made = VectorClock("id", 1)
    assert (made.size(), made.get_count("id")) == (1, 1)


def test_a_clock_made_from_an_actor_takes_its_count():
    assert VectorClock("id", 7).get("id") == Entry(7, 0, 0)


def test_insert_adds_count_0_and_both_times():
    assert VectorClock().insert("k", now=5).get("k") == Entry(0, 5, 5)


def test_insert_of_a_present_actor_returns_the_same_clock():
    made = VectorClock("k")
    assert made.insert("k", now=9) is made


def test_update_of_a_new_actor_sets_both_times():
    assert VectorClock().update("k", 3, now=5).get("k") == Entry(3, 5, 5)


def test_update_of_a_present_actor_keeps_when_it_was_inserted():
    made = VectorClock().insert("k", now=5).update("k", 3, now=8)
    assert made.get("k") == Entry(3, 5, 8)


def test_update_to_the_same_entry_returns_the_same_clock():
    made = VectorClock().update("k", 3, now=5)
    assert made.update("k", 3, now=5) is made


def test_increment_of_a_new_actor_counts_from_0():
    assert VectorClock().increment("k", now=5).get("k") == Entry(1, 5, 5)


def test_increment_of_a_present_actor_adds_1_and_keeps_its_insert():
    made = VectorClock().update("k", 3, now=5).increment("k", now=8)
    assert made.get("k") == Entry(4, 5, 8)


def test_operations_leave_the_old_clock_as_it_was():
    made = VectorClock("k")
    made.increment("k")
    made.insert("other")
    made.remove("k")
    made.merge(VectorClock("k", 5))
    assert made == VectorClock("k")


def test_attributes_cannot_be_added():
    with pytest.raises(AttributeError):
        VectorClock().count = 1


# VC4
def test_remove_of_an_unknown_actor_returns_the_same_clock():
    made = VectorClock()
    assert made.remove("k") is made
    assert made.size() == 0


# VC4
def test_an_inserted_actor_is_gone_after_remove():
    made = VectorClock().insert("k").remove("k")
    assert (made.size(), made.get("k")) == (0, None)


def test_an_absent_actor_has_no_count_insert_or_time():
    made = VectorClock("other")
    assert made.get_count("k") is made.get_insert("k") is None
    assert made.get_timestamp("k") is None


def test_the_getters_of_a_present_actor_return_its_entry():
    made = VectorClock().insert("k", now=5).update("k", 3, now=8)
    assert (made.get_count("k"), made.get_insert("k"), made.get_timestamp("k")) == (
        3,
        5,
        8,
    )


def test_an_actor_with_count_0_is_in_the_clock():
    made = VectorClock().insert("k")
    assert made.has("k")
    assert "k" in made
    assert "other" not in made


def test_len_is_the_number_of_actors():
    assert len(clock(a=1, b=2)) == clock(a=1, b=2).size() == 2


# VC7
def test_merge_copies_what_only_the_other_has():
    ours = VectorClock().insert("a", now=1)
    theirs = VectorClock().insert("b", now=2)
    merged = ours.merge(theirs)
    assert merged.nodes() == {"a", "b"}
    assert merged.get("b") == theirs.get("b")


# VC8
def test_merge_takes_the_entry_with_the_higher_count_whole():
    ours = VectorClock().update("a", 1, now=90)
    theirs = VectorClock().update("a", 2, now=10)
    assert ours.merge(theirs).get("a") == Entry(2, 10, 10)


# VC8
def test_merge_keeps_the_own_entry_with_the_higher_count_whole():
    ours = VectorClock().update("a", 3, now=10)
    theirs = VectorClock().update("a", 1, now=90)
    assert ours.merge(theirs).get("a") == Entry(3, 10, 10)


# VC9
def test_merge_at_equal_counts_takes_the_later_time():
    assert clock(a=5).merge(clock(a=10)).get("a") == Entry(1, 10, 10)


# VC9
def test_merge_at_equal_counts_keeps_the_own_later_time():
    assert clock(a=10).merge(clock(a=5)).get("a") == Entry(1, 10, 10)


# VC10
def test_merge_of_equal_counts_and_times_keeps_the_own_insert():
    ours = clock(a=5).update("a", 1, now=20)
    theirs = clock(a=9).update("a", 1, now=20)
    assert ours.merge(theirs).get_insert("a") == 5


def test_merge_that_brings_nothing_returns_the_same_clock():
    ours = clock(a=5, b=6)
    assert ours.merge(clock(a=4)) is ours
    assert ours.merge(VectorClock()) is ours


def test_an_empty_clock_merges_into_an_equal_of_the_other():
    assert VectorClock().merge(clock(a=5)) == clock(a=5)


# VC11
@pytest.mark.parametrize(
    ("ours", "theirs", "answer"),
    [
        (VectorClock("k"), VectorClock(), True),
        (VectorClock(), VectorClock("k"), False),
        (VectorClock(), VectorClock(), True),
    ],
)
def test_every_clock_descends_the_empty_one(ours, theirs, answer):
    assert ours.descends(theirs) is answer


# VC11
def test_an_empty_clock_does_not_descend_an_actor_with_count_0():
    assert not VectorClock().descends(VectorClock().insert("k"))


# VC12
def test_the_higher_count_descends_the_lower_and_not_the_reverse():
    assert VectorClock("a", 2).descends(VectorClock("a", 1))
    assert not VectorClock("a", 1).descends(VectorClock("a", 2))


# VC12
def test_clocks_that_each_lack_the_others_actor_are_concurrent():
    a, b = VectorClock("a"), VectorClock("b")
    assert not a.descends(b)
    assert not b.descends(a)
    assert a.concurrent(b)


def test_a_clock_is_not_concurrent_with_one_it_descends():
    assert not VectorClock("a", 2).concurrent(VectorClock("a"))
    assert not VectorClock("a").concurrent(VectorClock("a", 2))


def test_equal_counts_descend_each_other_whatever_the_times():
    assert clock(a=1).descends(clock(a=9))
    assert clock(a=9).descends(clock(a=1))


@pytest.mark.parametrize(
    "other", [clock(a=2), clock(a=1, b=1), VectorClock("a", 2), VectorClock()]
)
def test_clocks_of_other_actors_counts_or_times_are_unequal(other):
    assert clock(a=1) != other


def test_clocks_that_differ_only_in_insert_are_unequal():
    assert clock(a=1).update("a", 1, now=5) != clock(a=5)


def test_equal_clocks_hash_alike_in_whatever_order_they_grew():
    assert hash(clock(a=1, b=2)) == hash(clock(b=2, a=1))
    assert clock(a=1, b=2) == clock(b=2, a=1)


def test_a_clock_is_unequal_to_its_json():
    assert clock(a=1) != clock(a=1).to_json()


# VC16
def test_trim_drops_the_oldest_above_the_upper_bound():
    made = clock(k1=1000 - 11, k2=1000 - 12)
    trimmed = made.trim(
        1000, lower_bound=1, young_bound=10, upper_bound=1, old_bound=15
    )
    assert trimmed.nodes() == {"k1"}


# VC17
def test_trim_drops_what_is_too_old():
    made = clock(k1=1000 - 11, k2=1000 - 16)
    trimmed = made.trim(
        1000, lower_bound=1, young_bound=10, upper_bound=2, old_bound=15
    )
    assert trimmed.nodes() == {"k1"}


# VC18
def test_trim_stops_at_the_first_entry_that_is_young_and_fits():
    trimmed = clock(a=1, b=50, c=90).trim(
        100, lower_bound=2, young_bound=10, upper_bound=5, old_bound=60
    )
    assert trimmed.nodes() == {"b", "c"}


# VC18
def test_trim_by_number_takes_the_oldest_first():
    trimmed = clock(d=91, a=80, c=90, b=85).trim(
        100, lower_bound=2, young_bound=10, upper_bound=2, old_bound=60
    )
    assert trimmed.nodes() == {"c", "d"}


def test_trim_leaves_a_clock_of_the_lower_bound_alone():
    made = clock(a=1, b=2)
    assert made.trim(1000, lower_bound=2, young_bound=0, upper_bound=1) is made


def test_trim_leaves_all_alone_while_the_oldest_is_young():
    made = clock(a=90, b=95)
    assert made.trim(100, lower_bound=0, young_bound=10, upper_bound=1) is made


def test_trim_at_an_age_of_exactly_the_old_bound_keeps_the_entry():
    made = clock(a=40, b=41)
    assert made.trim(100, lower_bound=0, young_bound=10, old_bound=60) is made


def test_trim_takes_equal_times_in_order_of_actor():
    made = clock(b=5, a=5, c=5)
    trimmed = made.trim(100, lower_bound=0, young_bound=0, upper_bound=1)
    assert trimmed.nodes() == {"c"}


def test_trim_can_take_all():
    made = clock(a=1, b=2)
    assert made.trim(100, lower_bound=1, young_bound=0, old_bound=5) == VectorClock()


def test_trim_by_default_keeps_ten_actors_for_ever():
    made = clock(**{f"a{n}": 0 for n in range(10)})
    assert made.trim(10**15) is made


def test_trim_by_default_drops_the_eleventh_after_a_day():
    made = clock(**{f"a{n}": 86_400_000_000 for n in range(10)}, old=0)
    assert made.trim(86_400_000_000) is made
    assert made.trim(86_400_000_001).size() == 10


def test_trim_by_default_keeps_fifty_that_are_older_than_20_seconds():
    made = clock(**{f"a{n}": 0 for n in range(60)})
    assert made.trim(20_000_000) is made
    assert made.trim(20_000_001).size() == 50


# VC19
def test_trim_of_an_empty_clock_is_empty():
    assert VectorClock().trim(0) == VectorClock()
    assert VectorClock().trim(0, lower_bound=-1, young_bound=-1) == VectorClock()


# VC21
def test_a_trimmed_clock_is_behind_the_whole_one_and_not_in_conflict_with_it():
    whole = clock(a=1, b=90)
    trimmed = whole.trim(100, lower_bound=1, young_bound=10, old_bound=60)
    assert trimmed.nodes() == {"b"}
    assert whole.descends(trimmed)
    assert not whole.concurrent(trimmed)


# VC20
def test_nodes_is_the_set_of_inserted_actors():
    made = VectorClock().insert("a").insert("b")
    assert made.nodes() == frozenset({"a", "b"})


def test_to_json_is_the_map_of_entries_in_order_of_actor():
    made = clock(b=2).insert("a", now=1)
    assert made.to_json() == {
        "a": {"count": 0, "insert": 1, "time": 1},
        "b": {"count": 1, "insert": 2, "time": 2},
    }
    assert list(made.to_json()) == ["a", "b"]


def test_from_json_reads_what_to_json_wrote():
    made = clock(a=1, b=2).update("a", 5, now=7)
    assert VectorClock.from_json(made.to_json()) == made


def test_json_shares_nothing_with_its_clock():
    made = clock(a=1)
    made.to_json()["a"]["count"] = 99
    written = made.to_json()
    read = VectorClock.from_json(written)
    written["a"]["count"] = 99
    assert made == read == clock(a=1)


def test_from_json_ignores_unknown_fields():
    value = {"a": {"count": 1, "insert": 2, "time": 3, "colour": "red"}}
    assert VectorClock.from_json(value).get("a") == Entry(1, 2, 3)


def test_from_json_reads_absent_fields_as_0():
    assert VectorClock.from_json({"a": {"count": 4}}).get("a") == Entry(4, 0, 0)


# VC20
@pytest.mark.parametrize(
    "value",
    [
        "{}",
        [],
        None,
        7,
        {"a": 1},
        {"a": [1, 2, 3]},
        {"a": None},
        {5: {"count": 1, "insert": 0, "time": 0}},
        {"a": {"count": "1", "insert": 0, "time": 0}},
        {"a": {"count": 1.0, "insert": 0, "time": 0}},
        {"a": {"count": True, "insert": 0, "time": 0}},
        {"a": {"count": -1, "insert": 0, "time": 0}},
        {"a": {"count": None, "insert": 0, "time": 0}},
        {"a": {"count": 1, "insert": "0", "time": 0}},
        {"a": {"count": 1, "insert": 0, "time": float("nan")}},
    ],
)
def test_from_json_of_another_shape_is_a_value_error(value):
    with pytest.raises(ValueError, match="not"):
        VectorClock.from_json(value)


@pytest.mark.parametrize("count", [-1, 1.0, True, "1", None, float("nan")])
def test_a_count_that_is_no_natural_number_is_refused(count):
    with pytest.raises(ValueError, match="count"):
        VectorClock("a", count)
    with pytest.raises(ValueError, match="count"):
        VectorClock().update("a", count)


@pytest.mark.parametrize("now", [1.5, "1", None, False])
def test_a_time_that_is_no_integer_is_refused(now):
    for operation in (VectorClock().insert, VectorClock().increment):
        with pytest.raises(ValueError, match="time"):
            operation("a", now=now)


def test_an_actor_that_is_no_string_is_refused():
    with pytest.raises(ValueError, match="actor"):
        VectorClock().increment(5)


def test_repr_shows_actors_and_counts_in_order():
    assert repr(VectorClock("foo", 2).increment("bar")) == "<VectorClock bar:1 foo:2>"


def test_repr_of_an_empty_clock_says_so():
    assert repr(VectorClock()) == "<VectorClock empty>"


def test_repr_of_a_large_clock_stays_short():
    made = clock(**{f"a{n:03}": 0 for n in range(500)})
    assert repr(made).endswith("a007:1 and 492 more>")


def test_a_copy_equals_its_clock():
    assert copy.deepcopy(clock(a=1)) == clock(a=1)


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(vector_clock)
    assert (result.failed, result.attempted > 5) == (0, True)
