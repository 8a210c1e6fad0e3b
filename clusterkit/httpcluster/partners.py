"""With whom a node exchanges next; by the dice that it is given.

Half of the times it is a monitor, where there are any: they know most, and soonest,
so two nodes that never meet agree by way of one in two exchanges. The other half it is
anybody, so that nothing depends on monitors. One in ten times somebody who is not
there is tried as well, or two halves of a cluster would never find each other again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

MONITORS: Final = 0.5
"""How often a monitor is preferred."""

STRAY: Final = 0.1
"""How often somebody is tried who is not there."""

AT_START: Final = 5
"""How many are tried at once by who knows nobody yet."""

FAREWELLS: Final = 5
"""How many, beside monitors, are told that a node ends."""

MOST_FAREWELLS: Final = 20
"""How many with them."""


class Candidate(NamedTuple):
    """Somebody to exchange with: where, and whether others prefer to."""

    url: str
    monitor: bool


def chosen(
    living: Sequence[Candidate], absent: Sequence[str], rng: Random
) -> list[str]:
    """Return the URLs to exchange with now.

    Args:
        living: Members that are there, this node not.
        absent: Where somebody may be that is not there, as far as is known.
        rng: The dice.
    """
    if not living:
        return rng.sample(absent, min(AT_START, len(absent)))
    monitors = [candidate for candidate in living if candidate.monitor]
    preferred = monitors if monitors and rng.random() < MONITORS else living
    urls = [rng.choice(preferred).url]
    if absent and rng.random() < STRAY:
        urls.append(rng.choice(absent))
    return urls


def farewells(living: Sequence[Candidate], rng: Random) -> list[str]:
    """Return the URLs of those who are told that this node ends."""
    monitors = [candidate for candidate in living if candidate.monitor]
    others = [candidate for candidate in living if not candidate.monitor]
    told = rng.sample(monitors, min(len(monitors), MOST_FAREWELLS - FAREWELLS))
    told += rng.sample(others, min(len(others), FAREWELLS))
    return [candidate.url for candidate in told]
