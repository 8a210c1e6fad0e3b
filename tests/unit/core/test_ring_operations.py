"""What an operator may ask, what is refused, and what is a no-op."""

from __future__ import annotations

import pytest

from clusterkit.core.registers import MAX_NAMES
from clusterkit.core.ring_effects import Send
from clusterkit.errors import ConfigError, RingError
from clusterkit.names import NodeInfo

from .ring_playbook import Playbook, address, only

BAD_WEIGHTS = [0, -1, float("nan"), True, False, 1.5, "3", 65_537]


def weights(membership):
    return {node.id: weight for node, weight in membership.members.items()}


def test_insert_of_a_present_name_at_its_address_is_a_no_op():
    play = Playbook("ab").ring("a", "b")
    before = play.a.state
    assert play.call("a", "insert", address("b"), 7) == []
    assert play.a.state == before


def test_insert_of_a_present_name_elsewhere_names_both_addresses():
    play = Playbook("ab").ring("a", "b")
    with pytest.raises(RingError, match=r"host:7001.*elsewhere:1.*update"):
        play.a.insert("b@elsewhere:1")


def test_insert_of_this_node_is_a_no_op_or_refused_like_any_other():
    play = Playbook("a")
    assert play.call("a", "insert", address("a")) == []
    with pytest.raises(RingError, match="is a member at"):
        play.a.insert("a@elsewhere:1")


def test_insert_without_a_weight_takes_the_default():
    play = Playbook("ab", weight=9)
    play.insert("a", "b")
    assert weights(play.a) == {"a": 9, "b": 9}


def test_insert_with_a_weight_takes_it():
    play = Playbook("ab")
    play.call("a", "insert", address("b"), 1)
    assert weights(play.a)["b"] == 1


def test_insert_takes_a_node_or_its_text():
    play = Playbook("ab")
    play.call("a", "insert", NodeInfo("b", "host", 7001))
    assert play.call("a", "insert", "b@host:7001") == []


def test_insert_sends_the_whole_ring_to_the_new_node():
    play = Playbook("abc").ring("a", "b")
    sends = only(play.insert("a", "c"), Send)
    assert [send.message[0] for send in sends if send.to == "c"] == ["state"]


@pytest.mark.parametrize("weight", BAD_WEIGHTS)
@pytest.mark.parametrize("operation", ["insert", "update"])
@pytest.mark.parametrize("name", ["b", "c"])
def test_bad_weight_is_refused_and_changes_nothing(operation, name, weight):
    play = Playbook("abc").ring("a", "b")
    before = play.a.state
    if (operation, name) == ("insert", "b"):
        name = "c"  # a no-op checks its weight as well, see below
    with pytest.raises(RingError, match="a weight is an integer from 1"):
        getattr(play.a, operation)(address(name), weight)
    assert play.a.state is before


def test_bad_weight_is_refused_even_where_nothing_would_change():
    play = Playbook("ab").ring("a", "b")
    with pytest.raises(RingError, match="a weight"):
        play.a.insert(address("b"), 0)


@pytest.mark.parametrize("weight", BAD_WEIGHTS)
def test_bad_default_weight_is_refused(weight):
    with pytest.raises(RingError, match="a weight"):
        Playbook("a", weight=weight)


@pytest.mark.parametrize(
    "node", ["b", "b@host", "@host:1", "b@host:0", "b@:1", "-@h:1"]
)
@pytest.mark.parametrize("operation", ["insert", "update", "move"])
def test_bad_node_is_refused(operation, node):
    with pytest.raises(ConfigError):
        getattr(Playbook("a").a, operation)(node)


def test_minsert_leaves_present_ones_and_this_node_as_they_are():
    play = Playbook("abcd").ring("a", "b")
    play.call("a", "update", address("b"), 7)
    nodes = [address(name) for name in "abcd"]
    play.call("a", "minsert", nodes, 2)
    assert weights(play.a) == {"a": 128, "b": 7, "c": 2, "d": 2}
    assert play.call("a", "minsert", nodes, 2) == []


def test_minsert_is_one_operation():
    play = Playbook("abcd")
    before = play.a.clock.get_count("a") or 0
    play.insert("a", "b", "c", "d")
    assert play.a.clock.get_count("a") == before + 1


def test_minsert_with_one_at_another_address_inserts_none():
    play = Playbook("abc").ring("a", "b")
    with pytest.raises(RingError, match="use update"):
        play.a.minsert([address("c"), "b@elsewhere:1"])
    assert not play.a.lists("c")


def test_minsert_of_one_name_at_two_addresses_is_refused():
    play = Playbook("a")
    with pytest.raises(RingError, match="use update"):
        play.a.minsert(["b@host:1", "b@host:2"])


