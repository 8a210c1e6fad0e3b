"""What is saved is taken up again whole, or refused; what is old is forgotten."""

from __future__ import annotations

import json
from functools import reduce
from operator import getitem
from random import Random

import pytest

from clusterkit.config import TOMBSTONE_TTL
from clusterkit.core.membership import Membership
from clusterkit.core.registers import LATEST, U64
from clusterkit.core.ring_effects import Persist
from clusterkit.core.ring_state import Kind, Message
from clusterkit.errors import StateError

from .ring_playbook import Playbook, address, only

DAY = 86_400.0


def restore(saved, now=0.0, name="a"):
    return Membership.restore(saved, address(name), rng=Random(1), now=now)


def test_restored_node_is_where_it_was():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("b", "remove", "c")
    play.gossip()
    before = play.b.state
    play.restart("b")
    assert play.b.state == before


def test_restored_node_remembers_the_rings_it_left():
    play = Playbook("abc").ring("a", "b", "c")
    stale = Message(Kind.STATE, play.b.state).to_plain()
    play.call("c", "leave")
    play.run()
    play.restart("c")
    play.call("c", "receive", "b", stale)
    assert play.views()["c"] == "c"


def test_restored_node_has_a_higher_incarnation():
    saved = Membership(address("a"), incarnation=50, rng=Random(1)).to_plain(0.0)
    assert restore(saved, now=0.0).incarnation == 51
    assert restore(saved, now=7.0).incarnation == 7000


def test_restored_node_saves_its_incarnation_first_of_all():
    saved = Membership(address("a"), incarnation=50, rng=Random(1)).to_plain(0.0)
    assert restore(saved).start()[0] == Persist()


def test_restored_node_at_another_address_writes_its_own():
    play = Playbook("ab").ring("a", "b")
    play.restart("b", host="elsewhere")
    play.gossip()
    assert str(play.a.find("b")) == "b@elsewhere:7001"


def test_restored_node_goes_on_counting():
    play = Playbook("ab").ring("a", "b")
    play.call("b", "update", address("a"), 5)
    play.gossip()
    count, lamport = play.b.clock.get_count("b"), play.b.state.lamport
    play.restart("b")
    play.call("b", "update", address("a"), 6)
    assert play.b.clock.get_count("b") == count + 1
    assert play.b.state.lamport > lamport


def test_restored_node_counts_on_from_what_its_peers_know_of_it():
    play = Playbook("ab").ring("a", "b")
    old = dict(play.disks)
    for weight in range(1, 6):
        play.call("b", "update", address("a"), weight)
    play.gossip()
    play.disks = old
    play.restart("b")
    play.gossip()
    play.call("b", "update", address("a"), 9)
    assert play.b.clock.get_count("b") == play.a.clock.get_count("b") + 1


def test_answer_to_what_an_earlier_life_asked_is_declined():
    play = Playbook("abc").ring("b", "c")
    play.call("a", "meet", "b")
    play.deliver()
    play.restart("a")
    play.gossip()
    assert play.views() == {"a": "a", "b": "bc", "c": "bc"}


def test_after_a_declined_answer_the_node_can_meet_another_of_that_ring():
    play = Playbook("abc").ring("b", "c")
    play.call("b", "update", address("c"), 5)
    play.gossip()
    play.call("a", "meet", "b")
    play.deliver()
    play.restart("a")
    answer = next(m for m in play.wire if m[2][0] == "answer")
    play.lose_all()
    play.call("a", "receive", "b", answer[2])
    late = play.wire.pop()
    play.call("a", "meet", "c")
    play.run()
    play.wire.append(late)
    play.gossip()
    assert set(play.views().values()) == {"abc"}


def test_state_older_than_removals_are_remembered_is_refused():
    saved = Membership(address("a"), incarnation=1, rng=Random(1)).to_plain(DAY)
    assert restore(saved, now=8 * DAY).name == "a"
    with pytest.raises(StateError, match=r"7\.0 days old.*meet"):
        restore(saved, now=8 * DAY + 1)


def test_state_from_the_future_counts_as_new():
    saved = Membership(address("a"), incarnation=1, rng=Random(1)).to_plain(DAY)
    assert restore(saved, now=0.0).name == "a"


