"""Which part of all keys each node owns: the ring measured.

Positions and keys are SHA-256 in base64, ordered as text. That order is not the
order of the hashes, but each character is still equally likely, so the text,
read as a number whose digits are the characters' ranks, is spread evenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clusterkit.core import HashRing

_RANKS: Final = {
    character: rank
    for rank, character in enumerate(
        "+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    )
}
_DIGITS: Final = 8
WHOLE: Final = 64**_DIGITS
"""Once around the ring: far more than there can be positions."""


def place(point: str) -> int:
    """Return where a position lies on the ring, from 0 to below `WHOLE`.

    >>> place("++++++++++++") == 0, place("zzzzzzzzzzzz") == WHOLE - 1
    (True, True)
    """
    number = 0
    for character in point[:_DIGITS]:
        number = number * 64 + _RANKS[character]
    return number


def shares(ring: HashRing) -> dict[str, float]:
    """Return the fraction of all keys that each node owns, by id.

    A position owns what lies between it and the one before it. The fractions
    sum up to 1, unless the ring is empty.
    """
    arcs = dict.fromkeys(ring.weights(), 0)
    positions = ring.positions()
    if not positions:
        return {}
    before = place(positions[-1][0]) - WHOLE
    for point, node in positions:
        here = place(point)
        arcs[node.id] += here - before
        before = here
    return {name: arc / WHOLE for name, arc in arcs.items()}
