"""The figures of `membership.py` as a picture: plain SVG, so that it needs nothing."""

from __future__ import annotations

from bisect import bisect_right
from math import log10

WIDTH, HEIGHT, GAP, TOP = 300, 180, 60, 40
COLOUR = "#1f6f8b"


def draw(figures):
    """Return three panels: spread and bytes by size, and when a crash is known."""
    sizes = [size for size in figures if "spread_p99" in figures[size]]
    body = [
        *panel(
            0,
            "a key is known to 99 %, seconds",
            [(size, figures[size]["spread_p99"]) for size in sizes],
        ),
        *panel(
            1,
            "idle bytes per second and node",
            [(s, f["idle_bytes"]) for s, f in figures.items() if "idle_bytes" in f],
        ),
        *known(2, figures),
    ]
    width = 3 * (WIDTH + GAP) + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
        f'{HEIGHT + 2 * TOP}" width="{width}" height="{HEIGHT + 2 * TOP}" '
        'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" '
        'fill="#fff"/>'
    )
    return "\n".join([head, *body, "</svg>", ""])


def panel(place, title, points):
    """Yield a curve over the size of the cluster, which is drawn by powers of ten."""
    left, bottom = GAP + place * (WIDTH + GAP), TOP + HEIGHT
    highest = 1.2 * max((value for _, value in points), default=1)
    largest = max((log10(size) for size, _ in points), default=1)
    yield frame(left, title)
    marks = []
    for size, value in points:
        x = left + WIDTH * log10(size) / (1.1 * largest)
        y = bottom - HEIGHT * value / highest
        marks.append(f"{x:.1f},{y:.1f}")
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOUR}"/>'
        yield f'<text x="{x - 12:.1f}" y="{y - 8:.1f}">{value:.3g}</text>'
        yield f'<text x="{x - 10:.1f}" y="{bottom + 14}">N = {size}</text>'
    yield f'<polyline points="{" ".join(marks)}" fill="none" stroke="{COLOUR}"/>'


def known(place, figures):
    """Yield, for each size, which part of the nodes know of a crash after a time."""
    left, bottom = GAP + place * (WIDTH + GAP), TOP + HEIGHT
    by_size = {
        s: sorted(f["crash_each"]) for s, f in figures.items() if "crash_each" in f
    }
    longest = 1.1 * max((times[-1] for times in by_size.values()), default=1)
    yield frame(left, "part of the nodes that know of a crash, after seconds")
    yield f'<text x="{left - 32}" y="{TOP + 4}">100 %</text>'
    yield f'<text x="{left - 32}" y="{bottom - HEIGHT / 2 + 4}">50 %</text>'
    for number, (size, times) in enumerate(by_size.items()):
        steps, y = [f"{left},{bottom}"], bottom
        for when in sorted(set(times)):
            x, before = left + WIDTH * when / longest, y
            y = bottom - HEIGHT * bisect_right(times, when) / len(times)
            steps += [f"{x:.1f},{before:.1f}", f"{x:.1f},{y:.1f}"]
        shade = f'stroke="{COLOUR}" stroke-width="{1 + number}" stroke-opacity="0.7"'
        yield f'<polyline points="{" ".join(steps)}" fill="none" {shade}/>'
        y = TOP + 8 + 14 * number
        yield f'<path d="M{left + 10},{y} h20" {shade}/>'
        yield f'<text x="{left + 36}" y="{y + 4}">N = {size}</text>'
    for second in range(0, int(longest) + 1, 2):
        x = left + WIDTH * second / longest
        yield f'<text x="{x:.1f}" y="{bottom + 14}">{second}</text>'


def frame(left, title):
    """Return the axes of a panel, and what it shows."""
    return (
        f'<text x="{left}" y="{TOP - 18}" font-weight="bold">{title}</text>\n'
        f'<path d="M{left},{TOP} V{TOP + HEIGHT} H{left + WIDTH}" fill="none" '
        'stroke="#888"/>'
    )
