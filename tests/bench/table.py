"""The one table: a row per measure, a column per peer, goals at the end.

A goal compares clusterkit with a yardstick of the same run, or, where none is
fair, with a number. Numbers are of the machine on which they were set, so the
ratio stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Samples = Mapping[str, Mapping[str, Sequence[float]]]

SUBJECT = "clusterkit"


@dataclass(frozen=True)
class Row:
    """One measure and what is wanted of it.

    Args:
        key: Its name in the results.
        title: Its name in the table, with the unit.
        workload: What measures it.
        versus: The peer beside which the ratio is taken.
        kind: What the limits bound: the value, its ratio to `versus`, or its
            difference.
        sense: Whether a greater value is better.
        must: The limit that every release holds.
        aim: The limit that makes people switch.
    """

    key: str
    title: str
    workload: str
    versus: str = ""
    kind: Literal["value", "ratio", "difference"] = "value"
    sense: Literal["more", "less"] = "less"
    must: float | None = None
    aim: float | None = None


ROWS = (
    Row("w1_p50_us", "W1 call p50, µs", "W1", "bare", "ratio", "less", 1.7, 1.4),
    Row("w1_p99_us", "W1 call p99, µs", "W1", "bare"),
    Row("w2_cps", "W2 calls/s", "W2", "erlang", "ratio", "more", 2, 3),
    Row("w3_mps", "W3 casts/s", "W3", "erlang", "ratio", "more", 1.2, 2),
    Row("w4_mbps", "W4 MB/s", "W4", "sealed", "ratio", "more", 0.9, 1.5),
    Row("w5_call", "W5 calls/s", "W5", "bare", "value", "more", 80e3, 120e3),
    Row("w5_cast", "W5 casts/s", "W5", "pykka", "value", "more", 500e3, 1e6),
    Row("w6_rss_b", "W6 actor, bytes", "W6", "bare", "value", "less", 4_000, 2_600),
    Row("w6_spawn_us", "W6 start, µs", "W6", "bare", "value", "less", 30, 10),
    Row("ring_build_ms", "ring build, ms", "ring", "uhashring", must=250, aim=120),
    Row("ring_lookup_us", "ring lookup, µs", "ring", "uhashring", must=2, aim=1),
    Row("ring_add_ms", "ring add, ms", "ring", "uhashring", must=15, aim=4),
    Row("import_ms", "import, ms", "import", "bare", "difference", must=60, aim=30),
    Row("cli_ms", "CLI command, ms", "cli", must=400, aim=250),
    Row("ov_sender_mb", "overload: sender, MiB more", "overload", must=32, aim=8),
    Row("ov_receiver_mb", "overload: receiver, MiB more", "overload", must=32, aim=8),
    Row("ov_lost", "overload: casts unaccounted for", "overload", must=0, aim=0),
    Row("ov_offered", "overload: casts offered", "overload"),
    Row("ov_refused", "overload: refused at once", "overload"),
    Row("ov_told", "overload: refused later", "overload"),
    Row("ov_drain_s", "overload: until all is handled, s", "overload"),
    Row("hb0_p50_ms", "ping p50, idle, ms", "heartbeat"),
    Row("hb0_p99_ms", "ping p99, idle, ms", "heartbeat"),
    Row("hb1_p50_ms", "ping p50 beside 64 x 1 MiB, ms", "heartbeat"),
    Row("hb1_p99_ms", "ping p99 beside 64 x 1 MiB, ms", "heartbeat", must=50, aim=10),
    Row("hb1_pings", "pings beside 64 x 1 MiB", "heartbeat"),
    Row("hb15_p50_ms", "ping p50 beside 4 x 15 MiB, ms", "heartbeat"),
    Row("hb15_p99_ms", "ping p99 beside 4 x 15 MiB, ms", "heartbeat", must=50, aim=10),
    Row("hb15_pings", "pings beside 4 x 15 MiB", "heartbeat"),
)


@dataclass(frozen=True)
class Verdict:
    """What became of one row's goal.

    Args:
        ratio: clusterkit's value over the yardstick's, if both were measured.
        measured: What the limits were held against.
        mark: `aim`, `must`, `MISS`, or empty where nothing can be said.
    """

    ratio: float | None
    measured: float | None
    mark: str


def medians(samples: Samples) -> dict[str, dict[str, float]]:
    """Return the median of every peer's every measure."""
    return {
        peer: {key: median(values) for key, values in of_peer.items()}
        for peer, of_peer in samples.items()
    }


def judge(row: Row, middle: Mapping[str, Mapping[str, float]]) -> Verdict:
    """Hold one row's medians against its goal."""
    ours = middle.get(SUBJECT, {}).get(row.key)
    theirs = middle.get(row.versus, {}).get(row.key)
    if ours is None:
        return Verdict(None, None, "")
    ratio = ours / theirs if theirs else None
    measured = ours
    if row.kind != "value":
        if theirs is None:
            return Verdict(None, None, "")
        measured = ours / theirs if row.kind == "ratio" else ours - theirs
    return Verdict(ratio, measured, mark_of(row, measured))


def mark_of(row: Row, measured: float) -> str:
    """Return `aim`, `must` or `MISS`; empty for a row without limits."""
    if row.must is None or row.aim is None:
        return ""
    sign = 1 if row.sense == "less" else -1
    if measured * sign <= row.aim * sign:
        return "aim"
    return "must" if measured * sign <= row.must * sign else "MISS"


def render(samples: Samples, rows: Sequence[Row]) -> str:
    """Return the table as lines of text; rows that nobody measured are left out."""
    peers = list(samples)
    middle = medians(samples)
    measured = set().union(*middle.values())
    heading = ["", *peers, "spread", "against", "by", "must", "aim", ""]
    lines = [heading]
    for row in [row for row in rows if row.key in measured]:
        verdict = judge(row, middle)
        spread = spread_of(samples.get(SUBJECT, {}).get(row.key, []))
        lines.append(
            [
                row.title,
                *[number(middle[peer].get(row.key)) for peer in peers],
                spread,
                row.versus,
                beside(row, verdict),
                limit(row, row.must),
                limit(row, row.aim),
                verdict.mark,
            ]
        )
    return aligned(lines)


def spread_of(values: Sequence[float]) -> str:
    """Return how far the rounds lie apart, in per cent of their median."""
    if len(values) < 2 or not (middle := median(values)):
        return ""
    return f"{(max(values) - min(values)) / middle * 100:.0f} %"


def number(value: float | None) -> str:
    """Return three significant digits, or all of a greater number."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def beside(row: Row, verdict: Verdict) -> str:
    """Return how we compare with the yardstick: `1.45 x`, or `+51`."""
    if verdict.ratio is None:
        return ""
    if row.kind == "difference" and verdict.measured is not None:
        return f"{verdict.measured:+.0f}"
    return f"{number(verdict.ratio)} x"


def limit(row: Row, value: float | None) -> str:
    """Return a limit with its sense and kind: `≤ 1.7 x`, `≥ 80,000`."""
    if value is None:
        return ""
    sign = "≤" if row.sense == "less" else "≥"
    if row.kind == "difference":
        return f"+{value:.0f}"
    text = f"{value:.1f}" if row.kind == "ratio" else f"{value:,.0f}"
    return f"{sign} {text}{' x' if row.kind == 'ratio' else ''}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return the cells in columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "  ".join("-" * width for width in widths).rstrip()
    texts = []
    for cells in lines:
        first, *rest = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1])]
        padded += [cell.rjust(width) for cell, width in rest]
        texts.append("  ".join(padded).rstrip())
    return "\n".join([texts[0], rule, *texts[1:]])
