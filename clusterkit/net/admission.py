"""Who may attach to a link: the checks on a Proof, in their order.

Pure: what is asked, what is known, and out comes a reason or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from clusterkit.errors import ProtocolError
from clusterkit.net.patience import SPENT
from clusterkit.wire.greetings import COUNTER_LIMIT

if TYPE_CHECKING:
    from clusterkit.net.link import Link
    from clusterkit.wire.handshake import Identity, Proved


class Objection(NamedTuple):
    """Why a Proof is refused, and what the dialer needs to know about it."""

    reason: str
    detail: str = ""


def ring_objection(ring: str, proved: Proved) -> Objection | None:
    """Refuse a dialer of another ring; no ring matches any."""
    theirs = proved.proof.ring
    if ring and theirs and ring != theirs:
        return Objection("ring", ring)
    return None


def name_objection(me: Identity, proved: Proved) -> Objection | None:
    """Refuse a member that bears our own name.

    Raises:
        ProtocolError: It listens nowhere, as only a client may.
    """
    if not proved.proof.host or not proved.proof.port:
        raise ProtocolError("a member listens somewhere")
    if proved.hello.name != me.name:
        return None
    if proved.hello.incarnation == me.incarnation:
        return Objection("name", f"{me.name} dialled its own address")
    return Objection("name", f"{me.name} is the name of both nodes; choose another")


def link_objection(me: Identity, link: Link, proved: Proved) -> Objection | None:
    """Refuse what is outdated, or loses against our own dial.

    In the order of decision: an incarnation below the known one, a session
    agreed before a newer one began, a tie that is ours by name.

    Raises:
        ProtocolError: There is no number left for the session.
    """
    hello = proved.hello
    known = link.talk.incarnation
    if hello.incarnation < known:
        return Objection("incarnation", str(known))
    shunned = link.given_up is not None and link.given_up not in SPENT
    if shunned and hello.incarnation == known:
        return Objection("given_up", link.given_up or "")
    if link.sessions >= session_number(hello.sessions, proved.sessions):
        return Objection("stale")
    if link.dial is not None and link.dial.challenged and me.name < hello.name:
        return Objection("tie")
    return None


def session_number(dialer: int, listener: int) -> int:
    """Return the number that the new session gets on both sides.

    Args:
        dialer: Number of the last session as the Hello says.
        listener: The same as the Challenge says.

    Raises:
        ProtocolError: It could not be told to anybody.
    """
    number = max(dialer, listener) + 1
    if number >= COUNTER_LIMIT:
        raise ProtocolError("the session numbers are used up")
    return number
