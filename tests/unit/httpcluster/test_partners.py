"""Whom a node exchanges with: monitors mostly, everybody sometimes, the absent rarely."""

from __future__ import annotations

from collections import Counter
from random import Random

from clusterkit.httpcluster.partners import (
    AT_START,
    FAREWELLS,
    MOST_FAREWELLS,
    Candidate,
    chosen,
    farewells,
)

MONITOR = Candidate("m", monitor=True)
OTHERS = [Candidate(f"o{n}", monitor=False) for n in range(9)]


def counts(living, absent=(), times=10_000):
    rng = Random(1)
    return Counter(url for _ in range(times) for url in chosen(living, absent, rng))


def test_half_of_the_exchanges_are_with_monitors_and_none_is_left_out():
    seen = counts([MONITOR, *OTHERS])
    assert 5_200 < seen["m"] < 5_800  # a half, and a tenth of the other one
    assert all(400 < seen[other.url] < 600 for other in OTHERS)


def test_without_monitors_all_are_alike():
    seen = counts(OTHERS)
    assert all(900 < seen[other.url] < 1_300 for other in OTHERS)


def test_one_in_ten_times_somebody_is_tried_who_is_not_there():
    seen = counts(OTHERS, ["x", "y"])
    assert 900 < seen["x"] + seen["y"] < 1_100
    assert sum(seen[other.url] for other in OTHERS) == 10_000


def test_who_knows_nobody_tries_several_at_once():
    assert chosen([], [], Random(1)) == []
    assert chosen([], ["x"], Random(1)) == ["x"]
    found = chosen([], [str(n) for n in range(99)], Random(1))
    assert len(found) == len(set(found)) == AT_START


def test_all_monitors_and_some_others_are_told_of_an_end():
    told = farewells([MONITOR, *OTHERS], Random(1))
    assert (told[0], len(told), len(set(told))) == ("m", 1 + FAREWELLS, 1 + FAREWELLS)
    many = [Candidate(str(n), monitor=True) for n in range(99)]
    assert len(farewells([*many, *OTHERS], Random(1))) == MOST_FAREWELLS
    assert farewells([], Random(1)) == []
