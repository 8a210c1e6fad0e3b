"""Which of the addresses that were found is tried next."""

from __future__ import annotations

from random import Random

import pytest

from clusterkit.cluster.candidates import (
    AGAIN_BURST,
    AGAIN_RATE,
    MOST_FOUND,
    Candidates,
)
from clusterkit.names import Address, NodeInfo


@pytest.fixture
def candidates():
    return Candidates(Random(0))


def told(candidates, number, now=0.0):
    """Tell of so many addresses, which are to be tried at once."""
    added = [candidates.add(Address("h", i + 1), "list", now) for i in range(number)]
    for candidate in added:
        candidates.try_at(candidate, now)
    return added


def tried(candidates, now):
    """Try all that are due, in vain."""
    done = []
    while (candidate := candidates.next(now)) is not None:
        candidates.put_off(candidate, now)
        done.append(candidate)
    return done


def test_new_ones_are_tried_in_order_and_at_once(candidates):
    added = told(candidates, 500)
    assert tried(candidates, 0.0)[:500] == added


def test_a_few_that_do_not_answer_are_tried_as_soon_as_their_pause_is_over(candidates):
    told(candidates, 5)
    tried(candidates, 0.0)
    times = 0
    while candidates.next_due() < 1.0:
        times += len(tried(candidates, candidates.next_due()))
    assert times > 5 * 4  # 20, 40, 80, 160, 320 ms, each up to that


def test_of_very_many_that_do_not_answer_only_so_many_are_tried_a_second(candidates):
    told(candidates, 5_000)
    now, again = 0.0, -5_000  # the first time is free
    while now < 20.0:
        again += len(tried(candidates, now))
        due = candidates.next_due()
        assert due > now
        now = due
    assert AGAIN_RATE * 19 < again <= AGAIN_RATE * 20 + AGAIN_BURST + 1


def test_who_speaks_is_not_kept_waiting_by_those_that_do_not_answer(candidates):
    told(candidates, 5_000)
    tried(candidates, 0.0)
    while candidates.next(1.0) is not None:
        pass
    node = NodeInfo("foo", "10.0.0.2", 7022)
    candidate = candidates.add(node, "beacons", 1.0)
    candidate.heard = True
    candidate.backoff.tries = 3
    candidates.try_at(candidate, 1.0)
    assert candidates.next_due() == 1.0
    assert candidates.next(1.0) is candidate


def test_memory_does_not_grow_with_what_is_told_and_never_tried(candidates):
    for i in range(3 * MOST_FOUND):
        candidate = candidates.add(NodeInfo(f"n{i}", "h", 1), "list", 0.0)
        candidates.try_at(candidate, 0.0)
    assert len(candidates) == MOST_FOUND
    assert candidates.dropped == 2 * MOST_FOUND
    assert len(candidates._fresh) <= 2 * MOST_FOUND


def test_one_more_than_fits_takes_the_place_of_one_that_never_answered(candidates):
    first, second, *_ = told(candidates, MOST_FOUND)
    first.answered = True
    candidates.add(Address("i", 1), "list", 0.0)
    assert candidates.get(first.address) is first
    assert candidates.get(second.address) is None
