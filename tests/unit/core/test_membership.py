"""Each row of the table of who may merge, and each case that it is for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from clusterkit.core.registers import MAX_NAMES
from clusterkit.core.ring_effects import (
    Changed,
    CloseLinks,
    Conflict,
    Dropped,
    HandedOver,
    HandOver,
    LeftRing,
    Persist,
    RemovedFromRing,
    Send,
)
from clusterkit.core.ring_state import Kind, Message, RingState, hash_of

from .ring_playbook import Playbook, address, only

# The table, row by row.


def test_same_ring_takes_the_union_of_what_both_hold():
    play = Playbook("abcd").ring("a", "b")
    play.insert("a", "c")
    play.insert("b", "d")
    play.gossip()
    assert set(play.views().values()) == {"abcd"}


def test_same_ring_unites_the_lineages():
    play = Playbook("abcd").ring("a", "b").ring("c", "d")
    ids = play.a.state.ring_ids | play.c.state.ring_ids
    play.call("a", "meet", "c")
    play.gossip()
    assert {play.nodes[name].state.ring_ids for name in "abcd"} == {ids}


def test_same_ring_answers_a_state_if_it_holds_more():
    play = Playbook("abc").ring("a", "b")
    behind = Message(Kind.STATE, play.a.state).to_plain()
    play.insert("b", "c")
    play.lose_all()
    (reply,) = only(play.call("b", "receive", "a", behind), Send)
    assert (reply.to, reply.message[0]) == ("a", "reply")
    play.gossip()
    assert play.views() == {"a": "abc", "b": "abc", "c": "abc"}


def test_same_ring_does_not_answer_a_state_that_says_it_all():
    play = Playbook("ab").ring("a", "b")
    same = Message(Kind.STATE, play.a.state).to_plain()
    assert play.call("b", "receive", "a", same) == []


def test_a_reply_is_never_answered():
    play = Playbook("abc").ring("a", "b")
    behind = Message(Kind.REPLY, play.a.state).to_plain()
    play.insert("b", "c")
    assert play.call("b", "receive", "a", behind) == []


def test_removed_node_is_alone_in_a_new_ring_and_says_by_whom():
    play = Playbook("abc").ring("a", "b", "c")
    old = play.c.state.ring_ids
    play.call("a", "remove", "c")
    play.run()
    assert play.views()["c"] == "c"
    assert play.c.state.ring_ids.isdisjoint(old)
    assert only(play.seen["c"], RemovedFromRing) == [RemovedFromRing("a")]


def test_removed_node_closes_its_links_and_so_do_the_others():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "remove", "c")
    play.gossip()
    assert only(play.seen["c"], CloseLinks) == [CloseLinks(("a", "b"))]
    assert only(play.seen["b"], CloseLinks) == [CloseLinks(("c",))]


def test_removed_node_hands_over_what_only_it_knew():
    play = Playbook("abcd").ring("a", "b", "c")
    play.insert("c", "d")
    play.lose_all()
    play.call("a", "remove", "c")
    play.run()
    assert play.views()["a"] == "abd"


def test_removed_node_hands_over_to_who_removed_it_first():
    play = Playbook("abcd").ring("a", "b", "c", "d")
    play.call("b", "remove", "d")
    play.run()
    (hand_over,) = only(play.seen["d"], HandOver)
    assert hand_over.candidates[0] == "b"


def test_removed_node_that_knew_nothing_more_hands_nothing_over():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "remove", "c")
    play.lose_all()
    state = Message(Kind.STATE, play.a.state).to_plain()
    assert not only(play.call("c", "receive", "a", state), HandOver)
    assert play.c.owed == ()


def test_stale_peer_of_a_ring_that_was_left_is_told_so():
    play = Playbook("abc").ring("a", "b", "c")
    (hand_over,) = only(play.call("c", "leave"), HandOver)
    _, stale = hand_over.candidates
    play.lost = {stale}
    play.run()
    play.lost = set()
    play.call(stale, "greet", "c")
    assert play.run()[:4] == ["digest", "ask", "state", "left"]
    assert "c" not in play.views()[stale]
    assert play.views()["c"] == "c"


def test_left_tells_one_register_and_nothing_else():
    play = Playbook("abc").ring("a", "b", "c")
    stale = Message(Kind.STATE, play.b.state).to_plain()
    play.call("c", "leave")
    play.run()
    (left,) = only(play.call("c", "receive", "b", stale), Send)
    assert left.message[0] == "left"
    assert [row[0] for row in left.message[1][1]] == ["c"]


def test_foreign_ring_that_lists_this_node_is_its_ring_from_then_on():
    play = Playbook("abc").ring("a", "b")
    play.insert("c", "a")
    play.gossip()
    assert play.views() == {"a": "ac", "b": "b", "c": "ac"}
    assert only(play.seen["a"], LeftRing)[0].moved


def test_node_inserted_at_a_wrong_address_writes_its_own_and_says_so():
    play = Playbook("ab")
    play.call("a", "insert", "b@elsewhere:1", 7)
    play.run()
    assert play.a.members == play.b.members
    assert play.a.find("b") == play.b.node


def test_address_that_a_peer_made_up_is_corrected_by_the_node_itself():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "update", "b@elsewhere:1")
    play.run()
    assert play.a.find("b") == play.b.node


def test_foreign_ring_of_a_lone_node_costs_it_nothing():
    play = Playbook("ab")
    play.insert("b", "a")
    play.run()
    assert play.views() == {"a": "ab", "b": "ab"}
    assert only(play.seen["a"], LeftRing) == []


def test_unrelated_gossip_is_ignored_and_counted():
    play = Playbook("abcd").ring("a", "b").ring("c", "d")
    before = play.a.state
    alien = Message(Kind.STATE, play.c.state).to_plain()
    assert play.call("a", "receive", "c", alien) == [Dropped("c", "foreign")]
    assert play.a.state.entries is before.entries


def test_lamport_time_is_taken_even_from_unrelated_gossip():
    play = Playbook("abc").ring("a", "b")
    alien = Message(Kind.STATE, play.c.state).to_plain()
    alien[1][3] = 77
    play.call("a", "receive", "c", alien)
    assert play.a.state.lamport == 77


def test_lone_asker_comes_into_the_ring_of_the_asked():
    play = Playbook("abc").ring("a", "b")
    ids = play.a.state.ring_ids
    play.call("c", "meet", "a")
    play.gossip()
    assert set(play.views().values()) == {"abc"}
    assert play.c.state.ring_ids == ids


def test_lone_asked_takes_the_ring_of_the_asker():
    play = Playbook("abc").ring("a", "b")
    ids = play.a.state.ring_ids
    play.call("a", "meet", "c")
    play.gossip()
    assert set(play.views().values()) == {"abc"}
    assert play.c.state.ring_ids == ids


def test_two_rings_of_more_than_one_unite():
    play = Playbook("abcd").ring("a", "b").ring("c", "d")
    play.call("b", "meet", "d")
    play.gossip()
    assert set(play.views().values()) == {"abcd"}


def test_a_third_node_that_either_ring_removed_stays_removed():
    play = Playbook("abcd").ring("a", "b", "d").ring("c")
    play.call("c", "meet", "a")
    play.run()
    play.lost = {"c"}
    play.call("b", "remove", "d")
    play.gossip()
    play.lost = set()
    play.gossip()
    assert play.views() == {"a": "abc", "b": "abc", "c": "abc", "d": "d"}


def test_each_speaker_that_was_removed_is_listed_again():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "remove", "b")
    play.lose_all()
    play.call("a", "meet", "b")
    play.gossip()
    assert set(play.views().values()) == {"abc"}


def test_answer_of_another_generation_is_ignored():
    play = Playbook("abc").ring("a", "b")
    play.call("a", "meet", "c")
    play.deliver()
    play.call("a", "leave")
    play.deliver()
    assert Dropped("c", "stale") in play.effects["a"]
    assert play.views()["a"] == "a"


def test_who_ignores_an_answer_is_not_dragged_into_the_ring_of_the_asked():
    play = Playbook("abcd").ring("c", "d")
    play.call("a", "meet", "c")
    play.deliver()
    play.call("a", "leave")
    play.gossip()
    assert play.views() == {"a": "a", "b": "b", "c": "cd", "d": "cd"}


def test_leaving_alone_only_calls_off_what_was_asked():
    play = Playbook("ab")
    assert play.call("a", "leave") == []


def test_a_meeting_with_a_member_is_a_no_op():
    play = Playbook("ab").ring("a", "b")
    assert play.call("a", "meet", "b") == []
    assert play.call("a", "meet", "a") == []


def test_second_answer_adds_nobody_again():
    play = Playbook("ab")
    play.call("a", "meet", "b")
    play.deliver()
    (_, _, answer) = play.wire[0]
    play.run()
    play.call("a", "remove", "b")
    play.lose_all()
    play.call("a", "receive", "b", answer)
    assert play.views()["a"] == "a"


def test_what_the_asker_asked_before_it_left_is_ignored_by_the_ring_it_left():
    play = Playbook("abc").ring("b", "c")
    play.call("a", "meet", "b")
    ((_, _, join),) = play.wire
    play.gossip()
    play.call("a", "leave")
    play.gossip()
    assert play.call("b", "receive", "a", join) == [Dropped("a", "stale")]
    assert play.views() == {"a": "a", "b": "bc", "c": "bc"}


def test_leave_after_answering_holds_although_the_asker_lists_it_anew():
    play = Playbook("abc").ring("b", "c")
    play.call("c", "remove", "a")
    play.call("a", "meet", "b")
    play.deliver()
    play.call("b", "leave")
    play.gossip()
    assert play.views()["b"] == "b"


def test_asked_that_had_removed_the_asker_lists_it_again():
    play = Playbook("abcd").ring("a", "d")
    play.call("a", "receive", "d", late_state(play.d.state, 50))
    play.insert("a", "b")
    play.lose_all()
    play.call("a", "remove", "b")
    play.lose_all()
    play.insert("c", "b")  # c has heard of none of it: its stamp is earlier
    play.run()
    play.call("b", "meet", "a")
    play.deliver()
    assert play.views()["a"] == "abcd"
    play.gossip()
    assert set(play.views().values()) == {"abcd"}


def test_answer_of_one_that_has_left_since_is_ignored():
    play = Playbook("abc").ring("a", "b")
    play.call("c", "meet", "a")
    join = play.wire.pop()
    play.insert("b", "c")
    play.gossip()
    play.wire[:] = [join]
    play.deliver()
    answer = next(m for m in play.wire if m[2][0] == "answer")
    play.lose_all()
    play.call("a", "leave")
    play.gossip()
    play.c._standing.meeting.add("a")
    assert Dropped("a", "stale") in play.call("c", "receive", "a", answer[2])
    assert play.views() == {"a": "a", "b": "bc", "c": "bc"}


def test_answer_of_one_that_does_not_list_itself_is_dropped():
    play = Playbook("ab")
    play.call("a", "meet", "x")
    marks = (1, play.a._standing.generation, 1)
    answer = Message(Kind.ANSWER, play.b.state, marks).to_plain()
    assert play.call("a", "receive", "x", answer) == [Dropped("x", "invalid")]


def test_declining_says_so_at_once():
    play = Playbook("abc").ring("b", "c")
    play.call("a", "meet", "b")
    play.deliver()
    play.call("a", "leave")
    answer = next(m for m in play.wire if m[2][0] == "answer")
    (left,) = only(play.call("a", "receive", "b", answer[2]), Send)
    assert (left.to, left.message[0]) == ("b", "left")


def test_declined_once_a_node_can_meet_any_other_of_that_ring():
    play = Playbook("abcd").ring("a", "d").ring("b", "c")
    play.call("b", "receive", "c", late_state(play.c.state, 50))
    play.lost = {"a"}
    play.insert("b", "a")
    play.run()
    play.lost = set()
    play.call("a", "meet", "b")
    play.deliver()
    answer = next(m for m in play.wire if m[2][0] == "answer")
    play.call("a", "leave")
    play.lose_all()
    play.call("a", "receive", "b", answer[2])
    (declined,) = [m for m in play.wire if m[2][0] == "left"]
    play.lose_all()
    play.call("a", "meet", "c")
    play.run()
    play.wire.append(declined)
    play.gossip()
    assert play.views()["a"] == play.views()["b"] == play.views()["c"]
    assert "a" in play.views()["b"]


def late_state(state, lamport):
    return Message(Kind.STATE, replace(state, lamport=lamport)).to_plain()


def test_ring_joined_first_and_ring_joined_second_hear_of_each_other_at_once():
    play = Playbook("abcd", fanout=4).ring("c", "d")
    play.call("a", "meet", "b")
    join = play.wire.pop()
    play.call("a", "meet", "c")
    play.run()
    play.wire[:] = [join]
    play.run()
    assert set(play.views().values()) == {"abcd"}


def test_ring_that_listed_us_for_an_awaited_peer_gets_the_rest_at_once():
    play = Playbook("abcd").ring("b", "d")
    play.call("a", "meet", "b")
    play.deliver()
    play.lose_all()
    play.insert("c", "a")
    play.run()
    (state,) = [Message(Kind.STATE, play.b.state).to_plain()]
    effects = play.call("a", "receive", "b", state)
    assert ("b", "reply") in [(s.to, s.message[0]) for s in only(effects, Send)]
    assert play.views()["a"] == "abcd"


def test_a_peer_is_awaited_no_more_once_it_speaks_as_a_member():
    play = Playbook("abc").ring("a", "c")
    play.call("a", "meet", "b")
    play.deliver()
    play.wire[:] = [m for m in play.wire if m[2][0] != "answer"]
    play.gossip()
    assert play.views()["a"] == "abc"
    play.call("b", "leave")
    play.gossip()
    play.insert("b", "a")
    play.gossip()
    assert play.views() == {"a": "ab", "b": "ab", "c": "c"}


def test_farewell_of_a_foreign_ring_that_lists_this_node_is_taken():
    play = Playbook("abc").ring("a", "b")
    play.call("a", "insert", address("c"))
    play.lose_all()
    play.call("a", "leave")
    play.lose_all()
    farewell = Message(
        Kind.FAREWELL, next(iter(play.a._standing.owed.values())), play.a.owed
    )
    effects = play.call("c", "receive", "a", farewell.to_plain())
    assert [s.message[0] for s in only(effects, Send) if s.to == "a"] == ["taken"]
    assert play.views()["c"] == "bc"


def test_two_that_remove_each_other_are_alone_and_owe_nothing():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "remove", "b")
    play.call("b", "remove", "a")
    play.gossip()
    assert play.views() == {"a": "a", "b": "b"}
    assert (play.a.owed, play.b.owed) == ((), ())


def test_who_was_removed_tells_a_remover_that_it_had_removed():
    play = Playbook("ab").ring("a", "b")
    play.call("b", "remove", "a")
    play.lose_all()
    play.call("a", "remove", "b")
    play.run()
    assert play.views() == {"a": "a", "b": "b"}
    assert only(play.seen["a"], RemovedFromRing) == [RemovedFromRing("b")]
    assert only(play.seen["b"], RemovedFromRing) == [RemovedFromRing("a")]


# The cases it is for.


def test_leave_told_to_nobody_is_learned_by_whoever_asks():
    play = Playbook("abc").ring("a", "b", "c")
    play.lost = {"c"}
    play.call("c", "leave")
    play.run()
    play.lost = set()
    play.gossip()
    assert play.views() == {"a": "ab", "b": "ab", "c": "c"}


def test_leave_told_to_nobody_loses_no_insert_once_somebody_asks():
    play = Playbook("abcd").ring("a", "b", "c")
    play.lost = {"c"}
    play.insert("c", "d")
    play.call("c", "leave")
    play.run()
    play.lost = set()
    play.gossip()
    assert play.views() == {"a": "abd", "b": "abd", "c": "c", "d": "abd"}


def test_leave_is_handed_over_and_acknowledged():
    play = Playbook("abc").ring("a", "b", "c")
    effects = play.call("c", "leave")
    (left,), (hand_over,) = only(effects, LeftRing), only(effects, HandOver)
    assert left == LeftRing(hand_over.ticket, moved=False)
    assert sorted(hand_over.candidates) == ["a", "b"]
    play.run()
    (handed,) = only(play.seen["c"], HandedOver)
    assert handed == HandedOver(hand_over.ticket, hand_over.candidates[0])
    assert play.c.owed == ()


def test_leave_acknowledged_by_one_reaches_all():
    play = Playbook("abcde").ring("a", "b", "c", "d", "e")
    play.call("e", "leave")
    play.deliver()
    play.lost = {"e"}
    play.gossip()
    assert {play.views()[name] for name in "abcd"} == {"abcd"}


def test_what_nobody_has_taken_over_survives_a_restart():
    play = Playbook("abcd").ring("a", "b", "c")
    play.insert("c", "d")
    play.call("c", "leave")
    play.lose_all()
    (hand_over,) = only(play.restart("c"), HandOver)
    play.run()
    assert play.views()["a" if hand_over.candidates[0] == "a" else "b"] == "abd"
    assert play.c.owed == ()


def test_a_farewell_is_no_reason_to_say_farewell():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "leave")
    play.call("b", "leave")
    play.run()
    assert play.views() == {"a": "a", "b": "b"}


def test_leaver_can_join_again():
    play = Playbook("ab").ring("a", "b")
    play.call("b", "leave")
    play.run()
    play.call("b", "meet", "a")
    play.gossip()
    assert play.views() == {"a": "ab", "b": "ab"}


def test_leaver_can_be_inserted_again():
    play = Playbook("ab").ring("a", "b")
    play.call("b", "leave")
    play.run()
    play.insert("a", "b")
    play.gossip()
    assert play.views() == {"a": "ab", "b": "ab"}


def test_removed_while_down_it_learns_so_when_it_is_back_from_its_file():
    play = Playbook("abc").ring("a", "b", "c")
    play.lost = {"c"}
    play.call("a", "remove", "c")
    play.gossip()
    play.lost = set()
    play.restart("c")
    assert play.views()["c"] == "abc"
    play.gossip()
    assert play.views() == {"a": "ab", "b": "ab", "c": "c"}
    assert only(play.seen["c"], RemovedFromRing) == [RemovedFromRing("a")]


def test_insert_of_a_member_of_another_ring_of_three_leaves_the_other_two():
    play = Playbook("abcde").ring("a", "b").ring("c", "d", "e")
    play.insert("a", "c")
    play.gossip()
    assert play.views() == {"a": "abc", "b": "abc", "c": "abc", "d": "de", "e": "de"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_two_rings_that_insert_one_node_at_once_agree_whose_it_is(order):
    play = Playbook("abcde").ring("a", "b").ring("c", "d")
    play.insert("a", "e")
    play.insert("c", "e")
    to_e = [m for m in play.wire if m[1] == "e"]
    rest = [m for m in play.wire if m[1] != "e"]
    play.wire[:] = [to_e[i] for i in order] + rest
    play.gossip()
    last = "abe" if order[-1] == 0 else "cde"
    assert play.views()["e"] == last
    for name in "abcd":
        assert ("e" in play.views()[name]) == (name in last)


def test_meet_during_leave_ends_as_the_leave_says():
    play = Playbook("abcd").ring("a", "b").ring("c", "d")
    play.call("b", "meet", "c")
    play.call("b", "leave")
    play.gossip()
    assert play.views() == {"a": "acd", "b": "b", "c": "acd", "d": "acd"}


def test_meet_of_a_node_that_is_leaving_makes_them_a_ring():
    play = Playbook("abc").ring("a", "b")
    play.call("c", "meet", "b")
    play.call("b", "leave")
    play.gossip()
    assert play.views() == {"a": "a", "b": "bc", "c": "bc"}


def test_remove_then_meet_lists_it_again():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "remove", "c")
    play.gossip()
    play.call("c", "meet", "b")
    play.gossip()
    assert set(play.views().values()) == {"abc"}


def test_remove_then_meet_by_one_who_has_not_heard_of_the_removal():
    play = Playbook("abcd").ring("a", "b", "c").ring("d")
    play.lost = {"c"}
    play.call("a", "remove", "c")
    play.gossip()
    play.lost = set()
    play.call("a", "meet", "c")
    play.gossip()
    assert {play.views()[name] for name in "abc"} == {"abc"}


def test_wiped_disk_comes_back_into_its_ring():
    play = Playbook("abc").ring("a", "b", "c")
    play.wipe("c", incarnation=2)
    assert play.views()["c"] == "c"
    play.gossip()
    assert set(play.views().values()) == {"abc"}


def test_wiped_disk_counts_on_from_what_its_peers_know_of_it():
    play = Playbook("abc").ring("a", "b")
    play.call("b", "update", address("a"), 5)
    play.call("b", "update", address("a"), 6)
    play.gossip()
    count = play.a.clock.get_count("b")
    play.wipe("b", incarnation=2)
    play.gossip()
    play.call("b", "update", address("a"), 7)
    assert play.b.clock.get_count("b") == count + 1


def test_wiped_disk_keeps_the_weight_it_was_given():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "update", address("b"), 9)
    play.gossip()
    play.wipe("b", incarnation=2)
    play.call("b", "meet", "a")
    play.gossip()
    assert play.b.members == play.a.members
    assert [weight for node, weight in play.b.members.items() if node.id == "b"] == [9]


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_three_that_meet_one_another_at_once_become_one_ring_and_none_leaves(order):
    play = Playbook("abc")
    for one in order:
        for other in reversed(order):
            play.call(one, "meet", other)
    play.gossip()
    assert set(play.views().values()) == {"abc"}
    for name in "abc":
        assert not only(play.seen[name], (LeftRing, RemovedFromRing))


def test_listed_by_an_awaited_peer_counts_as_its_answer():
    play = Playbook("abcd").ring("b", "d")
    play.call("a", "meet", "b")
    play.call("a", "meet", "c")
    join_b, join_c = play.wire
    play.wire[:] = [join_b]
    play.deliver()
    play.lose_all()  # the answer, and what would have told d
    play.lost = {"a"}
    play.call("b", "greet", "d")
    play.run()
    play.lost = set()
    play.wire[:] = [join_c]
    play.run()
    assert play.views()["a"] == "ac"
    play.call("d", "greet", "a")
    play.gossip()
    assert set(play.views().values()) == {"abcd"}
    assert not only(play.seen["a"], LeftRing)


# Concurrency.


def test_concurrent_inserts_of_different_names_both_stand():
    play = Playbook("abcde").ring("a", "b", "c")
    play.insert("a", "d")
    play.insert("b", "e")
    play.gossip()
    assert set(play.views().values()) == {"abcde"}


def test_remove_wins_over_a_concurrent_update_everywhere():
    play = Playbook("abcd").ring("a", "b", "c", "d")
    play.call("a", "remove", "d")
    play.call("b", "update", address("d"), 7)
    play.call("b", "update", address("d"), 8)
    play.gossip()
    assert play.views() == {"a": "abc", "b": "abc", "c": "abc", "d": "d"}


def test_stale_peer_brings_no_removed_name_back():
    play = Playbook("abc").ring("a", "b", "c")
    stale = Message(Kind.STATE, play.b.state).to_plain()
    play.call("a", "remove", "c")
    play.gossip()
    play.call("a", "receive", "b", stale)
    assert play.views()["a"] == "ab"


def test_insert_and_remove_of_one_name_at_once_end_alike_with_a_conflict_at_both():
    play = Playbook("abc").ring("a", "b")
    play.insert("b", "c")
    play.lose_all()
    play.call("b", "remove", "c")
    play.lose_all()
    play.insert("a", "c")
    play.wire[:] = [m for m in play.wire if m[1] == "b"]
    play.gossip()
    assert play.views() == {"a": "ab", "b": "ab", "c": "c"}
    for name, peer in ("ab", "ba"):
        (conflict,) = only(play.seen[name], Conflict)
        assert (conflict.peer, conflict.name) == (peer, "c")


def test_insert_wins_over_a_remove_at_the_same_lamport_time():
    play = Playbook("abc").ring("a", "b")
    play.insert("b", "c")
    play.lose_all()
    play.call("b", "remove", "c")
    play.lose_all()
    play.call("a", "update", address("b"), 3)
    play.insert("a", "c")
    stamps = [play.nodes[name].state.entries["c"].member for name in "ab"]
    assert stamps[0].lamport == stamps[1].lamport
    play.gossip()
    assert set(play.views().values()) == {"abc"}


def test_changes_of_different_names_at_once_are_no_conflict():
    play = Playbook("abcd").ring("a", "b", "c")
    play.insert("a", "d")
    play.call("b", "update", address("c"), 3)
    play.gossip()
    assert not only(itertools.chain(*play.seen.values()), Conflict)


def test_concurrent_weights_are_a_conflict_and_end_alike():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "update", address("c"), 3)
    play.call("b", "update", address("c"), 4)
    play.gossip()
    assert play.a.members == play.b.members == play.c.members
    assert only(play.seen["a"], Conflict)
    assert only(play.seen["b"], Conflict)


# Exchange.


def test_equal_digests_end_the_exchange():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "poll", 1.0)
    assert play.run() == ["digest"]


def test_hashes_are_equal_where_all_is():
    play = Playbook("abc").ring("a", "b")
    before = play.a.hash
    assert before == play.b.hash
    play.insert("a", "c")
    play.lose_all()
    assert play.a.hash != before
    play.call("b", "greet", "a")
    play.run()
    assert play.a.hash == play.b.hash != before


@pytest.mark.parametrize("part", ["ids", "clock", "lamport"])
def test_a_hash_is_of_more_than_the_entries(part):
    play = Playbook("ab").ring("a", "b")
    state = play.a.state
    other = {
        "ids": replace(state, ring_ids=state.ring_ids | {7}),
        "clock": replace(state, clock=state.clock.increment("a")),
        "lamport": replace(state, lamport=state.lamport + 1),
    }
    assert hash_of(other[part]) != hash_of(state) == play.a.hash


def test_who_is_behind_asks_and_who_is_ahead_tells():
    play = Playbook("abc").ring("a", "b")
    play.insert("a", "c")
    play.lose_all()
    play.call("a", "greet", "b")
    assert play.run()[:3] == ["digest", "ask", "state"]
    play = Playbook("abc").ring("a", "b")
    play.insert("a", "c")
    play.lose_all()
    play.call("b", "greet", "a")
    assert play.run()[:2] == ["digest", "state"]


def test_wrong_clock_costs_no_entry():
    play = Playbook("abcd").ring("a", "b")
    play.insert("a", "c")
    play.insert("b", "d")
    play.lose_all()
    for name in "ab":
        standing = play.nodes[name]._standing
        clock = standing.state.clock.update("a", 50).update("b", 50)
        standing.state = standing.state.__class__(
            standing.state.ring_ids, standing.state.entries, clock, 9
        )
    play.gossip()
    assert set(play.views().values()) == {"abcd"}


def test_idle_clock_does_not_grow():
    play = Playbook("ab").ring("a", "b")
    clocks = play.a.clock, play.b.clock
    for second in range(60):
        for name in "ab":
            play.call(name, "poll", float(second))
        assert play.run() == ["digest", "digest"]
    assert (play.a.clock, play.b.clock) == clocks


def test_clocks_become_equal_when_states_are():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "update", address("b"), 3)
    play.gossip()
    assert play.a.clock == play.b.clock == play.c.clock


def test_clock_has_one_actor_per_node_however_many_operations():
    play = Playbook("abc").ring("a", "b", "c")
    for weight in range(1, 100):
        play.call("abc"[weight % 3], "update", address("a"), weight)
        play.run()
    assert play.a.clock.nodes() <= {"a", "b", "c"}


def test_alone_polls_nobody():
    assert Playbook("a").call("a", "poll", 1.0) == []


def test_poll_chooses_among_all_others():
    play = Playbook("abcd").ring("a", "b", "c", "d")
    told = {only(play.call("a", "poll", 1.0), Send)[0].to for _ in range(60)}
    assert told == {"b", "c", "d"}


def test_a_change_is_told_to_as_many_as_the_fanout_says():
    play = Playbook("abcdef", fanout=2).ring("a", "b", "c", "d", "e", "f")
    sends = only(play.call("a", "update", address("b"), 3), Send)
    assert [send.message[0] for send in sends] == ["delta", "delta"]
    assert len({send.to for send in sends}) == 2


def test_news_are_passed_on_once():
    play = Playbook("abcd", fanout=3).ring("a", "b", "c", "d")
    play.call("a", "update", address("b"), 3)
    delta = next(m for _, to, m in play.wire if to == "b")
    assert {send.to for send in only(play.call("b", "receive", "a", delta), Send)} == {
        "c",
        "d",
    }
    assert play.call("b", "receive", "a", delta) == []


def test_delta_of_a_foreign_ring_that_lists_this_node_is_asked_for_the_rest():
    play = Playbook("abc").ring("a", "b")
    play.insert("a", "c")
    delta = next(m for _, to, m in play.wire if to == "b")
    (ask,) = only(play.call("c", "receive", "a", delta), Send)
    assert (ask.to, ask.message[0]) == ("a", "ask")


def test_equal_digests_of_two_lineages_unite_them_at_both():
    play = Playbook("ab").ring("a", "b")
    standing = play.a._standing
    standing.become(play.a.state.merge(RingState(frozenset({7}))))
    play.call("b", "greet", "a")
    assert play.run() == ["digest", "digest"]
    assert play.a.state.ring_ids == play.b.state.ring_ids
    assert 7 in play.b.state.ring_ids


def test_ask_of_a_lineage_less_is_not_answered_with_one_more():
    play = Playbook("ab").ring("a", "b")
    ask = Message(
        Kind.ASK,
        RingState(play.b.state.ring_ids, clock=play.b.clock),
        (play.b.state.entries.digest,),
    )
    play.a._standing.become(play.a.state.merge(RingState(frozenset({7}))))
    assert only(play.call("a", "receive", "b", ask.to_plain()), Send) == []


def test_ask_is_answered_with_a_state_whatever_the_clocks_say():
    play = Playbook("abc").ring("a", "b")
    play.insert("b", "c")
    play.lose_all()
    state = play.b.state
    ask = Message(
        Kind.ASK, RingState(state.ring_ids, clock=state.clock), (state.entries.digest,)
    )
    (answer,) = only(play.call("a", "receive", "b", ask.to_plain()), Send)
    assert answer.message[0] == "state"


def test_ask_of_a_stranger_is_ignored_and_counted():
    play = Playbook("abc").ring("a", "b")
    ask = Message(Kind.ASK, RingState(frozenset({9})), (0,)).to_plain()
    assert play.call("a", "receive", "c", ask) == [Dropped("c", "foreign")]


def test_delta_does_not_hide_a_conflict_about_what_it_left_out():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("b", "update", address("c"), 5)
    play.lose_all()
    play.call("b", "update", address("b"), 6)
    second = next(m for _, to, m in play.wire if to == "a")
    play.lose_all()
    play.call("a", "update", address("c"), 7)
    play.call("a", "receive", "b", second)
    play.gossip()
    assert only(play.seen["a"], Conflict)


def test_delta_of_more_lineages_is_asked_for_the_rest():
    play = Playbook("abcd", fanout=1).ring("a", "b").ring("c", "d")
    play.call("a", "meet", "c")
    play.deliver()
    delta = next(m for _, to, m in play.wire if m[0] == "delta")
    before = play.b.state
    (ask,) = only(play.call("b", "receive", "c", delta), Send)
    assert (ask.to, ask.message[0]) == ("c", "ask")
    assert (play.b.state.ring_ids, play.b.state.entries) == (
        before.ring_ids,
        before.entries,
    )


def test_leave_that_is_learned_late_is_no_conflict():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "update", address("b"), 5)
    play.gossip()
    stale = Message(Kind.STATE, play.a.state).to_plain()
    play.call("b", "leave")
    play.b._standing.owed.clear()
    play.lose_all()
    play.call("b", "receive", "a", stale)
    play.run()
    assert play.views()["a"] == "a"
    assert not only(play.seen["a"], Conflict)


# Effects.


def test_what_changed_is_saved_before_it_is_told():
    play = Playbook("ab")
    effects = play.insert("a", "b")
    assert effects[0] == Persist()
    assert sum(isinstance(effect, Persist) for effect in effects) == 1


def test_nothing_is_saved_where_nothing_changed():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "poll", 1.0)
    play.run()
    assert not only(itertools.chain(*play.seen.values()), Persist)


@pytest.mark.parametrize(
    ("operation", "arguments", "cause"),
    [
        ("insert", (address("c"),), "insert"),
        ("update", (address("b"), 3), "update"),
        ("update", (address("c"), 3), "update"),
        ("remove", ("b",), "remove"),
        ("leave", (), "leave"),
        ("move", ("a@elsewhere:1",), "address"),
    ],
)
def test_own_operation_reports_its_cause(operation, arguments, cause):
    play = Playbook("abc").ring("a", "b")
    old = play.a.members
    (changed,) = only(play.call("a", operation, *arguments), Changed)
    assert changed == Changed(old, play.a.members, cause)
    assert old != play.a.members


def test_change_learned_from_a_peer_reports_merge_and_a_removal_remove():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "update", address("c"), 3)
    play.run()
    assert [c.cause for c in only(play.seen["b"], Changed)] == ["merge"]
    play.call("a", "remove", "c")
    play.run()
    assert [c.cause for c in only(play.seen["c"], Changed)] == ["merge", "remove"]


def test_weight_only_change_is_reported_at_every_member():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "update", address("c"), 3)
    play.gossip()
    for name in "abc":
        (changed,) = only(play.seen[name], Changed)
        assert [node.id for node in changed.new] == ["a", "b", "c"]


def test_members_come_by_name_with_their_weights():
    play = Playbook("abc").ring("c", "b", "a")
    assert [node.id for node in play.a.members] == ["a", "b", "c"]
    assert set(play.a.members.values()) == {128}


@pytest.mark.parametrize(
    "message",
    [None, 7, [], ["state"], ["nonsense", [[1], [], {}, 0], []], ["state", [], []]],
)
def test_malformed_message_is_dropped_and_counted(message):
    play = Playbook("a")
    assert play.call("a", "receive", "b", message) == [Dropped("b", "invalid")]


def test_invalid_entry_is_dropped_and_counted_and_the_others_stand():
    play = Playbook("abcd").ring("a", "b")
    play.insert("b", "c", "d")
    message = Message(Kind.STATE, play.b.state).to_plain()
    next(row for row in message[1][1] if row[0] == "c")[2][3] = -1
    effects = play.call("a", "receive", "b", message)
    assert Dropped("b", "invalid", 1) in effects
    assert play.views()["a"] == "abd"


def test_message_in_its_own_name_is_ignored():
    play = Playbook("ab").ring("a", "b")
    message = Message(Kind.STATE, play.b.state).to_plain()
    assert play.call("a", "receive", "a", message) == [Dropped("a", "foreign")]


def test_join_by_one_that_does_not_list_itself_is_dropped():
    play = Playbook("ab")
    join = Message(Kind.JOIN, play.b.state, (1, 0)).to_plain()
    assert play.call("a", "receive", "x", join) == [Dropped("x", "invalid")]


def lineage(state, first, count):
    """What a peer says of the same ring, with `count` more ids."""
    ids = state.ring_ids | set(range(first, first + count))
    return Message(Kind.STATE, replace(state, ring_ids=ids)).to_plain()


def test_a_lineage_never_grows_beyond_what_can_be_told():
    """Else nobody could read this node's state, nor this node its own file."""
    play = Playbook("ab").ring("a", "b")
    state = play.a.state
    for number in range(3):
        play.call("a", "receive", "b", lineage(state, number * 10**6, 9_000))
    assert len(play.a.state.ring_ids) <= MAX_NAMES
    assert RingState.from_plain(play.a.state.to_plain())[0] == play.a.state
    assert [e.what for e in play.seen["a"] if isinstance(e, Dropped)] == ["full"] * 2
    play.insert("a", "c")
    play.gossip()
    assert play.views()["b"] == "abc"


def test_what_is_owed_to_a_ring_of_too_long_a_lineage_stays_owed():
    play = Playbook("abc").ring("a", "b")
    play.call("a", "leave")
    play.lose_all()
    (ticket,) = play.a.owed
    standing = play.a._standing
    owed = standing.owed[ticket]
    standing.owed[ticket] = replace(owed, ring_ids=owed.ring_ids | {MAX_NAMES})
    many = owed.ring_ids | set(range(MAX_NAMES - 1))
    standing.become(replace(standing.state, ring_ids=many))
    assert play.a.owed == (ticket,)
