"""How far a message must be passed on for every member to hear of it.

The arithmetic of epidemic dissemination lives here. Whom to tell never will:
that takes dice and links, which belong to the caller.
"""

from __future__ import annotations


def rounds(n: int) -> int:
    """Return how often a message is passed on in a ring of `n` members.

    If everyone who knows tells one who does not, those who know double each
    time, so fewer rounds cannot reach all. Choosing at random takes about ln n
    more (Frieze and Grimmett, 1985); periodic exchange makes up for those.

        >>> [rounds(n) for n in (0, 1, 2, 3, 8, 9)]
        [0, 1, 1, 2, 3, 4]

    Args:
        n: Members of the ring, this one included; 0 or more.

    Returns:
        ceil(log2 n), but at least 1; 0 for an empty ring.

    Raises:
        ValueError: `n` is not an integer of at least 0.
    """
    if type(n) is not int or n < 0:
        raise ValueError(f"a ring has 0 or more members, not {n!r}")
    if n == 0:
        return 0
    return max(1, (n - 1).bit_length())
