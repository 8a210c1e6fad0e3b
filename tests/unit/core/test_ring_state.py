"""A ring's state, its conflicts, and the messages that carry it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clusterkit.core.registers import MAX_NAMES, Entry, Record, Registers, Stamp
from clusterkit.core.ring_state import MARKS, Kind, Message, RingState
from clusterkit.core.vector_clock import VectorClock


def entry(lamport, writer, tick, present=True, weight=3):
    written = Stamp(lamport, present, writer, 1, tick)
    return Entry(written, Record(written, "host", 7022, weight))


def state(ids=(1,), clock=(), lamport=5, **entries):
    counts = {actor: {"count": count} for actor, count in clock}
    return RingState(
        frozenset(ids), Registers(entries), VectorClock.from_json(counts), lamport
    )


def test_states_are_of_one_ring_if_their_ids_intersect():
    assert state(ids=(1, 2)).is_kin(state(ids=(2, 3)))
    assert not state(ids=(1,)).is_kin(state(ids=(2,)))


def test_merge_is_the_join_of_every_part():
    ours = state((1,), [("a", 1)], 5, x=entry(1, "a", 1))
    theirs = state((2,), [("b", 4)], 9, y=entry(7, "b", 4))
    merged = ours.merge(theirs)
    assert merged.ring_ids == {1, 2}
    assert set(merged.entries) == {"x", "y"}
    assert (merged.clock.get_count("a"), merged.clock.get_count("b")) == (1, 4)
    assert merged.lamport == 9


def test_part_takes_the_entries_and_the_writers_next_operation():
    ours = state(clock=[("a", 1)], x=entry(1, "a", 1))
    part = state(clock=[("a", 2), ("b", 9)], x=entry(4, "a", 2))
    patched = ours.patch(part)
    assert patched.entries["x"].member.lamport == 4
    assert patched.clock == ours.clock.update("a", 2)


def test_part_does_not_pretend_to_hold_the_operations_before_it():
    ours = state(clock=[("a", 1)], x=entry(1, "a", 1))
    part = state(clock=[("a", 3)], y=entry(6, "a", 3))
    assert ours.patch(part).clock == ours.clock


def test_forgotten_names_go_from_the_clock():
    held = state(clock=[("a", 1), ("x", 2)], x=entry(1, "a", 1))
    assert held.prune().clock.nodes() == {"x"}


def test_two_writers_of_one_register_who_had_not_heard_of_each_other_conflict():
    ours = state(clock=[("a", 2)], x=entry(4, "a", 2))
    theirs = state(clock=[("a", 1), ("b", 1)], x=entry(4, "b", 1))
    ((name, mine, other),) = ours.conflicts(theirs)
    assert (name, mine.member.name, other.member.name) == ("x", "a", "b")
    assert list(theirs.conflicts(ours)) == [("x", other, mine)]


def test_a_register_that_the_other_side_had_seen_is_no_conflict():
    # b wrote x, which a has seen and overwritten, and then y, which it has not.
    ours = state(clock=[("a", 1), ("b", 1)], x=entry(4, "a", 1))
    theirs = state(clock=[("b", 2)], x=entry(3, "b", 1), y=entry(4, "b", 2))
    assert list(ours.conflicts(theirs)) == []


def test_states_of_which_one_descends_have_no_conflict():
    ours = state(clock=[("a", 1)], x=entry(4, "a", 1))
    theirs = state(clock=[("a", 1), ("b", 1)], x=entry(5, "b", 1))
    assert list(ours.conflicts(theirs)) == []
    assert list(theirs.conflicts(ours)) == []


def test_plain_form_is_json():
    held = state(clock=[("x", 1)], x=entry(1, "x", 1), y=entry(3, "x", 1, False))
    plain = json.loads(json.dumps(held.to_plain()))
    assert RingState.from_plain(plain) == (held, 0)


def test_lamport_time_is_at_least_that_of_every_stamp():
    held = state(lamport=5, x=entry(9, "x", 1))
    assert RingState.from_plain(held.to_plain())[0].lamport == 9


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        [[], [], {}, 0],
        [[-1], [], {}, 0],
        [[2**64], [], {}, 0],
        [["1"], [], {}, 0],
        [1, [], {}, 0],
        [list(range(MAX_NAMES + 1)), [], {}, 0],
        [[1], None, {}, 0],
        [[1], [], [], 0],
        [[1], [], {"a": -1}, 0],
        [[1], [], {"": 1}, 0],
        [[1], [], {1: 1}, 0],
        [[1], [], {f"n{i}": 1 for i in range(MAX_NAMES + 1)}, 0],
        [[1], [], {}, -1],
        [[1], [], {}, None],
    ],
)
def test_malformed_state_is_an_error(plain):
    with pytest.raises(ValueError, match=r".+"):
        RingState.from_plain(plain)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_message_survives_its_plain_form(kind):
    message = Message(kind, state(x=entry(1, "x", 1)), tuple(range(MARKS[kind])))
    plain = json.loads(json.dumps(message.to_plain()))
    assert Message.from_plain(plain) == (message, 0)


@pytest.mark.parametrize("kind", Kind)
def test_message_with_too_many_marks_is_an_error(kind):
    message = Message(kind, state(), tuple(range(MARKS[kind] + 1)))
    with pytest.raises(ValueError, match="a list of"):
        Message.from_plain(message.to_plain())


@pytest.mark.parametrize("mark", [-1, 2**64, "1", None, 1.0])
def test_mark_that_is_no_integer_is_an_error(mark):
    plain = [*Message(Kind.DIGEST, state()).to_plain()[:2], [mark]]
    with pytest.raises(ValueError, match="a mark"):
        Message.from_plain(plain)


@pytest.mark.parametrize("word", ["", "JOIN", None, 3, [], {}])
def test_unknown_kind_is_an_error(word):
    with pytest.raises(ValueError, match="is not a valid Kind"):
        Message.from_plain([word, state().to_plain(), []])


def test_says_more_if_entries_or_lineage_differ():
    held = state(x=entry(1, "x", 1))
    assert not held.says_more_than(replace(held, lamport=99))
    assert held.says_more_than(replace(held, ring_ids=frozenset({1, 2})))
    assert held.says_more_than(replace(held, entries=Registers()))
