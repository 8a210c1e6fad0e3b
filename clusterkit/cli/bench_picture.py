"""The result of a bench for a person: a table, and the round trips as bars."""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.bench import TITLES
from clusterkit.cli.ring_picture import BAR, bar
from clusterkit.cli.tables import NOTHING, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clusterkit.cli.tables import Style

MOST_BARS: Final = 16
"""Lines of the picture of the round trips."""

_LEAST_BAR: Final = 8
"""Columns that bars need to be worth drawing."""


def bench_picture(data: Mapping[str, Any], style: Style) -> str:
    """Return what was measured, as text.

    Args:
        data: The result of `bench`.
        style: What the terminal can show.
    """
    rows = [_row(title, part, data[part]) for part, title in TITLES.items()]
    headers = ["WHAT", "MEASURED", "HALF WITHIN", "99 % WITHIN", "PAYLOAD", "AT ONCE"]
    parts = [
        style.bold(f"{data['from']} → {data['to']}"),
        table(headers, rows, style, numbers=headers[1:]),
    ]
    lost = data["casts"]["lost"]
    if lost:
        parts.append(f"{lost:,} casts were not handled: see `dropped` at {data['to']}")
    histogram = data["round_trip"]["histogram"]
    if histogram:
        parts += ["", "round trips, up to", *bars(histogram, style)]
    return "\n".join(parts)


def bars(histogram: Sequence[Sequence[Any]], style: Style) -> list[str]:
    """Return a line for each of at most `MOST_BARS` buckets.

    Args:
        histogram: Upper bounds in seconds, and how often.
        style: What the terminal can show.
    """
    buckets, per_doubling = [(upper, n) for upper, n in histogram], 8.0
    while len(buckets) > MOST_BARS:
        per_doubling /= 2
        buckets = _coarser(buckets, per_doubling)
    most = max(count for _, count in buckets)
    labels = [f"{duration(upper):>9}  {count:>9,}" for upper, count in buckets]
    room = style.room(max(map(len, labels)) + 2)
    if room < _LEAST_BAR:
        return labels
    whole = int(min(room, BAR))
    return [
        f"{label}  {bar(count / most, whole)}"
        for label, (_, count) in zip(labels, buckets, strict=True)
    ]


def _coarser(
    buckets: Sequence[tuple[float, int]], per_doubling: float
) -> list[tuple[float, int]]:
    """Return the same counts in wider buckets, so many to each doubling."""
    wider: dict[int, int] = {}
    for upper, count in buckets:
        place = ceil(round(log2(upper) * per_doubling, 2))
        wider[place] = wider.get(place, 0) + count
    return [(2 ** (place / per_doubling), count) for place, count in wider.items()]


def _row(title: str, part: str, told: Mapping[str, Any]) -> list[str]:
    measured = {
        "round_trip": lambda: duration(told["latency"]["mean"]),
        "bytes": lambda: f"{told['bytes_per_second'] / 1e6:,.1f} MB/s",
    }.get(part, lambda: f"{told['per_second']:,.0f} /s")()
    latency = told.get("latency")
    within = [duration(latency[q]) if latency else NOTHING for q in ("p50", "p99")]
    size, at_once = told["payload_bytes"], str(told.get("in_flight", NOTHING))
    shown = f"{size // 1024} KiB" if size >= 1024 else f"{size} bytes"
    return [title, measured, *within, shown, at_once]


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it.

    >>> duration(0.0000923), duration(0.00123), duration(1.5)
    ('92.3 µs', '1.23 ms', '1.5 s')
    """
    for unit, name in ((1e-6, "µs"), (1e-3, "ms")):
        if seconds < 999.5 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s"
