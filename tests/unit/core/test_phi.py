"""Phi: known answers, and what holds for every silence."""

from __future__ import annotations

from itertools import pairwise
from math import inf, isfinite, nan

import pytest
from hypothesis import given, strategies as st

from clusterkit.core.phi import PhiAccrual, deviations_at, surprise
from clusterkit.errors import ConfigError

MS = {"form": "exponential", "first": 750.0}
"""As node-gossip has it: milliseconds, and a first interval of 750 of them."""


def heard(times, **options):
    detector = PhiAccrual(times[0], **options)
    for time in times:
        detector.arrive(time)
    return detector


def regular(count, **options):
    return heard([1000.0 * n for n in range(count)], **options)


# The exponential form: node-gossip's own figures.


@pytest.mark.parametrize(
    ("silence", "phi"),
    [(0.0, 0.0), (1000.0, 0.43538), (10_000.0, 4.35383), (18_300.0, 7.9675)],
)
def test_a_hundred_arrivals_a_second_apart(silence, phi):
    detector = regular(100, **MS)
    assert detector.mean == 997.5
    assert detector.phi(99_000.0 + silence) == pytest.approx(phi, abs=5e-5)


def test_the_threshold_of_eight():
    detector = regular(100, **MS)
    assert not detector.is_suspect(99_000.0 + 18_300.0)
    assert detector.phi(99_000.0 + 18_380.0) == pytest.approx(8.0023, abs=5e-5)
    assert detector.is_suspect(99_000.0 + 18_380.0)


def test_after_one_arrival():
    detector = regular(1, **MS)
    assert detector.mean == 750.0
    assert detector.deadline == pytest.approx(13_816, abs=1)
    assert not detector.is_suspect(13_800.0)
    assert detector.is_suspect(13_820.0)


def test_a_window_of_a_thousand():
    detector = regular(2000, **MS)
    assert (detector.samples, detector.mean) == (1000, 1000.0)


# The normal form.


def test_a_peer_that_never_tarries():
    detector = heard([float(n) for n in range(2000)])
    # The mean, 5.6 times the least deviation, and the pause.
    assert detector.deadline - 1999 == pytest.approx(1 + 0.561 + 3, abs=0.001)


def test_without_a_pause_a_lost_heartbeat_is_a_failure():
    impatient = heard([float(n) for n in range(2000)], pause=0.0)
    assert impatient.is_suspect(1999 + 1.9)
    assert not heard([float(n) for n in range(2000)]).is_suspect(1999 + 1.9)


@pytest.mark.parametrize(
    ("deviations", "phi"),
    [(0.0, 0.30103), (1.0, 0.79955), (5.612, 8.0), (10.0, 23.118), (38.0, 315.54)],
)
def test_surprise_is_the_normal_distributions(deviations, phi):
    assert surprise(deviations) == pytest.approx(phi, abs=0.005)


def test_surprise_goes_on_where_numbers_end():
    values = [surprise(d / 10) for d in range(1, 1_000)]
    steps = [b - a for a, b in pairwise(values)]
    assert all(isfinite(v) for v in values)
    assert all(0 < a <= b * 1.001 for a, b in pairwise(steps))


@pytest.mark.parametrize("phi", [0.5, 1.0, 8.0, 12.0, 99.0])
def test_deviations_at_is_its_inverse(phi):
    assert surprise(deviations_at(phi)) == pytest.approx(phi)


# Both.

FORMS = st.sampled_from(["normal", "exponential"])
GAPS = st.lists(st.floats(0.0, 1e4), max_size=50)


@given(FORMS, GAPS, st.floats(0.0, 1e12))
def test_phi_is_finite_whatever_was_heard_and_however_long_ago(form, gaps, silence):
    detector = PhiAccrual(0.0, form=form)
    now = 0.0
    for gap in gaps:
        now += gap
        detector.arrive(now)
    phi = detector.phi(now + silence)
    assert isfinite(phi)
    assert phi >= 0.0


@given(FORMS, GAPS)
def test_at_its_deadline_a_peer_becomes_suspect(form, gaps):
    detector = PhiAccrual(0.0, form=form)
    now = 0.0
    for gap in gaps:
        now += gap
        detector.arrive(now)
    due = detector.deadline
    assert due > now
    assert not detector.is_suspect(now + (due - now) * 0.999)
    assert detector.is_suspect(now + (due - now) * 1.001)


@given(FORMS, GAPS)
def test_phi_grows_with_the_silence(form, gaps):
    detector = PhiAccrual(0.0, form=form)
    now = 0.0
    for gap in gaps:
        now += gap
        detector.arrive(now)
    phis = [detector.phi(now + 2.0**n) for n in range(-5, 40)]
    assert phis == sorted(phis)


@pytest.mark.parametrize("form", ["normal", "exponential"])
def test_a_peer_that_was_never_heard_becomes_suspect(form):
    detector = PhiAccrual(100.0, form=form)
    assert not detector.is_suspect(101.0)
    assert detector.is_suspect(120.0)


@pytest.mark.parametrize("form", ["normal", "exponential"])
def test_an_outage_does_not_dull_the_detector(form):
    detector = heard([float(n) for n in range(100)], form=form)
    patience, samples = detector.deadline - 99, detector.samples
    detector.arrive(99.0 + 3600)
    assert detector.deadline - (99 + 3600) == pytest.approx(patience)
    detector.arrive(99.0 + 3601)
    assert detector.samples == samples + 1


def test_a_clock_that_is_read_out_of_order_does_no_harm():
    detector = heard([1.0, 2.0, 1.5, 3.0])
    assert detector.phi(2.5) == detector.phi(3.0)
    assert detector.mean >= 0.0


def test_the_sums_do_not_drift():
    detector = PhiAccrual(0.0, window=10)
    now = 0.0
    for n in range(10_000):
        now += (0.1, 0.7, 1.3)[n % 3]
        detector.arrive(now)
    assert detector.mean == pytest.approx(
        sum((0.1, 0.7, 1.3)[n % 3] for n in range(9_990, 10_000)) / 10, abs=1e-9
    )


@pytest.mark.parametrize(
    "options",
    [
        {"form": "uniform"},
        {"threshold": 0.5},
        {"threshold": 101.0},
        {"threshold": nan},
        {"first": 0.0},
        {"min_deviation": 0.0},
        {"pause": -1.0},
        {"pause": nan},
        {"window": 0},
        {"window": 1.5},
        {"threshold": inf},
    ],
    ids=str,
)
def test_an_argument_out_of_its_range_is_refused(options):
    with pytest.raises(ConfigError):
        PhiAccrual(0.0, **options)
