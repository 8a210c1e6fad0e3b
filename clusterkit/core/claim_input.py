"""What peers say of members' lives, checked before anybody hears it."""

from __future__ import annotations

from typing import Any

from clusterkit.core.liveness import (
    DEAD,
    LEFT,
    MOST_ACCUSERS,
    MOST_RUMOUR,
    SUSPECT,
    Claim,
)
from clusterkit.core.registers import (
    MOST_INCARNATION,
    check_list,
    check_whole,
    read_by_name,
)
from clusterkit.names import check_name


def read_claims(value: object, most: int) -> dict[str, Claim]:
    """Return claims.

    Args:
        value: What a peer sent: `{name: [incarnation, rumour, state, [accuser, …]]}`.
        most: Members that it may name.

    Raises:
        ValueError: It has another shape, or names more.
    """
    return read_by_name(value, _read_claim, most, "claims")


def _read_claim(value: object) -> Claim:
    incarnation, rumour, state, by = check_list(value, 4, "a claim")
    check_whole(incarnation, "an incarnation", MOST_INCARNATION)
    check_whole(rumour, "a rumour", MOST_RUMOUR)
    check_whole(state, "a state", LEFT)
    if rumour and not incarnation:
        raise ValueError("nobody can refute what is said before it has lived")
    if type(by) is not list or len(by) > MOST_ACCUSERS:
        raise ValueError(f"accusers are up to {MOST_ACCUSERS} names")
    accusers = sorted(map(check_name, by)) if state in (SUSPECT, DEAD) else ()
    claim = Claim(incarnation, rumour, state, tuple(accusers))
    if claim.is_final:
        raise ValueError("a claim that could never be refuted")
    return claim


def plain_claims(claims: dict[str, Claim]) -> dict[str, list[Any]]:
    """Return claims as `read_claims` takes them."""
    return {name: [*claim.rank, list(claim.by)] for name, claim in claims.items()}
