"""What a person sees of a bench, on any terminal."""

from __future__ import annotations

import pytest

from clusterkit.cli.bench_picture import MOST_BARS, bars, bench_picture, duration
from clusterkit.cli.tables import Style
from clusterkit.core.latencies import Latencies

LATENCY = {"least": 8e-5, "mean": 1e-4, "p50": 9e-5, "p90": 2e-4, "p99": 1e-3}
CALLS = {
    "payload_bytes": 64,
    "seconds": 1.0,
    "count": 100,
    "per_second": 48_000.4,
    "bytes_per_second": 3_072_000.0,
    "in_flight": 64,
    "latency": LATENCY | {"most": 2e-3},
    "histogram": [[9e-5, 60], [1e-4, 30], [1e-3, 10]],
}
DATA = {
    "from": "foo",
    "to": "bar",
    "round_trip": CALLS | {"in_flight": 1},
    "calls": CALLS,
    "casts": {k: v for k, v in CALLS.items() if k[:2] not in ("in", "la", "hi")}
    | {"lost": 0},
    "bytes": CALLS
    | {"in_flight": 4, "payload_bytes": 262_144, "bytes_per_second": 312_345_678.0},
}


def test_a_wide_terminal_gets_a_table_and_bars():
    shown = bench_picture(DATA, Style(width=100)).splitlines()
    assert shown[0] == "foo → bar"
    cells = [" ".join(line.split()) for line in shown[1:6]]
    assert cells == [
        "WHAT MEASURED HALF WITHIN 99 % WITHIN PAYLOAD AT ONCE",
        "round trip 100 µs 90 µs 1 ms 64 bytes 1",
        "calls 48,000 /s 90 µs 1 ms 64 bytes 64",
        "casts 48,000 /s - - 64 bytes -",
        "large calls 312.3 MB/s 90 µs 1 ms 256 KiB 4",
    ]
    assert shown[7] == "round trips, up to"
    assert shown[8] == f"{'90 µs':>9}  {60:>9}  {'▇' * 30}"
    assert len(shown) == 11


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    lines = bench_picture(DATA, Style(width=width)).splitlines()
    assert max(map(len, lines)) <= max(width, 28)


def test_there_is_no_colour_where_there_is_to_be_none():
    assert "\x1b" not in bench_picture(DATA, Style())
    assert "\x1b[1m" in bench_picture(DATA, Style(colours=True))


def test_casts_that_were_lost_are_said():
    data = DATA | {"casts": DATA["casts"] | {"lost": 1234}}
    assert "1,234 casts were not handled" in bench_picture(data, Style())


def test_a_bench_without_a_round_trip_has_no_bars():
    data = DATA | {"round_trip": CALLS | {"histogram": []}}
    assert "round trips" not in bench_picture(data, Style())


@pytest.mark.parametrize("spread", [1.01, 2, 10, 1e3, 1e6])
def test_few_bars_stand_for_any_spread(spread):
    latencies = Latencies()
    for i in range(1000):
        latencies.add(1e-5 * spread ** (i / 1000))
    lines = bars(latencies.buckets(), Style(width=80))
    assert 1 <= len(lines) <= MOST_BARS
    counts = [int(line.split()[2].replace(",", "")) for line in lines]
    assert sum(counts) == 1000


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 µs"),
        (9.23e-5, "92.3 µs"),
        (0.00123, "1.23 ms"),
        (0.9995, "1 s"),
        (12, "12 s"),
    ],
)
def test_a_time_has_the_unit_that_suits_it(seconds, shown):
    assert duration(seconds) == shown
