"""Who is a master: what follows from what candidates say of themselves.

Each says how much weight it has, whether it may be chosen, and the counter of its
*epoch* if it is a master: (counter, name), unique by construction, and later is
greater. All judge by the same rules, so whoever sees the same comes to the same; who
does not, for a partition, is overruled by the later epoch once they see each other.
There is at most one master too many for each side of a partition, and only while it
lasts: more cannot be had without a quorum.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_REQUIRED: Final = 10_000
"""Masters that may be asked for: as many as a ring has members."""

MOST_COUNTER: Final = 2**63 - 1
"""Highest counter of an epoch."""


class Epoch(NamedTuple):
    """A term of a master; of two the greater is the later.

    Attributes:
        counter: Higher than that of any that its master knew of.
        name: Of the master.
    """

    counter: int
    name: str


class Candidate(NamedTuple):
    """What a node says of itself.

    Attributes:
        weight: Who has more is chosen first; at a tie the greater name.
        eligible: Whether it may be chosen.
        counter: Of its epoch; 0 if it is no master.
        required: How many masters it wants there to be.
        highest: Of all counters that it knows of, those of former masters included.
    """

    weight: float
    eligible: bool
    counter: int
    required: int
    highest: int


def epochs(candidates: Mapping[str, Candidate]) -> list[Epoch]:
    """Return those of all that say they are masters, the latest first."""
    claimed = (Epoch(c.counter, name) for name, c in candidates.items() if c.counter)
    return sorted(claimed, reverse=True)


def is_superseded(own: str, candidates: Mapping[str, Candidate], required: int) -> bool:
    """Say whether `own` is a master too many; never if none are required."""
    claimed = epochs(candidates)
    return required > 0 and own in {epoch.name for epoch in claimed[required:]}


def is_due(own: str, candidates: Mapping[str, Candidate], required: int) -> bool:
    """Say whether `own` has to be a master: some are wanting, and it is next."""
    wanting = required - len(epochs(candidates))
    waiting = sorted(
        (
            (candidate.weight, name)
            for name, candidate in candidates.items()
            if candidate.eligible and not candidate.counter
        ),
        reverse=True,
    )
    return wanting > 0 and own in {name for _, name in waiting[:wanting]}


def read_candidate(value: Any) -> Candidate | None:
    """Return what a node says of itself, None if it is nothing that a node says.

    Fields of a later version, behind those that are known, are allowed.
    """
    if not isinstance(value, list) or len(value) < len(Candidate._fields):
        return None
    weight, eligible, counter, required, highest = value[: len(Candidate._fields)]
    if (
        type(weight) is float
        and isfinite(weight)
        and type(eligible) is bool
        and _is_count(counter, MOST_COUNTER)
        and _is_count(required, MOST_REQUIRED)
        and _is_count(highest, MOST_COUNTER)
    ):
        return Candidate(weight, eligible, counter, required, highest)
    return None


def read_epoch(value: Any) -> Epoch | None:
    """Return the epoch that came with a message, None if that is none."""
    if not isinstance(value, (list, tuple)) or len(value) != len(Epoch._fields):
        return None
    counter, name = value
    if _is_count(counter, MOST_COUNTER) and counter and isinstance(name, str):
        return Epoch(counter, name)
    return None


def _is_count(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