def test_more_names_than_a_ring_holds_are_refused():
    play = Playbook("a")
    play.a.minsert([f"n{i}@host:{i + 1}" for i in range(MAX_NAMES - 1)])
    with pytest.raises(RingError, match="at most 10000 names"):
        play.a.insert("one-more@host:1")
    assert len(play.a.members) == MAX_NAMES


def test_merge_to_more_names_than_a_ring_holds_is_dropped():
    play = Playbook("ab").ring("a", "b")
    play.b.minsert([f"n{i}@host:{i + 1}" for i in range(MAX_NAMES - 2)])
    play.call("a", "insert", "one-more@host:1")
    play.call("b", "greet", "a")
    play.wire[:] = [m for m in play.wire if m[1] == "a"]
    play.deliver()
    play.run()
    assert any(
        e.what == "full" for n in "ab" for e in play.seen[n] if hasattr(e, "what")
    )
    assert len(play.a.state.entries) < MAX_NAMES


def test_update_without_a_weight_leaves_it():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "update", address("b"), 7)
    play.call("a", "update", "b@elsewhere:1")
    assert play.a.members[NodeInfo("b", "elsewhere", 1)] == 7


def test_update_that_changes_nothing_is_a_no_op():
    play = Playbook("ab").ring("a", "b")
    assert play.call("a", "update", address("b")) == []
    assert play.call("a", "update", address("b"), 128) == []


def test_update_of_an_absent_name_inserts_it():
    play = Playbook("ab")
    play.call("a", "update", address("b"), 4)
    play.gossip()
    assert weights(play.b) == {"a": 128, "b": 4}


def test_update_moves_a_node_until_it_says_where_it_is():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "update", "b@elsewhere:1")
    assert play.a.find("b") == NodeInfo("b", "elsewhere", 1)
    play.gossip()
    assert play.a.find("b") == NodeInfo("b", "host", 7001)


def test_update_of_this_node_elsewhere_is_refused():
    play = Playbook("a")
    with pytest.raises(RingError, match="listens on a@host:7000"):
        play.a.update("a@elsewhere:1")


def test_update_of_this_nodes_weight_is_fine():
    play = Playbook("a")
    play.call("a", "update", address("a"), 4)
    assert weights(play.a) == {"a": 4}


def test_update_writes_the_record_only():
    play = Playbook("ab").ring("a", "b")
    member = play.a.state.entries["b"].member
    play.call("a", "update", address("b"), 4)
    assert play.a.state.entries["b"].member == member


def test_remove_of_an_absent_name_is_a_no_op():
    play = Playbook("ab")
    assert play.call("a", "remove", "b") == []
    play.ring("a", "b").call("a", "remove", "b")
    assert play.call("a", "remove", "b") == []


def test_remove_of_this_node_says_use_leave():
    with pytest.raises(RingError, match="use leave"):
        Playbook("a").a.remove("a")


def test_remove_of_what_is_no_name_is_refused():
    with pytest.raises(ConfigError, match="node id"):
        Playbook("a").a.remove("b@host:1")


def test_mremove_leaves_this_node_out():
    play = Playbook("abc").ring("a", "b", "c")
    play.call("a", "mremove", ["a", "b", "c", "x"])
    assert play.views()["a"] == "a"
    assert play.call("a", "mremove", ["a"]) == []


def test_mremove_tells_each_of_them():
    play = Playbook("abc").ring("a", "b", "c")
    sends = only(play.call("a", "mremove", ["b", "c"]), Send)
    assert sorted(send.to for send in sends) == ["b", "c"]
    play.run()
    assert play.views() == {"a": "a", "b": "b", "c": "c"}


def test_removed_name_can_be_inserted_again_at_another_address():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "remove", "b")
    play.call("a", "insert", "b@elsewhere:1", 3)
    assert play.a.members[NodeInfo("b", "elsewhere", 1)] == 3


def test_where_a_removed_node_listened_is_still_known():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "remove", "b")
    assert play.a.find("b") == NodeInfo("b", "host", 7001)
    assert play.a.find("x") is None


def test_move_writes_the_own_record():
    play = Playbook("ab").ring("a", "b")
    play.call("a", "move", "a@elsewhere:1")
    play.gossip()
    assert play.b.find("a") == NodeInfo("a", "elsewhere", 1) == play.a.node


def test_move_to_where_it_is_changes_nothing():
    assert Playbook("a").a.move(address("a")) == []


def test_move_of_another_node_is_refused():
    with pytest.raises(RingError, match="this node is a"):
        Playbook("a").a.move(address("b"))


def test_greeting_is_for_members_only():
    play = Playbook("ab")
    assert play.call("a", "greet", "b") == []
    assert play.call("a", "greet", "a") == []
