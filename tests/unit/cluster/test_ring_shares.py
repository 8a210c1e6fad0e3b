"""Shares of the ring against keys that are really hashed onto it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from clusterkit.cluster.ring_shares import WHOLE, place, shares
from clusterkit.core import HashRing

NAMES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 40), min_size=1)


def ring_of(weights):
    return HashRing.of({f"{name}@h:1": weight for name, weight in weights.items()})


@given(NAMES)
def test_shares_are_all_there_is(weights):
    found = shares(ring_of(weights))
    assert set(found) == set(weights)
    assert sum(found.values()) == pytest.approx(1.0)
    assert min(found.values()) > 0


@given(NAMES)
def test_places_are_in_the_order_of_the_positions(weights):
    places = [place(point) for point, _ in ring_of(weights).positions()]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] < WHOLE


def test_a_share_is_the_part_of_the_keys_that_a_node_owns():
    ring = ring_of({"a": 3, "b": 3, "c": 1})
    keys = 20_000
    found = [ring.find(f"key-{i}").id for i in range(keys)]
    for name, share in shares(ring).items():
        # Five standard deviations of a binomial count.
        assert abs(found.count(name) / keys - share) < 5 * (0.25 / keys) ** 0.5


def test_an_empty_ring_has_no_shares():
    assert shares(HashRing()) == {}


def test_one_node_owns_everything():
    assert shares(ring_of({"a": 7})) == {"a": 1.0}
