"""What is said, and how often."""

from __future__ import annotations

import pytest

from clusterkit.logs import Seldom


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_first_of_a_kind_is_due_and_the_next_after_a_while(clock):
    seldom = Seldom(clock, silence=60.0)
    assert seldom.due("a", "b") == {}
    assert [seldom.due("a", "b") for _ in range(3)] == [None] * 3
    clock.now = 60.0
    assert seldom.due("a", "b") == {"more": 3}
    assert seldom.due("a", "b") is None


def test_kinds_do_not_silence_each_other(clock):
    seldom = Seldom(clock)
    assert seldom.due("a") == seldom.due("b") == {}


def test_more_kinds_than_are_told_apart_are_counted_together(clock):
    seldom = Seldom(clock, silence=60.0, most=10)
    due = [seldom.due(str(i)) for i in range(1000)]
    assert due == [{}] * 10 + [None] * 990
    clock.now = 60.0
    assert seldom.due("new") == {"others": 990}
    assert seldom.due("0") == {}


def test_one_told_of_long_ago_makes_room(clock):
    seldom = Seldom(clock, silence=60.0, most=2)
    for name in "ab":
        seldom.due(name)
        clock.now += 40.0
    assert seldom.due("c") == {}  # a's minute is over
    assert seldom.due("d") is None  # b's is not
    clock.now += 20.0
    assert seldom.due("b") == {"others": 1}


def test_its_repr_tells_how_many_it_keeps(clock):
    seldom = Seldom(clock)
    seldom.due("a")
    assert repr(seldom) == "<Seldom kinds=1>"
