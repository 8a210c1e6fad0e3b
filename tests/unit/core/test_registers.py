"""Stamps order operations, entries keep the later writer, maps are canonical."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterkit.core.registers import (
    MAX_NAMES,
    Entry,
    Record,
    Registers,
    Stamp,
)
from clusterkit.errors import RingError
from clusterkit.names import NodeInfo


def stamp(lamport=1, present=True, name="a", incarnation=1, tick=1):
    return Stamp(lamport, present, name, incarnation, tick)


def entry(member=None, record=None, weight=3, removed_at=0.0):
    written = record or stamp()
    return Entry(member or stamp(), Record(written, "host", 7022, weight), removed_at)


def test_later_lamport_time_wins_over_presence():
    assert stamp(2, present=False) > stamp(1, present=True)


def test_presence_wins_at_one_lamport_time():
    assert stamp(1, present=True, name="a") > stamp(1, present=False, name="z")


def test_writer_and_then_incarnation_decide_what_is_left():
    assert stamp(name="b") > stamp(name="a", incarnation=9)
    assert stamp(incarnation=2) > stamp(incarnation=1)


def test_entry_keeps_the_later_of_each_register_alone():
    removed = entry(member=stamp(5, present=False), record=stamp(1), weight=3)
    heavier = entry(member=stamp(1), record=stamp(6), weight=9)
    merged = removed.merge(heavier)
    assert (merged.present, merged.record.weight) == (False, 9)
    assert merged == heavier.merge(removed)


def test_merge_that_changes_nothing_returns_the_same_object():
    ours, theirs = entry(stamp(5)), entry(stamp(4))
    assert ours.merge(theirs) is ours
    both = Registers({"a": ours})
    assert both.merge(Registers({"a": theirs})) is both
    assert both.merge(Registers()) is both


def test_removal_is_as_old_as_the_first_who_heard_of_it_says():
    gone = stamp(5, present=False)
    early, late = entry(gone, removed_at=10.0), entry(gone, removed_at=30.0)
    assert early.merge(late).removed_at == late.merge(early).removed_at == 10.0


def test_a_later_removal_brings_its_own_age():
    first = entry(stamp(5, present=False), removed_at=10.0)
    second = entry(stamp(6, present=False), removed_at=30.0)
    assert first.merge(second).removed_at == 30.0


def test_age_takes_no_part_in_equality_nor_in_the_digest():
    gone = stamp(5, present=False)
    one = Registers({"a": entry(gone, removed_at=1.0)})
    other = Registers({"a": entry(gone, removed_at=2.0)})
    assert (one, one.digest) == (other, other.digest)


def test_members_are_those_present_by_name():
    registers = Registers(
        {"b": entry(), "a": entry(weight=5), "c": entry(stamp(present=False))}
    )
    assert dict(registers.members) == {
        NodeInfo("a", "host", 7022): 5,
        NodeInfo("b", "host", 7022): 3,
    }
    assert registers.present == ("a", "b")
    assert not registers.lists("c")
    assert not registers.lists("d")


def test_digest_is_eight_bytes_and_the_same_in_every_process():
    assert Registers().digest == 0xE4A6A0577479B2B4
    assert Registers({"a": entry()}).digest < 2**64


def test_news_are_what_the_older_one_does_not_hold():
    older = Registers({"a": entry(), "b": entry()})
    newer = older.put({"b": entry(stamp(9)), "c": entry()})
    assert set(newer.news(older)) == {"b", "c"}
    assert not older.news(older)


def test_map_says_who_is_in_it_and_who_was():
    registers = Registers({"b": entry(), "a": entry(stamp(present=False))})
    assert repr(registers) == "<Registers -a b>"


def test_map_of_too_many_names_is_refused():
    entries = {f"n{number}": entry() for number in range(MAX_NAMES)}
    Registers(entries)
    with pytest.raises(RingError, match="at most 10000 names"):
        Registers({**entries, "one-more": entry()})


def test_plain_form_carries_the_age_and_not_the_time():
    registers = Registers({"a": entry(stamp(5, present=False), removed_at=100.0)})
    plain = registers.to_plain(now=130.9)
    assert plain[0][3] == 30
    back, dropped = Registers.from_plain(plain, now=1000.0)
    assert (back["a"].removed_at, dropped) == (970.0, 0)


def test_age_is_never_below_0():
    registers = Registers({"a": entry(stamp(5, present=False), removed_at=100.0)})
    assert registers.to_plain(now=50.0)[0][3] == 0


GOOD = ["a", [1, 1, "a", 1, 1], [[1, 1, "a", 1, 1], "host", 7022, 3], 0]


def changed(path, value):
    def copy(node, rest):
        if not rest:
            return value
        node = list(node)
        node[rest[0]] = copy(node[rest[0]], rest[1:])
        return node

    return copy(GOOD, path)


BAD = {
    "no list": 7,
    "too short": GOOD[:3],
    "name of 129": changed([0], "n" * 129),
    "name no text": changed([0], 5),
    "stamp no list": changed([1], None),
    "stamp too short": changed([1], [1, 1, "a", 1]),
    "presence 2": changed([1, 1], 2),
    "presence a list": changed([1, 1], []),
    "lamport negative": changed([1, 0], -1),
    "lamport a bool": changed([1, 0], True),
    "lamport too great": changed([1, 0], 2**64),
    "writer no name": changed([1, 2], "-"),
    "incarnation a float": changed([1, 3], 1.0),
    "tick no integer": changed([1, 4], "1"),
    "record too short": changed([2], [[1, 1, "a", 1, 1], "host", 7022]),
    "host empty": changed([2, 1], ""),
    "port 0": changed([2, 2], 0),
    "port too great": changed([2, 2], 65_536),
    "weight 0": changed([2, 3], 0),
    "weight a bool": changed([2, 3], True),
    "weight too great": changed([2, 3], 65_537),
    "weight no number": changed([2, 3], float("nan")),
    "age negative": [*changed([1, 1], 0)[:3], -1],
}


def test_the_good_entry_is_taken():
    assert Registers.from_plain([GOOD], 0.0)[1] == 0


@pytest.mark.parametrize("bad", BAD)
def test_bad_entry_is_dropped_and_counted(bad):
    other = replace_name("b")
    registers, dropped = Registers.from_plain([BAD[bad], other], 0.0)
    assert (list(registers), dropped) == (["b"], 1)


def replace_name(name):
    return [name, *GOOD[1:]]


def test_name_said_twice_counts_as_one_dropped():
    registers, dropped = Registers.from_plain([GOOD, GOOD], 0.0)
    assert (len(registers), dropped) == (1, 1)


@pytest.mark.parametrize("value", [None, 7, "abc", {}, [GOOD] * (MAX_NAMES + 1)])
def test_entries_that_are_no_list_or_too_long_are_an_error(value):
    with pytest.raises(ValueError, match="list of up to"):
        Registers.from_plain(value, 0.0)


def test_entry_knows_its_node():
    assert entry().node("x") == NodeInfo("x", "host", 7022)


def test_entries_are_equal_by_their_registers():
    assert entry(stamp(2)) != entry(stamp(3))
    assert replace(entry(), removed_at=9.0) == entry()
