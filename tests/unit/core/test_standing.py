"""Stamps, moves between rings, and what is remembered of them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from clusterkit.core.registers import MAX_NAMES, Entry, Stamp
from clusterkit.core.ring_state import RingState
from clusterkit.core.standing import MAX_OWED, Standing
from clusterkit.names import NodeInfo

B = NodeInfo("b", "host", 2)
C = NodeInfo("c", "host", 3)


def make(name="a", lamport=0):
    node = NodeInfo(name, "host", 1)
    standing = Standing(node, incarnation=1, rng=Random(name), weight=128, now=0.0)
    standing.hear(lamport)
    return standing


def stamp(lamport, present=False, name="a"):
    return Stamp(lamport, present, name, 1, 0)


def member(standing, name):
    return standing.state.entries[name].member


def test_new_node_is_alone_at_lamport_time_0_and_no_clock_knows_it():
    standing = make()
    assert standing.alone
    assert member(standing, "a").lamport == 0
    assert standing.state.clock.size() == 0


def test_every_operation_has_its_own_lamport_time_and_its_own_tick():
    standing = make(lamport=7)
    standing.enlist({B: 1})
    standing.enlist({C: 1})
    assert [member(standing, name)[:2] for name in "bc"] == [(8, True), (9, True)]
    assert [member(standing, name).tick for name in "bc"] == [1, 2]
    assert standing.state.clock.get_count("a") == 2


def test_a_peer_that_is_not_known_is_listed_as_of_the_time_it_spoke():
    standing = make(lamport=50)
    standing.welcome(B, 3, spoke=7)
    assert member(standing, "b")[:3] == (7, True, "a")
    assert standing.state.entries["b"].record.stamp.lamport == 51


def test_a_peer_that_is_listed_since_then_stays_so():
    standing = make(lamport=50)
    standing.enlist({B: 1})
    before = member(standing, "b")
    standing.welcome(B, 3, spoke=7)
    assert member(standing, "b") == before
    standing.welcome(B, 3, spoke=60)
    assert member(standing, "b").lamport == 60


def test_a_peer_that_was_removed_is_listed_at_that_very_time_and_so_wins():
    standing = make(lamport=50)
    standing.enlist({B: 1})
    standing.remove(["b"])
    removed = member(standing, "b")
    standing.hear(90)
    standing.welcome(B, 3, spoke=7)
    assert member(standing, "b") > removed
    assert member(standing, "b").lamport == removed.lamport


def test_leaving_later_than_one_spoke_wins_over_being_listed_for_it():
    standing = make(lamport=50)
    standing.welcome(B, 3, spoke=7)
    assert stamp(8, name="b") > member(standing, "b")


def test_the_latest_parting_of_any_of_its_ids_is_that_of_a_ring():
    standing = make()
    standing.part([1, 2], stamp(5))
    standing.part([2, 3], stamp(9))
    assert standing.parting(RingState(frozenset({1}))) == stamp(5)
    assert standing.parting(RingState(frozenset({1, 2}))) == stamp(9)
    assert standing.parting(RingState(frozenset({4}))) is None


def test_an_earlier_parting_does_not_replace_a_later_one():
    standing = make()
    standing.part([1], stamp(9))
    standing.part([1], stamp(5))
    assert standing.parting(RingState(frozenset({1}))) == stamp(9)


def test_partings_are_bounded_and_the_oldest_goes():
    standing = make()
    standing.part(range(MAX_NAMES), stamp(5))
    standing.part([MAX_NAMES], stamp(6))
    assert len(standing.left) == MAX_NAMES
    assert 0 not in standing.left


def test_debts_are_bounded_and_the_oldest_goes():
    standing = make()
    tickets = []
    for _ in range(MAX_OWED + 1):
        standing.enlist({B: 1})
        tickets.append(standing.leave())
    assert list(standing.owed) == tickets[1:]


def test_nothing_is_owed_by_one_who_was_alone():
    standing, other = make(), make("b")
    other.enlist({standing.node: 1})
    assert standing.adopt(other.state) is None
    assert standing.owed == {}


def test_coming_into_a_ring_from_alone_calls_no_meeting_off():
    standing, other = make(), make("b")
    standing.meeting.add("c")
    other.enlist({standing.node: 1})
    standing.adopt(other.state)
    assert (standing.meeting, standing.generation) == ({"c"}, 0)


@pytest.mark.parametrize("then", [False, True])
def test_leaving_others_calls_meetings_off(then):
    standing, other = make(), make("b")
    standing.enlist({C: 1})
    standing.meeting.add("c")
    other.enlist({standing.node: 1})
    if then:
        standing.adopt(other.state)
    else:
        standing.leave()
    assert (standing.meeting, standing.generation) == (set(), 1)


def test_lone_moves_are_seen_by_nobody_and_tick_no_clock():
    standing, other = make(), make("b")
    other.enlist({standing.node: 1})
    standing.adopt(other.state)
    assert standing.state.clock.nodes() == {"b"}


def test_own_count_and_lamport_time_never_fall_in_whatever_ring():
    standing, other = make(lamport=70), make("b")
    standing.enlist({C: 1})
    standing.enlist({C: 2})
    count = standing.state.clock.get_count("a")
    other.enlist({standing.node: 1})
    standing.adopt(other.state)
    assert standing.state.clock.get_count("a") > count
    assert standing.state.lamport > 70


def test_own_count_goes_on_from_what_the_ring_knows():
    standing, other = make(), make("b")
    other.enlist({standing.node: 1})
    clock = other.state.clock.update("a", 40)
    standing.adopt(RingState(frozenset({5}), other.state.entries, clock, 3))
    standing.enlist({C: 1})
    assert standing.state.clock.get_count("a") == 41


def test_who_comes_back_takes_what_it_owed_to_the_ring():
    standing, other = make(), make("b", lamport=90)
    standing.enlist({B: 1})
    other.adopt(standing.state)
    standing.enlist({C: 1})
    standing.leave()
    other.enlist({standing.node: 1})  # it has not heard of the leaving
    standing.adopt(other.state)
    assert standing.state.entries.lists("c")
    assert standing.owed == {}


def test_who_comes_back_over_its_own_leaving_is_listed_anew():
    standing = make()
    standing.enlist({B: 1, C: 1})
    before = standing.state
    standing.remove(["c"])
    standing.leave()
    left = next(iter(standing.owed.values())).entries["a"].member
    standing.become(before)
    assert standing.state.entries.present == ("a", "b")
    assert member(standing, "a") > left
    assert standing.owed == {}


def test_debt_that_says_who_removed_this_node_is_left_to_the_others():
    standing = make()
    standing.enlist({B: 1})
    before = standing.state
    gone = Entry(stamp(9, name="b"), before.entries["a"].record)
    last = replace(before, entries=before.entries.put({"a": gone}))
    ticket = standing.depart(last, owe=True)
    standing.become(before)
    assert list(standing.owed) == [ticket]
    assert standing.state.entries["a"] == before.entries["a"]


def test_clock_keeps_to_the_names_in_the_map():
    standing = make()
    standing.enlist({B: 1})
    clock = standing.state.clock.update("x", 3)
    standing.become(
        RingState(standing.state.ring_ids, standing.state.entries, clock, 9)
    )
    assert standing.state.clock.nodes() == {"a"}


def test_own_record_is_corrected_and_keeps_its_weight():
    standing, other = make(), make("b")
    other.enlist({NodeInfo("a", "elsewhere", 9): 5})
    standing.adopt(other.state)
    standing.settle()
    entry = standing.state.entries["a"]
    assert (entry.node("a"), entry.record.weight) == (standing.node, 5)


def test_debt_that_would_make_the_ring_too_large_stays_owed():
    def nodes(word, n):
        return {NodeInfo(f"{word}{i}", "host", 1): 1 for i in range(n)}

    standing, other = make(), make("b", lamport=90)
    standing.enlist({B: 1})
    other.adopt(standing.state)
    standing.enlist(nodes("x", MAX_NAMES // 2))
    (ticket,) = [standing.leave()]
    other.enlist({standing.node: 1, **nodes("y", MAX_NAMES // 2)})
    standing.adopt(other.state)
    assert list(standing.owed) == [ticket]
    assert standing.state.entries == other.state.entries
    gone = [n.id for n in nodes("y", MAX_NAMES // 2)]
    standing.remove(gone)
    standing.forget(standing.now + 100, 50)  # now there is room
    assert standing.owed == {}
