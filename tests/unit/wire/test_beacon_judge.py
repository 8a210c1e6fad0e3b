"""Which beacons are believed, one reason after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterkit.core.quota import BURST, MOST_SOURCES, STRANGERS_BURST
from clusterkit.names import NodeInfo
from clusterkit.wire.beacon import MAX_BEACON, Beacon, BeaconKeys, write_body
from clusterkit.wire.beacon_judge import MOST_NAMES, Judge

KEYS = BeaconKeys((bytes(32),))
WALL = 1_700_000_000_000
ME = Beacon("ring", NodeInfo("me", "10.0.0.1", 7022), 100, 5, WALL)
FOO = Beacon("ring", NodeInfo("foo", "10.0.0.2", 7022), 50, 1, WALL)


@pytest.fixture
def judge():
    return Judge(30.0, 0.0)


def hear(judge, beacon, source="10.0.0.2", now=0.0):
    said = beacon
    if isinstance(beacon, Beacon):
        said = KEYS.seal(write_body(beacon), b"")
    return judge.hear(said, source, lambda: KEYS, lambda: ME, now)


def test_a_good_one_is_taken(judge):
    assert hear(judge, FOO) == FOO


def test_the_same_by_another_way_is_a_duplicate_and_an_older_one_replayed(judge):
    second = replace(FOO, sequence=2)
    assert [hear(judge, b) for b in (FOO, second, second, FOO)] == [
        *(FOO, second),
        *("duplicate", "replayed"),
    ]


def test_a_new_life_begins_anew_and_the_old_one_is_over(judge):
    later = replace(FOO, incarnation=51)
    assert hear(judge, replace(FOO, sequence=9)).sequence == 9
    assert hear(judge, later) == later
    assert hear(judge, replace(FOO, sequence=10)) == "stale"


@pytest.mark.parametrize("off_ms", [30_001, -30_001, 3_600_000], ids=str)
def test_a_clock_too_far_off_is_refused_and_shown(judge, off_ms):
    late = replace(FOO, wall_ms=WALL + off_ms)
    assert hear(judge, late) == "clock"
    assert judge.last == late


@pytest.mark.parametrize("off_ms", [30_000, -30_000, 0], ids=str)
def test_a_clock_within_the_window_is_taken(judge, off_ms):
    beacon = replace(FOO, wall_ms=WALL + off_ms)
    assert hear(judge, beacon) == beacon


def test_another_ring_is_not_ours(judge):
    assert hear(judge, replace(FOO, ring="other")) == "ring"


def test_our_own_is_ours_and_a_namesake_is_not(judge):
    assert hear(judge, ME) == "own"
    assert hear(judge, replace(ME, incarnation=99)) == "own"
    elsewhere = NodeInfo("me", "10.0.0.9", 7022)
    namesake = replace(ME, node=elsewhere, incarnation=101)
    assert hear(judge, namesake) == "name_taken"
    assert judge.last == namesake
    assert hear(judge, replace(namesake, incarnation=99)) == "name_taken"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"x" * (MAX_BEACON + 1), "oversized"),
        (b"", "forged"),
        (b"ckb\x01\x00", "forged"),
        (BeaconKeys((b"\x05" * 32,)).seal(write_body(FOO), b""), "forged"),
        (KEYS.seal(b"nonsense", b""), "invalid"),
        (b"ckb\x01\x01" + bytes(100), "form"),
    ],
    ids=["oversized", "empty", "truncated", "cookie", "nonsense", "encrypted"],
)
def test_what_is_no_beacon_is_counted_by_reason(judge, said, reason):
    assert hear(judge, said) == reason
    assert judge.last is None


def test_a_flood_is_not_looked_at_and_others_are_heard_meanwhile(judge):
    assert hear(judge, FOO) == FOO
    noise = [hear(judge, b"noise", f"10.1.{i // 250}.{i % 250}") for i in range(5000)]
    assert noise.count("forged") == STRANGERS_BURST - 1  # foo was one, too
    assert noise.count("flood") == 5001 - STRANGERS_BURST
    second = replace(FOO, sequence=2)
    assert hear(judge, second) == second
    # Who is new gets in as soon as there is room for strangers again.
    bar = replace(FOO, node=NodeInfo("bar", "10.0.0.3", 7022))
    assert hear(judge, bar, "10.0.0.3", 0.0) == "flood"
    assert hear(judge, bar, "10.0.0.3", 0.1) == bar


def test_one_loud_stranger_leaves_room_for_another(judge):
    noise = [hear(judge, b"noise", "10.9.9.9") for _ in range(5000)]
    assert noise.count("forged") == BURST
    assert hear(judge, FOO) == FOO


def test_even_who_has_the_cookie_is_heard_only_so_often(judge):
    heard = [hear(judge, replace(FOO, sequence=i + 1)) for i in range(2000)]
    assert heard.count("flood") == 2000 - BURST


def test_memory_does_not_grow_with_names(judge):
    for i in range(MOST_NAMES + 50):
        name = NodeInfo(f"n{i}", "10.0.0.2", 7022)
        assert hear(judge, replace(FOO, node=name), now=float(i)) != "flood"
    assert len(judge._heard) == MOST_NAMES


@pytest.mark.parametrize(
    "recorded",
    [
        FOO,
        replace(FOO, incarnation=49, sequence=9),
        replace(FOO, node=NodeInfo("bar", "10.0.0.3", 7022), wall_ms=WALL - 60_000),
        replace(FOO, ring="other"),
        ME,
    ],
    ids=["now", "earlier life", "long ago", "other ring", "own"],
)
def test_a_recorded_beacon_makes_no_stranger_one_of_us(judge, recorded):
    assert hear(judge, FOO) == FOO
    hear(judge, replace(recorded, sequence=recorded.sequence), "10.0.0.3")
    for i in range(MOST_SOURCES + 10):
        hear(judge, recorded, f"10.1.{i // 250}.{i % 250}", i / 100)
    second = replace(FOO, sequence=2)
    late = MOST_SOURCES / 100
    noise = [
        hear(judge, b"noise", f"10.2.{i // 250}.{i % 250}", late) for i in range(5000)
    ]
    assert noise[-1] == "flood"
    assert hear(judge, second, now=late) == second


def test_nodes_of_other_rings_take_no_share_of_strangers(judge):
    other = [
        replace(FOO, ring="other", node=NodeInfo(f"n{i}", "10.0.0.3", 7022))
        for i in range(200)
    ]
    for sequence in range(1, 30):
        for i, beacon in enumerate(other):
            said = replace(beacon, sequence=sequence)
            # Each comes by two ways.
            assert hear(judge, said, f"10.3.0.{i}", float(sequence)) == "ring"
            assert hear(judge, said, f"10.3.0.{i}", float(sequence)) == "duplicate"
    assert hear(judge, FOO, now=29.0) == FOO


def test_who_has_joined_another_ring_is_heard_there_at_once(judge):
    assert hear(judge, replace(FOO, ring="other", sequence=7)) == "ring"
    assert hear(judge, replace(FOO, sequence=8)) == replace(FOO, sequence=8)
