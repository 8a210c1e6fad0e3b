"""Rows in columns, as wide as the terminal allows."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from clusterkit.cli.ring_picture import colour
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING: Final = "-"
"""Stands where there is no value."""


@frozen
class Style:
    """What the terminal can show.

    Attributes:
        colours: Whether it is to be coloured.
        width: Its columns; 0 for as many as wanted.
    """

    colours: bool = False
    width: int = 0

    def room(self, taken: int = 0) -> int | float:
        """Return how many columns are left of a line."""
        return self.width - taken if self.width else inf

    def paint(self, text: str, number: int) -> str:
        """Return `text` in the colour of the node with that number."""
        return colour(text, number) if self.colours else text

    def bold(self, text: str) -> str:
        """Return `text` as a heading."""
        return f"\x1b[1m{text}\x1b[0m" if self.colours else text


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    style: Style,
    *,
    numbers: Sequence[str] = (),
) -> str:
    """Return rows under headers, in columns as wide as needed.

    Where they do not fit, each row is a list of its cells: a line that the
    terminal breaks can no longer be read by its column.

    Args:
        headers: One per column.
        rows: The cells.
        style: What the terminal can show.
        numbers: Headers of the columns that are aligned to the right.
    """
    lines = [headers, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    right = [header in numbers for header in headers]
    if sum(widths) + 2 * len(widths) - 2 > style.room():
        return "\n".join(_listed(headers, row, style) for row in rows)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([style.bold(line(headers)), *(line(row) for row in rows)])


def _listed(headers: Sequence[str], row: Sequence[str], style: Style) -> str:
    widest = max(map(len, headers))
    cells = [
        f"  {header:<{widest}}  {cell}"
        for header, cell in zip(headers[1:], row[1:], strict=True)
    ]
    return "\n".join([style.bold(row[0]), *cells])
