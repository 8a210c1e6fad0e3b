"""One node's keys: what its owner writes, and what a copy takes."""

from __future__ import annotations

import pytest

from clusterkit.core.replica import (
    DELETED,
    MOST_CHANGES,
    MOST_VERSION,
    NOTHING,
    Change,
    Part,
    Replica,
    Summary,
)

ANY = 10**6


def owner(*writes, incarnation=1):
    """Return an owner that has written `key=value` words, or `-key`."""
    replica = Replica(incarnation)
    for word in writes:
        write(replica, word)
    return replica


def write(replica, word):
    key, _, value = word.removeprefix("-").partition("=")
    return replica.write(key, DELETED if word.startswith("-") else value.encode())


def part(replica, known=NOTHING, room=ANY):
    return replica.part_for("a", known, room, lambda _: 1)


def copy_of(replica):
    copy = Replica()
    copy.take(part(replica))
    return copy


def keys(replica):
    return {change.key: change.value for change in replica}


# The owner.


def test_each_write_has_the_next_version():
    replica = owner("x=1", "y=2", "x=3")
    assert list(replica) == [Change("y", 2, b"2"), Change("x", 3, b"3")]
    assert replica.summary.extent == (1, 3, 0)


def test_what_is_deleted_is_gone_and_told():
    replica = owner("x=1", "y=2", "-x")
    assert replica.get("x") is None
    assert keys(replica) == {"y": b"2"}
    assert part(replica, Summary(1, 2, 0)).changes == [Change("x", 3, DELETED)]


def test_the_floor_drops_tombstones_up_to_it():
    replica = owner("x=1", "y=2", "-x", "-y")
    replica.raise_floor(3)
    assert [change.key for change in replica.tombstones()] == ["y"]
    assert (len(replica), replica.floor) == (1, 3)


# Telling.


def test_a_reader_is_told_what_came_after_what_it_has():
    replica = owner("x=1", "y=2", "z=3")
    assert part(replica, Summary(1, 1, 0)) == Part(
        "a", 1, 1, 3, 0, [Change("y", 2, b"2"), Change("z", 3, b"3")]
    )


@pytest.mark.parametrize(
    "known", [Summary(1, 3, 0), Summary(1, 4, 0), Summary(2, 0, 0)], ids=str
)
def test_a_reader_that_has_as_much_is_told_nothing(known):
    assert part(owner("x=1", "y=2", "z=3"), known) is None


def test_a_copy_of_nothing_tells_nothing():
    assert part(Replica()) is None


def test_a_reader_that_knows_another_life_is_told_all_of_this():
    told = part(owner("x=1", "y=2", incarnation=2), Summary(1, 9, 9))
    assert (told.since, len(told.changes)) == (0, 2)


def test_a_reader_below_the_floor_is_told_everything():
    replica = owner("x=1", "y=2", "-x", "z=3")
    replica.raise_floor(3)
    told = part(replica, Summary(1, 2, 0))
    assert (told.since, told.version, told.floor) == (0, 4, 3)
    assert [change.key for change in told.changes] == ["y", "z"]


def test_a_reader_at_the_floor_is_told_of_the_floor_alone():
    replica = owner("x=1", "-x")
    replica.raise_floor(2)
    assert part(replica, Summary(1, 2, 0)) == Part("a", 1, 2, 2, 2, [])


def test_what_has_no_room_is_told_next_time():
    replica = owner("x=1", "y=2", "z=3")
    first = part(replica, room=2)
    assert (first.version, len(first.changes)) == (2, 2)
    rest = part(replica, Summary(1, first.version, 0))
    assert (rest.since, rest.changes) == (2, [Change("z", 3, b"3")])


def test_one_change_is_told_however_large():
    assert len(part(owner("x=1", "y=2"), room=0).changes) == 1


# Taking.


def test_a_copy_is_like_its_owner():
    replica = owner("x=1", "y=2", "-x")
    copy = copy_of(replica)
    assert copy.summary == replica.summary
    assert list(copy) == list(replica)


def test_what_is_known_changes_nothing_again():
    replica = owner("x=1", "y=2")
    copy = copy_of(replica)
    assert copy.take(part(replica)) == []
    assert copy.take(part(owner("x=0"))) == []
    assert keys(copy) == {"x": b"1", "y": b"2"}


def test_a_part_with_a_gap_before_it_is_left_alone():
    replica = owner("x=1", "y=2", "z=3")
    copy = Replica(1)
    copy.take(part(replica, room=1))
    assert not copy.fits(part(replica, Summary(1, 2, 0)))
    assert copy.take(part(replica, Summary(1, 2, 0))) == []
    assert copy.version == 1


def test_a_new_life_replaces_the_old():
    copy = copy_of(owner("x=1", "y=2", "z=3"))
    news = copy.take(part(owner("x=1", "w=4", "u=5", incarnation=2)))
    assert keys(copy) == {"x": b"1", "w": b"4", "u": b"5"}
    assert {(c.key, c.value) for c in news} == {
        ("y", DELETED),
        ("z", DELETED),
        ("u", b"5"),
        ("w", b"4"),
    }


