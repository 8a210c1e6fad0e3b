"""What two nodes tell each other of all of them."""

from __future__ import annotations

from clusterkit.core.buckets import BUCKETS, bucket_of
from clusterkit.core.replica import DELETED, NOTHING, Change, Part, Summary
from clusterkit.core.scuttlebutt import News, Scuttlebutt

ALL = range(BUCKETS)
ANY = 10**6


def node(name, *writes, incarnation=1):
    state = Scuttlebutt(name, incarnation, lambda _: 1)
    for word in writes:
        key, _, value = word.partition("=")
        state.write(key, value.encode())
    return state


def tell(one, other, room=ANY):
    """Have `one` learn what `other` knows."""
    return one.take(other.delta(one.digest(), ALL, room))


# node-gossip's own cases.


def test_the_digest_is_of_all_nodes_this_one_too():
    me = node("me")
    me.take([Part("a", 1, 0, 10, 0, []), Part("b", 1, 0, 12, 0, [])])
    assert me.digest() == {
        "me": Summary(1, 0, 0),
        "a": Summary(1, 10, 0),
        "b": Summary(1, 12, 0),
    }


def test_of_an_unknown_node_everything_is_wanted():
    assert node("me").wants({"new": Summary(1, 12, 0)}) == {"new": NOTHING}


def test_a_reader_without_them_is_told_all_writes_in_order():
    me = node("me", "hi=hello", "meh=goodbye")
    (part,) = me.delta({"me": NOTHING, "new": Summary(1, 12, 0)}, ALL, ANY)
    assert part.changes == [Change("hi", 1, b"hello"), Change("meh", 2, b"goodbye")]


def test_news_are_told_once_each():
    me, you = node("me"), node("you", "a=1", "b=2")
    assert tell(me, you) == [News("you", "a", b"1"), News("you", "b", b"2")]
    assert tell(me, you) == []
    you.write("a", DELETED)
    assert tell(me, you) == [News("you", "a", DELETED)]


# Beyond them.


def test_nodes_that_a_digest_does_not_name_are_told_of():
    me, you = node("me"), node("you", "a=1")
    tell(you, node("third", "c=3"))
    tell(me, you)
    assert set(me.names()) == {"me", "you", "third"}


def test_who_is_furthest_behind_is_told_of_first():
    me = node("me", "a=1")
    tell(me, node("long", *(f"k{n}=1" for n in range(5))))
    tell(me, node("new", "x=1", "y=2", incarnation=2))
    told = me.delta(
        {"me": NOTHING, "long": Summary(1, 1, 0), "new": Summary(2, 1, 0)}, ALL, 1
    )
    # This one's whole life is not known there.
    assert [part.name for part in told] == ["me"]
    told = me.delta(
        {"me": Summary(1, 0, 0), "long": Summary(1, 1, 0), "new": Summary(2, 1, 0)},
        ALL,
        ANY,
    )
    assert next(part.name for part in told) == "long"


def test_what_is_equal_has_equal_hashes_and_what_is_not_has_not():
    me, you = node("me", "a=1"), node("you", "b=2")
    assert me.hashes.hash != you.hashes.hash
    tell(me, you)
    tell(you, me)
    assert (me.hashes.hash, me.hashes.each) == (you.hashes.hash, you.hashes.each)
    you.write("b", b"3")
    assert me.hashes.hash != you.hashes.hash
    assert me.hashes.differing(you.hashes.each) == [bucket_of("you")]


def test_a_floor_is_part_of_what_is_equal():
    me, you = node("me"), node("you", "b=2")
    you.write("b", DELETED)
    tell(me, you)
    tell(you, me)
    before = you.hashes.hash
    assert me.hashes.hash == before
    you.raise_floor(2)
    assert you.hashes.hash != before
    tell(me, you)
    assert (me.hashes.hash, len(me.replica("you"))) == (you.hashes.hash, 0)


def test_a_digest_of_some_buckets_leaves_the_others_alone():
    me, you = node("me"), node("you", "b=2")
    names = [f"n{n}" for n in range(200)]
    for name in names:
        tell(you, node(name, "x=1"))
    mine = [bucket_of("n7")]
    told = you.delta(me.digest(mine), mine, ANY)
    assert {p.name for p in told} == {
        n for n in [*names, "you"] if bucket_of(n) in mine
    }


def test_who_is_forgotten_is_unknown_again():
    me, you = node("me"), node("you", "b=2")
    before = me.hashes.hash
    tell(me, you)
    assert me.forget("you") == [News("you", "b", DELETED)]
    assert (me.hashes.hash, me.replica("you")) == (before, None)


def test_of_itself_a_node_believes_nobody():
    me, liar = node("me", "a=1"), node("liar")
    liar.take([Part("me", 1, 0, 9, 0, [Change("a", 9, b"evil")])])
    assert tell(me, liar) == []
    assert [(c.key, c.value) for c in me.own] == [("a", b"1")]
    assert tell(liar, me) == [News("me", "a", b"1")]
    assert me.hashes.hash != 0
    tell(me, liar)
    assert me.hashes.hash == liar.hashes.hash


def test_a_restarted_node_is_not_brought_back_to_its_past():
    old, friend = node("me", "a=old", "b=old"), node("friend")
    tell(friend, old)
    me = node("me", "a=new", incarnation=2)
    assert tell(me, friend) == []
    assert set(tell(friend, me)) == {News("me", "a", b"new"), News("me", "b", DELETED)}


def test_a_part_of_an_unknown_node_needs_its_beginning():
    me = node("me")
    assert me.take([Part("you", 1, 3, 4, 0, [Change("x", 4, b"1")])]) == []
    assert list(me.names()) == ["me"]


def test_what_two_know_differently_is_contested_and_asked_of_its_owner():
    me, you, third = node("me", "a=1"), node("you"), node("third")
    tell(you, me)
    third.take([Part("me", 1, 0, 1, 0, [Change("a", 1, b"2")])])
    assert you.hashes.hash != third.hashes.hash
    tell(you, third)
    assert third.contested(you.digest()) == {"me": third.digest()["me"]}
    assert set(you.contested(third.digest())) == {"me"}
    assert me.contested(third.digest()) == {}
    assert not me.defend(you.digest()["me"])
    assert me.defend(third.digest()["me"])
    assert tell(third, me) == [News("me", "a", b"1")]
    assert tell(you, me) == []
    assert you.contested(third.digest()) == {}