def test_state_of_another_node_is_refused():
    saved = Membership(address("a"), incarnation=1, rng=Random(1)).to_plain(0.0)
    with pytest.raises(StateError, match="that of 'a', not of b"):
        restore(saved, name="b")


def damaged():
    play = Playbook("abc").ring("a", "b", "c")
    play.insert("a", "c")
    play.call("a", "leave")
    good = json.dumps(play.a.to_plain(0.0))
    yield None
    yield []
    for field in json.loads(good):
        for value in (None, -1, "x", [[]]):
            yield {**json.loads(good), field: value}
    entry = json.loads(good)
    entry["state"][1][0][2][3] = 0
    yield entry
    debt = json.loads(good)
    debt["owed"][0][1][1] = []
    yield debt
    nobody = json.loads(good)
    nobody["state"][1] = []
    yield nobody
    for late in (LATEST + 1, U64):
        yield {**json.loads(good), "incarnation": late}
        for place in (["state", 3], ["state", 2, "a"], ["left", 0, 1, 0]):
            beyond = json.loads(good)
            *way, last = place
            reduce(getitem, way, beyond)[last] = late
            yield beyond


@pytest.mark.parametrize("saved", list(damaged()))
def test_damaged_state_is_refused_with_the_remedy(saved):
    with pytest.raises(StateError, match="move the file away"):
        restore(saved)


def test_removal_is_forgotten_after_its_time_and_its_actor_with_it():
    play = Playbook("ab").ring("a", "b")
    play.call("b", "update", address("a"), 5)
    play.gossip()
    play.call("a", "poll", 100.0)
    play.call("a", "remove", "b")
    play.lose_all()
    play.call("a", "expire", 100.0 + TOMBSTONE_TTL - 1)
    assert "b" in play.a.state.entries
    assert play.a.clock.has("b")
    assert play.call("a", "expire", 100.0 + TOMBSTONE_TTL) == [Persist()]
    assert "b" not in play.a.state.entries
    assert not play.a.clock.has("b")


def test_rings_left_are_forgotten_with_the_removals():
    play = Playbook("ab").ring("a", "b")
    play.call("b", "leave")
    play.lose_all()
    left = play.b.to_plain(0.0)["left"]
    assert len(left) >= 1
    assert len(play.b.to_plain(0.0)["owed"]) == 1
    play.call("b", "expire", TOMBSTONE_TTL)
    saved = play.b.to_plain(TOMBSTONE_TTL)
    assert (saved["left"], saved["owed"]) == ([], [])


def test_age_of_a_removal_survives_the_file():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "remove", "b")
    play.lose_all()
    play.disks["a"] = play.a.to_plain(3 * DAY)
    play.restart("a", now=4 * DAY)
    play.call("a", "expire", 7 * DAY - 1)
    assert "b" in play.a.state.entries
    play.call("a", "expire", 7 * DAY)
    assert "b" not in play.a.state.entries


def test_removal_is_no_younger_for_having_been_told():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "remove", "c")
    play.wire[:] = []
    for name in "ab":
        play.call(name, "expire", 6 * DAY)
    play.gossip()
    play.call("b", "expire", 7 * DAY)
    assert "c" not in play.b.state.entries


def test_last_to_forget_a_removal_does_not_bring_it_back_to_the_first():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "remove", "c")
    play.gossip()
    play.call("a", "expire", 7 * DAY)
    play.call("b", "expire", 7 * DAY - 5)
    play.forget()
    play.gossip()
    assert "c" not in play.a.state.entries
    assert not only(play.seen["a"], Persist)
    play.call("b", "expire", 7 * DAY)
    play.forget()
    play.call("b", "greet", "a")
    assert play.run() == ["digest"]


def test_removal_about_to_be_forgotten_still_removes():
    play = Playbook("abc").ring("a", "b", "c")
    play.lost = {"b"}
    play.call("a", "remove", "c")
    play.gossip()
    play.lost = set()
    for name in "ab":
        play.call(name, "expire", 7 * DAY - 5)
    play.gossip()
    assert play.views()["b"] == "ab"


def test_quiet_ring_is_saved_now_and_then_so_that_its_file_does_not_age():
    play = Playbook("ab").ring("a", "b")
    saves = []
    for hour in range(1, 25):
        play.now = hour * 3600.0
        saves += only(play.call("a", "poll", play.now), Persist)
    assert 1 <= len(saves) <= 3
