"""What peers say of members' lives: taken if it has its shape."""

from __future__ import annotations

import pytest

from clusterkit.core.claim_input import MOST_INCARNATION, plain_claims, read_claims
from clusterkit.core.liveness import MOST_ACCUSERS, MOST_RUMOUR, SUSPECT, Claim


def test_claims_survive_the_way():
    claims = {"foo": Claim(7, 1, SUSPECT, ("a", "b")), "bar": Claim(0, 0, 0)}
    assert read_claims(plain_claims(claims), 2) == claims


BAD = {
    "no_map": [],
    "too_many": {key: [1, 0, 0, []] for key in "abc"},
    "no_name": {"": [1, 0, 0, []]},
    "number_for_a_name": {1: [1, 0, 0, []]},
    "short": {"foo": [1, 0, 0]},
    "no_list": {"foo": None},
    "incarnation": {"foo": [MOST_INCARNATION + 1, 0, 0, []]},
    "rumour": {"foo": [1, MOST_RUMOUR + 1, 0, []]},
    "negative": {"foo": [1, -1, 0, []]},
    "true_for_one": {"foo": [True, 0, 0, []]},
    "state": {"foo": [1, 0, 4, []]},
    "accusers": {"foo": [1, 0, 1, ["a"] * (MOST_ACCUSERS + 1)]},
    "accusers_no_list": {"foo": [1, 0, 1, "a"]},
    "accuser_no_name": {"foo": [1, 0, 1, [None]]},
}


@pytest.mark.parametrize("name", BAD)
def test_what_has_another_shape_is_refused(name):
    with pytest.raises(ValueError, match=r"claim|name|incarnation|rumour|state|accus"):
        read_claims(BAD[name], 2)


def test_who_has_not_lived_has_refuted_nothing():
    with pytest.raises(ValueError, match="refute"):
        read_claims({"a": [0, 1, 0, []]}, 10)
    assert read_claims({"a": [0, 0, 2, []]}, 10)
