"""What subscribers hear of members makes sense, whatever is missed between."""

from __future__ import annotations

from clusterkit.cluster.claims_exchange import events_of
from clusterkit.core.liveness import ALIVE, DEAD, LEFT, STATES, UNHEARD, Claim, Turn
from clusterkit.events import (
    MemberBack,
    MemberDown,
    MemberLeft,
    MemberSuspect,
    MemberUp,
)

BECOMES = {
    MemberUp: "alive",
    MemberBack: "alive",
    MemberSuspect: "suspect",
    MemberDown: "dead",
    MemberLeft: "left",
}
MAY_FOLLOW = {
    MemberUp: {None},
    MemberBack: {None, "suspect", "dead", "left"},
    MemberSuspect: {None, "alive"},
    MemberDown: {None, "alive", "suspect"},
    MemberLeft: {"alive", "suspect", "dead"},
}
"""None: nothing was heard yet; it may have left before, of which nothing is said."""


def claims():
    lives = [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    return [Claim(*life, state) for life in lives for state in range(4)]


def follow(before, after, believed):
    """Return what a subscriber believes that has heard of a turn."""
    for event in events_of(Turn("x", before, after)):
        assert believed in MAY_FOLLOW[type(event)], (before, after, event)
        believed = BECOMES[type(event)]
    return believed


def test_events_follow_each_other_and_end_in_what_is_known():
    """All ways from one claim to a higher one, any of those between left out."""
    reached, todo = set(), [(UNHEARD, None)]
    while todo:
        before, believed = todo.pop()
        for after in claims():
            if after.rank > before.rank:
                now = follow(before, after, believed)
                if now is not None:
                    assert now == STATES[after.state]
                if (after, now) not in reached:
                    reached.add((after, now))
                    todo.append((after, now))
    assert {claim.state for claim, _ in reached} == {ALIVE, 1, DEAD, LEFT}


def test_who_has_come_back_meanwhile_is_said_to_be():
    turn = Turn("x", Claim(1, 0, DEAD), Claim(1, 1, 1, ("y",)))
    assert list(events_of(turn)) == [MemberBack("x"), MemberSuspect("x", ("y",))]
