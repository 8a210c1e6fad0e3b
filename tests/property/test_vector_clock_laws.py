"""The laws of VectorClock.

On counts, clocks are a lattice: `descends` is its order and `merge` its join.
The join is ordered by (count, time), so it is commutative in both. The third
field, `insert`, follows the winner and, where count and time tie, stays local:
there alone the order of merging shows.
"""

from __future__ import annotations

import json

from hypothesis import assume, given, strategies as st

from clusterkit.core import VectorClock

# Few values, so that most pairs of clocks share actors and tie often.
ACTORS = st.sampled_from("abcd")
COUNTS = st.integers(0, 2)
TIMES = st.integers(0, 3)
ENTRIES = st.fixed_dictionaries({"count": COUNTS, "insert": TIMES, "time": TIMES})
CLOCKS = st.dictionaries(ACTORS, ENTRIES).map(VectorClock.from_json)


def counts(clock):
    return {actor: clock.get_count(actor) for actor in clock.nodes()}


def counts_and_times(clock):
    entries = ((actor, clock.get(actor)) for actor in clock.nodes())
    return {actor: (entry.count, entry.time) for actor, entry in entries}


def tied(a, b):
    """Whether an actor has one count and time in both, but two inserts."""
    pairs = [(a.get(actor), b.get(actor)) for actor in a.nodes() & b.nodes()]
    return any(
        (x.count, x.time) == (y.count, y.time) and x.insert != y.insert
        for x, y in pairs
    )


@given(CLOCKS)
def test_merge_is_idempotent(a):
    assert a.merge(a) == a


@given(CLOCKS, CLOCKS, CLOCKS)
def test_merge_is_associative(a, b, c):
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


@given(CLOCKS, CLOCKS)
def test_merge_is_commutative_in_counts_and_times(a, b):
    assert counts_and_times(a.merge(b)) == counts_and_times(b.merge(a))


@given(CLOCKS, CLOCKS)
def test_merge_is_commutative_unless_entries_tie_with_other_inserts(a, b):
    assume(not tied(a, b))
    assert a.merge(b) == b.merge(a)


@given(CLOCKS, CLOCKS)
def test_merge_keeps_its_own_insert_where_entries_tie(a, b):
    merged = a.merge(b)
    for actor in a.nodes() & b.nodes():
        ours, theirs = a.get(actor), b.get(actor)
        if (ours.count, ours.time) == (theirs.count, theirs.time):
            assert merged.get(actor) == ours


@given(CLOCKS, CLOCKS)
def test_merge_takes_every_entry_whole_from_one_side(a, b):
    merged = a.merge(b)
    assert merged.nodes() == a.nodes() | b.nodes()
    for actor in merged.nodes():
        assert merged.get(actor) in (a.get(actor), b.get(actor))


@given(CLOCKS)
def test_the_empty_clock_is_neutral_in_merge(a):
    assert a.merge(VectorClock()) == VectorClock().merge(a) == a


@given(CLOCKS, CLOCKS)
def test_merge_descends_both(a, b):
    merged = a.merge(b)
    assert merged.descends(a)
    assert merged.descends(b)


@given(CLOCKS, CLOCKS, CLOCKS)
def test_what_descends_both_descends_their_merge(a, b, c):
    upper = a.merge(b).merge(c)
    for bound in (c, upper):
        if bound.descends(a) and bound.descends(b):
            assert bound.descends(a.merge(b))


@given(CLOCKS, CLOCKS)
def test_a_clock_descends_another_if_merging_it_changes_no_count(a, b):
    assert a.descends(b) == (counts(a.merge(b)) == counts(a))


@given(CLOCKS)
def test_descends_is_reflexive(a):
    assert a.descends(a)


@given(CLOCKS, CLOCKS, CLOCKS)
def test_descends_is_transitive(a, b, c):
    for x, y, z in ((a, b, c), (a.merge(b).merge(c), a.merge(b), a)):
        if x.descends(y) and y.descends(z):
            assert x.descends(z)