def test_the_old_life_says_nothing_any_more():
    copy = copy_of(owner("x=2", incarnation=2))
    assert copy.take(part(owner("x=1", "y=1", "z=1"))) == []
    assert keys(copy) == {"x": b"2"}


def test_of_a_new_life_the_beginning_must_come_first():
    copy = copy_of(owner("x=1"))
    late = part(owner("x=2", "y=2", incarnation=2), Summary(2, 1, 0))
    assert copy.take(late) == []
    assert copy.summary.extent == (1, 1, 0)


def test_who_slept_through_a_deletion_forgets_the_key():
    replica = owner("x=1", "y=2")
    copy = copy_of(replica)
    write(replica, "-x")
    replica.raise_floor(3)
    news = copy.take(part(replica, copy.summary))
    assert news == [Change("x", 3, DELETED)]
    assert keys(copy) == {"y": b"2"}


def test_while_it_is_told_anew_a_copy_takes_nothing_from_before_the_floor():
    replica = owner("x=1", "y=2", "z=3")
    stale = copy_of(replica)
    copy = Replica(1)
    write(replica, "-z")
    write(replica, "w=4")
    replica.raise_floor(4)
    copy.take(part(replica, room=1))
    assert copy.version < copy.floor
    assert copy.take(part(stale, copy.summary)) == []
    copy.take(part(replica, copy.summary))
    assert keys(copy) == {"x": b"1", "y": b"2", "w": b"4"}


def test_to_delete_what_a_copy_never_had_is_no_news():
    replica = owner("x=1", "-x", "y=2")
    assert Replica().take(part(replica)) == [Change("y", 3, b"2")]


# Lies.


@pytest.mark.parametrize("claimed", [Summary(1, 50, 0), Summary(1, 50, 50)], ids=str)
def test_an_owner_outgrows_what_is_claimed_of_it(claimed):
    replica = owner("x=1", "y=2")
    liar = Replica(1)
    liar.take(Part("a", 1, 0, 50, claimed.floor, [Change("evil", 50, b"!")]))
    replica.outgrow(claimed)
    news = liar.take(part(replica, liar.summary))
    assert Change("evil", replica.version, DELETED) in news
    assert keys(liar) == keys(replica) == {"x": b"1", "y": b"2"}


def test_an_owner_outgrows_another_life_that_is_claimed():
    replica = owner("x=1")
    replica.outgrow(Summary(7, 3, 0))
    assert replica.summary.extent == (8, 1, 0)


@pytest.mark.parametrize(
    "claimed",
    [
        Summary(1, 2, 40),
        Summary(7, 3, 40),
        Summary(7, 3, 0),
        Summary(1, MOST_VERSION, 0),
    ],
    ids=str,
)
def test_what_an_owner_outgrows_has_no_hold_on_its_floor(claimed):
    replica = owner("x=1", "y=2", "-y")
    replica.raise_floor(3)
    replica.outgrow(claimed)
    assert (replica.incarnation, replica.version) > claimed[:2]
    assert replica.floor <= replica.version <= MOST_VERSION // 2
    assert replica.incarnation > claimed.incarnation or replica.floor > claimed.floor


def test_what_an_owner_says_above_a_lie_is_no_news_to_who_did_not_hear_the_lie():
    replica = owner("x=1", "y=2")
    copy = copy_of(replica)
    replica.outgrow(Summary(1, 50, 0))
    assert copy.take(part(replica, copy.summary)) == []
    assert copy.summary == replica.summary


def test_the_check_tells_what_was_written_from_what_was_not():
    replica = owner("x=1", "y=2", "-x")
    assert copy_of(replica).check == replica.check != 0
    for writes in (["x=1", "y=3", "-x"], ["x=1", "z=2", "-x"], ["x=1", "y=2", "x="]):
        assert owner(*writes).check != replica.check
    replica.raise_floor(3)
    alive = Replica(1)
    alive.take(Part("a", 1, 0, 3, 3, [Change("y", 2, b"2")]))
    assert alive.summary == replica.summary


def test_an_owner_outgrows_a_lie_that_has_come_as_far():
    replica, lie = owner("x=1"), copy_of(owner("x=2"))
    assert replica.is_below(lie.summary)
    replica.outgrow(lie.summary)
    lie.take(part(replica, lie.summary))
    assert lie.summary == replica.summary
    assert not replica.is_below(lie.summary)


def test_a_part_tells_no_more_changes_than_one_may():
    """A copy may have more keys than its owner ever had, if somebody lied."""
    replica = owner(*(f"k{n}=1" for n in range(2 * MOST_CHANGES + 10)))
    copy = Replica()
    for _ in range(3):
        told = part(replica, copy.summary)
        assert len(told.changes) <= MOST_CHANGES
        copy.take(told)
    assert copy.summary == replica.summary
