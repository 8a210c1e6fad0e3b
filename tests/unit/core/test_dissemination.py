"""rounds: how often a message is passed on."""

from __future__ import annotations

import doctest

import pytest

from clusterkit.core import dissemination, rounds


# GR12
@pytest.mark.parametrize(
    ("n", "answer"),
    [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (16, 4), (17, 5)],
)
def test_rounds_is_the_logarithm_rounded_up(n, answer):
    assert rounds(n) == answer


def test_rounds_is_exact_where_a_float_logarithm_is_not():
    assert rounds(2**60 + 1) == 61


@pytest.mark.parametrize("n", [-1, 2.0, True, None, float("nan")])
def test_a_number_of_members_that_is_no_natural_number_is_refused(n):
    with pytest.raises(ValueError, match="members"):
        rounds(n)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(dissemination) == (0, 1)