@given(CLOCKS, CLOCKS)
def test_clocks_that_descend_each_other_have_equal_counts(a, b):
    mutual = a.descends(b) and b.descends(a)
    assert mutual == (counts(a) == counts(b))


@given(CLOCKS, CLOCKS)
def test_any_two_clocks_are_ordered_or_concurrent(a, b):
    assert a.concurrent(b) == (not (a.descends(b) or b.descends(a)))
    assert a.concurrent(b) == b.concurrent(a)


@given(CLOCKS, ACTORS, TIMES)
def test_increment_goes_strictly_up(a, actor, now):
    later = a.increment(actor, now=now)
    assert later.descends(a)
    assert not a.descends(later)


@given(CLOCKS, ACTORS, TIMES)
def test_remove_undoes_the_insert_of_a_new_actor(a, actor, now):
    assume(actor not in a)
    assert a.insert(actor, now=now).remove(actor) == a


@given(CLOCKS, CLOCKS)
def test_equal_clocks_hash_alike(a, b):
    rebuilt = VectorClock.from_json(dict(reversed(a.to_json().items())))
    assert (rebuilt, hash(rebuilt)) == (a, hash(a))
    assert (a == b) == (a.to_json() == b.to_json())


@given(CLOCKS)
def test_json_goes_round(a):
    assert VectorClock.from_json(json.loads(json.dumps(a.to_json()))) == a


# Causality: replicas tick their own actor and merge what they receive.

STEPS = st.lists(st.tuples(ACTORS, st.none() | ACTORS), max_size=30)


@given(STEPS)
def test_descends_is_the_inclusion_of_histories(steps):
    clocks = {actor: VectorClock() for actor in "abcd"}
    histories = {actor: frozenset() for actor in "abcd"}
    for now, (at, source) in enumerate(steps):
        if source is None:
            clocks[at] = clocks[at].increment(at, now=now)
            histories[at] |= {now}
        else:
            clocks[at] = clocks[at].merge(clocks[source])
            histories[at] |= histories[source]
    for x in "abcd":
        for y in "abcd":
            assert clocks[x].descends(clocks[y]) == (histories[x] >= histories[y])


# Trimming

BOUNDS = st.fixed_dictionaries(
    {
        "lower_bound": st.integers(0, 4),
        "young_bound": st.integers(0, 4),
        "upper_bound": st.integers(0, 4),
        "old_bound": st.integers(0, 4),
    }
)


def trimmed_by_the_rule(clock, now, lower_bound, young_bound, upper_bound, old_bound):
    """Return the actors that remain, by the rule read as a loop."""
    left = sorted(clock.nodes(), key=lambda a: (clock.get_timestamp(a), a))
    if len(left) <= lower_bound:
        return set(left)
    if not left or now - clock.get_timestamp(left[0]) <= young_bound:
        return set(left)
    while left and (
        len(left) > upper_bound or now - clock.get_timestamp(left[0]) > old_bound
    ):
        left.pop(0)
    return set(left)


@given(CLOCKS, st.integers(0, 8), BOUNDS)
def test_trim_follows_its_rule(a, now, bounds):
    assert a.trim(now, **bounds).nodes() == trimmed_by_the_rule(a, now, **bounds)


@given(CLOCKS, st.integers(0, 8), BOUNDS)
def test_a_trimmed_clock_is_never_in_conflict_with_the_whole(a, now, bounds):
    trimmed = a.trim(now, **bounds)
    assert a.descends(trimmed)
    assert not trimmed.concurrent(a)
    assert trimmed.merge(a) == a


@given(CLOCKS, st.integers(0, 8), BOUNDS)
def test_trim_is_idempotent(a, now, bounds):
    trimmed = a.trim(now, **bounds)
    assert trimmed.trim(now, **bounds) == trimmed
