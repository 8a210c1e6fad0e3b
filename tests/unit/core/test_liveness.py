"""Claims about members: how they merge, are refuted, and run out."""

from __future__ import annotations

from math import inf

import pytest

from clusterkit.core.liveness import (
    ALIVE,
    CONFIRMATIONS,
    DEAD,
    LEFT,
    LONGEST,
    MOST_ACCUSERS,
    MOST_RUMOUR,
    SUSPECT,
    UNHEARD,
    Claim,
    Liveness,
    Turn,
)

ME, OTHER = "me", "other"


def liveness(*others, incarnation=5, now=0.0):
    known = Liveness(ME, incarnation, now)
    known.keep_to(others, now)
    return known


def alive(known, name=OTHER, incarnation=7, now=0.0):
    known.hear({name: Claim(incarnation, 0, ALIVE)}, now)
    return known


def test_this_node_is_alive_and_members_are_unheard_of():
    known = liveness(OTHER, now=3.0)
    assert known.own == Claim(5, 0, ALIVE)
    assert known.claim(OTHER) == UNHEARD
    assert known.state(OTHER) == "alive"
    assert known.since(OTHER) == 3.0
    assert known.since("nobody") is None
    assert list(known.names()) == [ME, OTHER]


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        (Claim(1, 9, LEFT), Claim(2, 0, ALIVE)),
        (Claim(1, 1, DEAD), Claim(1, 2, ALIVE)),
        (Claim(1, 1, ALIVE), Claim(1, 1, SUSPECT, ("a",))),
        (Claim(1, 1, SUSPECT, ("a",)), Claim(1, 1, DEAD, ("b",))),
        (Claim(1, 1, DEAD), Claim(1, 1, LEFT)),
    ],
    ids=["later_life", "refutation", "suspicion", "death", "farewell"],
)
def test_the_stronger_of_two_claims_stands(weak, strong):
    assert weak.merge(strong) == strong.merge(weak) == strong


def test_accusers_add_up_to_a_bound():
    merged = Claim(1, 0, SUSPECT)
    for name in "fbdaec":
        merged = merged.merge(Claim(1, 0, SUSPECT, (name,)))
    assert merged.by == tuple("abcdef"[:MOST_ACCUSERS])


def test_a_claim_that_changes_something_is_a_turn_and_a_repetition_is_none():
    known = liveness(OTHER)
    claim = Claim(7, 0, ALIVE)
    assert known.hear({OTHER: claim}, 1.0) == [Turn(OTHER, UNHEARD, claim)]
    assert known.hear({OTHER: claim}, 2.0) == []
    assert known.since(OTHER) == 0.0 or known.since(OTHER) == 1.0


def test_nothing_is_known_of_strangers():
    known = liveness(OTHER)
    assert known.hear({"stranger": Claim(7, 0, ALIVE)}, 1.0) == []
    assert known.since("stranger") is None


def test_who_is_no_member_any_more_has_left_and_is_forgotten():
    known = alive(liveness(OTHER, "third"))
    (turn,) = known.keep_to(["third"], 1.0)
    assert (turn.name, turn.after.state) == (OTHER, LEFT)
    assert known.claim(OTHER) == UNHEARD
    before = known.hashes.hash
    known.keep_to(["third", OTHER], 1.0)
    assert known.hashes.hash != before


@pytest.mark.parametrize("state", [SUSPECT, DEAD, LEFT])
def test_this_node_refutes_what_is_said_of_it(state):
    known = liveness(OTHER)
    (turn,) = known.hear({ME: Claim(5, 0, state, ("x",))}, 1.0)
    assert turn.after == known.own == Claim(5, 1, ALIVE)
    assert known.hear({ME: Claim(5, 0, state)}, 1.0) == []


def test_this_node_outgrows_a_life_it_never_had():
    known = liveness()
    known.hear({ME: Claim(9, 3, DEAD)}, 1.0)
    assert known.own == Claim(10, 0, ALIVE)


def test_rumours_do_not_run_out():
    known = liveness()
    known.hear({ME: Claim(5, MOST_RUMOUR, SUSPECT)}, 1.0)
    assert known.own == Claim(6, 0, ALIVE)


def test_who_leaves_is_not_dead_and_does_not_deny_it():
    known = liveness()
    known.depart(1.0)
    assert known.hear({ME: Claim(5, 0, DEAD)}, 2.0) == []
    assert known.own == Claim(5, 0, LEFT)
    known.hear({ME: Claim(5, 3, SUSPECT)}, 3.0)
    assert known.own == Claim(5, 4, LEFT)


def test_a_suspect_is_dead_when_its_time_is_up():
    known = alive(liveness(OTHER))
    known.accuse(OTHER, 10.0)
    assert known.state(OTHER) == "suspect"
    assert known.deadline == 10.0 + LONGEST
    assert known.expire(known.deadline - 0.01) == []
    (turn,) = known.expire(known.deadline)
    assert turn.after == Claim(7, 0, DEAD, (ME,))
    assert known.deadline == inf
    assert known.accuse(OTHER, 20.0) == []


def test_its_time_shrinks_with_those_who_confirm_it():
    known = alive(liveness(OTHER))
    times = []
    for count in range(CONFIRMATIONS + 1):
        by = tuple("abcdefgh"[: count + 1])
        known.hear({OTHER: Claim(7, 0, SUSPECT, by)}, 10.0 + count / 10)
        times.append(known.deadline - 10.0)
    assert times[0] == LONGEST
    assert times[-1] == 1.0
    assert times == sorted(times, reverse=True)


def test_its_time_grows_with_the_logarithm_of_the_cluster():
    small, large = liveness(OTHER), liveness(OTHER, *(f"n{i}" for i in range(998)))
    claim = Claim(7, 0, SUSPECT, ("x",))
    assert small.time_of(claim) == LONGEST
    assert large.time_of(claim) == pytest.approx(3 * LONGEST)


def test_a_refutation_saves_it():
    known = alive(liveness(OTHER))
    known.accuse(OTHER, 10.0)
    known.hear({OTHER: Claim(7, 1, ALIVE)}, 11.0)
    assert known.expire(100.0) == []
    assert known.state(OTHER) == "alive"
    assert known.since(OTHER) == 11.0


def test_a_node_that_has_slept_gives_suspects_that_time():
    known = alive(liveness(OTHER))
    known.accuse(OTHER, 10.0)
    known.oversleep(50.0)
    assert known.expire(60.0) == []
    assert known.deadline == 60.0 + LONGEST


def test_equal_knowledge_has_equal_hashes():
    one, two = liveness(OTHER), Liveness(OTHER, 7, 0.0)
    two.keep_to([ME], 0.0)
    assert one.hashes.hash != two.hashes.hash
    one.hear({n: two.claim(n) for n in two.names()}, 1.0)
    two.hear({n: one.claim(n) for n in one.names()}, 1.0)
    assert one.hashes.hash == two.hashes.hash
