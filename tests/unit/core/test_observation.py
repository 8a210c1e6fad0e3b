"""What a node sees itself: silence, and whether it is deaf."""

from __future__ import annotations

from math import inf

import pytest

from clusterkit.core.observation import WORST, Observation
from clusterkit.core.phi import PhiAccrual


def observation(detector="probe", **options):
    seen = Observation(1.5, lambda now: PhiAccrual(now, **options), detector)
    seen.watch(["a", "b"], 0.0)
    return seen


def test_who_is_not_heard_for_longer_than_is_usual_is_silent():
    seen = observation()
    seen.hear([("a", 1.0)])
    assert seen.silent(1.5) == []
    assert seen.silent(1.6) == ["b"]
    assert seen.silent(2.6) == ["a", "b"]
    seen.hear([("b", 2.5)])
    assert seen.silent(2.6) == ["a"]


def test_nobody_is_silent_before_it_says_so():
    seen = observation()
    seen.hear([("a", 1.0)])
    assert seen.next_silence == 1.5
    assert seen.silent(1.5) == []
    seen.hear([("b", 2.0)])
    assert seen.next_silence == 2.5
    seen.judge_itself(asked=1, answers=0)
    assert seen.next_silence == 4.0
    seen.watch([], 2.0)
    assert seen.next_silence == inf
    assert observation("phi").next_silence == -inf


def test_older_news_changes_nothing():
    seen = observation()
    seen.hear([("a", 1.0)])
    seen.hear([("a", 0.5)])
    assert seen.silence("a", 2.0) == 1.0


def test_who_is_not_watched_is_not_judged():
    seen = observation()
    seen.watch(["b"], 1.0)
    assert seen.silent(9.0) == ["b"]
    assert seen.silence("a", 9.0) is None
    assert seen.phi("a", 9.0) is None
    seen.watch(["a", "b"], 9.0)
    assert seen.silence("a", 9.5) == 0.5


def test_others_may_vouch_for_the_silent():
    seen = observation()
    seen.vouch("a", 2.0)
    seen.vouch("nobody", 2.0)
    assert seen.silent(2.5) == ["b"]


def test_a_deaf_node_is_patient():
    seen = observation()
    seen.judge_itself(asked=3, answers=1)
    assert seen.health == 2
    assert seen.silent(4.4) == []
    assert seen.silent(4.6) == ["a", "b"]
    seen.judge_itself(asked=3, answers=3)
    assert seen.health == 1
    for _ in range(WORST):
        seen.judge_itself(asked=3, answers=0)
    assert seen.health == WORST
    for _ in range(2 * WORST):
        seen.judge_itself(asked=3, answers=3)
    assert seen.health == 0


def test_a_node_that_has_slept_heard_nothing_for_that_reason():
    seen = observation()
    seen.oversleep(100.0, 101.0)
    assert seen.silent(101.0) == []
    assert seen.silence("a", 101.0) == 1.0
    assert seen.phi("a", 101.0) < 1


def test_what_was_heard_before_it_knew_that_it_slept_is_of_then():
    seen = observation()
    seen.hear([("a", 100.5)])
    seen.oversleep(100.0, 101.0)
    assert seen.silence("a", 111.0) == 10.0
    assert seen.phi("a", 111.0) == seen.phi("a", 101.0 + 10.0)
    assert "a" in seen.silent(120.0)


@pytest.mark.parametrize("form", ["normal", "exponential"])
def test_phi_decides_if_it_is_told_to(form):
    seen = observation("phi", form=form, first=1.0)
    for second in range(1, 50):
        seen.hear([("a", float(second))])
        seen.hear([("b", float(second))])
    assert seen.silent(51.0) == []
    assert seen.phi("a", 49.0) < seen.phi("a", 54.0)
    at = next(t for t in range(50, 90) if seen.silent(float(t)))
    assert (at > 60) == (form == "exponential")
    seen.vouch("a", float(at))
    assert seen.silent(float(at)) == ["b"]
