"""Merging is a join, plain forms are faithful, and no message does harm."""

from __future__ import annotations

from random import Random

from hypothesis import given, strategies as st

from clusterkit.core.membership import Membership
from clusterkit.core.registers import Entry, Record, Registers, Stamp
from clusterkit.core.ring_state import MARKS, Kind, Message, RingState
from clusterkit.core.vector_clock import VectorClock

NOW = 1000.0

names = st.sampled_from(["a", "b", "c", "d"])
small = st.integers(0, 4)
stamps = st.builds(Stamp, small, st.booleans(), names, small, small)
records = st.builds(
    Record, stamps, st.sampled_from(["h", "i"]), st.integers(1, 3), st.integers(1, 3)
)


@st.composite
def entry(draw):
    member = draw(stamps)
    age = 0 if member.present else draw(st.integers(0, 9))
    return Entry(member, draw(records), 0.0 if member.present else NOW - age)


@st.composite
def clock(draw):
    counts = draw(st.dictionaries(names, small))
    return VectorClock.from_json({a: {"count": count} for a, count in counts.items()})


maps = st.dictionaries(names, entry(), max_size=4).map(Registers)
ids = st.frozensets(st.integers(1, 3), min_size=1)


@st.composite
def ring_state(draw):
    entries = draw(maps)
    written = [s.lamport for e in entries.values() for s in (e.member, e.record.stamp)]
    lamport = max(written, default=0) + draw(small)
    return RingState(draw(ids), entries, draw(clock()), lamport)


states = ring_state()


def exact(entries):
    """The entries with what equality leaves out."""
    return {name: (entry, entry.removed_at) for name, entry in entries.items()}


@given(maps, maps)
def test_merge_of_maps_is_commutative(one, other):
    assert exact(one.merge(other)) == exact(other.merge(one))


@given(maps, maps, maps)
def test_merge_of_maps_is_associative(one, two, three):
    assert exact(one.merge(two).merge(three)) == exact(one.merge(two.merge(three)))


@given(maps, maps)
def test_merge_of_maps_is_idempotent_and_takes_in_both(one, other):
    merged = one.merge(other)
    for part in (one, other, merged):
        assert merged.merge(part) is merged
    assert one.merge(one) is one


@given(states, states)
def test_merge_of_states_is_commutative(one, other):
    assert one.merge(other) == other.merge(one)


@given(states, states, states)
def test_merge_of_states_is_associative(one, two, three):
    assert one.merge(two).merge(three) == one.merge(two.merge(three))


@given(states, states)
def test_merge_of_states_is_idempotent_and_takes_in_both(one, other):
    merged = one.merge(other)
    for part in (one, other, merged):
        assert merged.merge(part) == merged
        assert merged.clock.descends(part.clock)


@given(states, states)
def test_patch_takes_the_same_entries_as_merge_and_never_more_of_the_clock(one, other):
    patched, merged = one.patch(other), one.merge(other)
    assert patched.entries == merged.entries
    assert patched.ring_ids == merged.ring_ids
    assert patched.clock.descends(one.clock)


@given(maps, maps)
def test_digests_and_canonical_bytes_are_equal_if_and_only_if_the_maps_are(one, other):
    assert (one.digest == other.digest) == (one == other)
    assert (one.canonical() == other.canonical()) == (one == other)


@given(st.permutations(["a", "b", "c", "d"]), st.data())
def test_digest_does_not_depend_on_the_order_of_names(order, data):
    entries = {name: data.draw(entry()) for name in "abcd"}
    mixed = {name: entries[name] for name in order}
    assert Registers(entries).digest == Registers(mixed).digest


@given(states)
def test_plain_form_brings_back_the_same_state(state):
    back, dropped = RingState.from_plain(state.to_plain(NOW), NOW)
    assert (back, dropped) == (state, 0)
    assert exact(back.entries) == exact(state.entries)


@given(states, states)
def test_conflicts_are_the_same_ones_seen_from_both_sides(one, other):
    assert [(name, b, a) for name, a, b in one.conflicts(other)] == list(
        other.conflicts(one)
    )


@given(maps, maps)
def test_news_bring_the_older_one_up_to_date(one, other):
    newer = one.merge(other)
    assert one.merge(newer.news(one)) == newer


# Messages of any kind, right, wrong and half wrong.

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
junk = st.recursive(
    scalars | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@st.composite
def messages(draw):
    kind = draw(st.sampled_from(Kind))
    marks = draw(st.tuples(*[st.integers(0, 2)] * MARKS[kind]))
    plain = Message(kind, draw(states), marks).to_plain(NOW)
    return [*plain[:1], list(plain[1]), *plain[2:]]


@st.composite
def broken(draw):
    """A message of which one part, at any depth, is something else."""
    message = draw(messages())
    node = message
    while True:
        at = draw(st.integers(0, len(node) - 1))
        if not isinstance(node[at], list) or not node[at] or draw(st.booleans()):
            node[at] = draw(junk)
            return message
        node = node[at]


def member_of_a_ring():
    membership = Membership("a@h:1", incarnation=1, rng=Random(1))
    membership.minsert(["b@h:2", "c@h:3"])
    membership.meet("d")
    return membership


@given(names, st.lists(messages() | broken() | junk, max_size=4))
def test_no_message_makes_it_raise_or_forget_itself(sender, received):
    membership = member_of_a_ring()
    for message in received:
        membership.receive(sender, message)
        assert membership.lists("a")
        saved = membership.to_plain(NOW)
        again = Membership.restore(saved, "a@h:1", rng=Random(2), now=NOW)
        assert again.state.entries == membership.state.entries


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_lamport_time_never_falls(received, data):
    membership = member_of_a_ring()
    for message in received:
        before = membership.state.lamport
        membership.receive(data.draw(st.sampled_from("bcd")), message)
        assert membership.state.lamport >= max(before, message[1][3])
