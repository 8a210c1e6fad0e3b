"""Draw the table of `run.py --json FILE` as bars.

    python tests/bench/plot.py FILE > docs/explanation/performance.svg

One group of bars a workload, one bar a peer: how fast each is beside
clusterkit, which is 1, on a logarithmic scale. To the right is faster, also
where the measure is a time. Plain SVG, so that it needs nothing.
"""

from __future__ import annotations

import json
import sys
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING

from table import ROWS, SUBJECT, medians, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DRAWN = ("w1_p50_us", "w2_cps", "w3_mps", "w4_mbps", "w5_call", "w5_cast")
LOWEST, HIGHEST = 0.1, 30.0
LEFT, RIGHT, TOP, BAR, GAP = 110, 470, 40, 13, 12
COLOURS = {SUBJECT: "#1f6f8b", "erlang": "#a4343a", "bare": "#888", "sealed": "#bbb"}
OTHER = "#d9b310"
LEFT_OUT = ("-", "+", "near:")
"""How the names of peers begin that are nobody's product: parts, prototypes."""


def draw(middle: Mapping[str, Mapping[str, float]]) -> str:
    """Return the picture of the medians of each peer."""
    body: list[str] = []
    y = TOP
    for row in [row for row in ROWS if row.key in DRAWN]:
        ours = middle[SUBJECT].get(row.key)
        if ours is None:
            continue
        body.append(text(4, y + BAR - 3, row.title, weight="bold"))
        y += BAR + 4
        for peer, values in middle.items():
            if (value := values.get(row.key)) is None or peer.startswith(LEFT_OUT):
                continue
            faster = ours / value if row.sense == "less" else value / ours
            body += bar(y, peer, faster, number(value))
            y += BAR + 2
        y += GAP
    lines = [*grid(y - GAP), *body]
    return "\n".join([head(RIGHT + 80, y), *lines, "</svg>", ""])


def head(width: int, height: int) -> str:
    """Return the opening tag."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    )


def grid(bottom: int) -> Iterator[str]:
    """Yield the scale: a line for each mark on it."""
    for mark in (0.1, 0.3, 1, 3, 10, 30):
        x, width = place(mark), 1.5 if mark == 1 else 0.5
        yield (
            f'<line x1="{x}" x2="{x}" y1="{TOP - 12}" y2="{bottom}" '
            f'stroke="#999" stroke-width="{width}"/>'
        )
        yield text(x - 6, TOP - 18, f"{mark:g}x")


def bar(y: int, peer: str, faster: float, value: str) -> Iterator[str]:
    """Yield the bar of one peer, from 1 to what it reaches."""
    begin, end = sorted((place(1), place(faster)))
    colour = COLOURS.get(peer, OTHER)
    yield text(12, y + BAR - 3, peer)
    yield (
        f'<rect x="{begin:.1f}" y="{y}" width="{max(end - begin, 2):.1f}" '
        f'height="{BAR}" fill="{colour}"/>'
    )
    yield text(RIGHT + 8, y + BAR - 3, value)


def place(faster: float) -> float:
    """Return where a ratio stands on the scale."""
    share = log10(min(max(faster, LOWEST), HIGHEST) / LOWEST)
    return LEFT + (RIGHT - LEFT) * share / log10(HIGHEST / LOWEST)


def text(x: float, y: float, words: str, *, weight: str = "normal") -> str:
    """Return a line of text."""
    return f'<text x="{x:.1f}" y="{y}" font-weight="{weight}">{words}</text>'


if __name__ == "__main__":
    samples = json.loads(Path(sys.argv[1]).read_text())["samples"]
    sys.stdout.write(draw(medians(samples)))
