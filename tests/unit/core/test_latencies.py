"""Times in buckets: what is exact, and how wrong the rest may be."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from clusterkit.core.latencies import Latencies

TIMES = st.lists(st.floats(1e-7, 1e4), min_size=1, max_size=200)


def filled(times):
    latencies = Latencies()
    for time in times:
        latencies.add(time)
    return latencies


@given(TIMES)
def test_count_extremes_and_mean_are_exact(times):
    latencies = filled(times)
    assert latencies.count == len(times)
    assert (latencies.least, latencies.most) == (min(times), max(times))
    assert latencies.mean == pytest.approx(sum(times) / len(times))


@given(TIMES, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_right_within_a_tenth_and_never_less(times, share):
    ordered = sorted(times)
    exact = next(t for i, t in enumerate(ordered, 1) if i >= share * len(times))
    assert exact * (1 - 1e-9) <= filled(times).quantile(share) <= exact * 1.1


@given(TIMES)
def test_the_buckets_hold_every_time_in_order(times):
    buckets = filled(times).buckets()
    assert sum(count for _, count in buckets) == len(times)
    assert [upper for upper, _ in buckets] == sorted(upper for upper, _ in buckets)
    for upper, _ in buckets:
        within = sum(time <= upper * (1 + 1e-12) for time in times)
        assert within >= sum(n for bound, n in buckets if bound <= upper)


def test_a_million_times_take_as_much_memory_as_a_few():
    latencies = filled([1e-5 * (1 + i % 100) for i in range(10_000)])
    assert len(latencies.buckets()) < 70


def test_none_at_all_is_nothing():
    latencies = Latencies()
    assert (latencies.mean, latencies.quantile(0.5), latencies.buckets()) == (0, 0, [])


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12])
def test_what_took_no_time_counts_as_the_least(seconds):
    assert filled([seconds]).buckets()[0][1] == 1
