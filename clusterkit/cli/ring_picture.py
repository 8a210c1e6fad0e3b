"""The ring, drawn with characters: who owns which part of the circle.

The circle is what keys are hashed onto, clockwise from the top. Each character
on it is the mark of the node that owns the point there. Positions follow from
ids and weights alone, so those are all that is needed.
"""

from __future__ import annotations

from bisect import bisect_right
from math import cos, pi, sin
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Final

from clusterkit.cluster.ring_shares import WHOLE, place
from clusterkit.core import HashRing
from clusterkit.names import NodeInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

RADIUS: Final = 8
"""Of the circle, in lines; a character is about twice as high as it is wide."""

POINTS: Final = 72
"""Points on the circle: as many as characters fit around it."""

WIDTH: Final = 4 * RADIUS + 1
"""Of the picture, in characters."""

BAR: Final = 30
"""Width of the bar that stands for all keys."""

_MARKS: Final = ascii_lowercase + ascii_uppercase
_MANY: Final = "*"
_COLOURS: Final = (36, 33, 35, 32, 34, 31, 96, 93, 95, 92, 94, 91)


def colour(text: str, number: int) -> str:
    """Return `text` in the colour of node `number`, for a terminal."""
    return f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{text}\x1b[0m"


def marks(names: Iterable[str]) -> dict[str, str]:
    """Return the character that stands for each node, in the order given.

    There are 52; the nodes after that share one.

    >>> marks(["bar", "foo"])
    {'bar': 'a', 'foo': 'b'}
    """
    found = dict.fromkeys(names, _MANY)
    return {**found, **dict(zip(found, _MARKS, strict=False))}


def bar(share: float, whole: int = BAR) -> str:
    """Return a bar, at least a sliver.

    Args:
        share: Of all keys.
        whole: Width of the bar that stands for all of them.

    >>> bar(0.1), bar(0.001)
    ('▇▇▇', '▏')
    """
    return "▇" * round(share * whole) or "▏"


def draw(
    weights: Mapping[str, int],
    paint: Callable[[str, int], str] = lambda text, _: text,
) -> str:
    """Return the picture, of 2 * `RADIUS` + 1 lines.

    Args:
        weights: Each node's, by id; at least one.
        paint: Colours a mark, given the number of its node.
    """
    canvas = [[" "] * WIDTH for _ in range(2 * RADIUS + 1)]
    mark = marks(weights)
    number = {name: index for index, name in enumerate(weights)}
    for index, owner in enumerate(owners(weights, POINTS)):
        angle = 2 * pi * index / POINTS
        row = round(RADIUS - RADIUS * cos(angle))
        column = round(2 * RADIUS + 2 * RADIUS * sin(angle))
        canvas[row][column] = paint(mark[owner], number[owner])
    _write(canvas, f"{len(weights)} node{'s' * (len(weights) != 1)}")
    return "\n".join("".join(line).rstrip() for line in canvas)


def owners(weights: Mapping[str, int], n: int) -> list[str]:
    """Return who owns each of `n` points at equal distances around the ring."""
    nodes = {NodeInfo(name, "-", 1): weight for name, weight in weights.items()}
    positions = HashRing.of(nodes).positions()
    places = [place(point) for point, _ in positions]
    found = []
    for index in range(n):
        at = bisect_right(places, index * WHOLE // n) % len(places)
        found.append(positions[at][1].id)
    return found


def _write(canvas: list[list[str]], text: str) -> None:
    """Write `text` in the middle."""
    line = canvas[len(canvas) // 2]
    start = (len(line) - len(text)) // 2
    line[start : start + len(text)] = text
