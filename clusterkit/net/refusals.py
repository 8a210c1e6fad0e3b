"""Refused links: what a reason means, to the user, to the operator, to the count.

A link is refused by the one who listens, or by the one who dials and finds
somebody else. Either way the refusal is one line in the log of that end, with
the reason and the remedy, and the error that `connect` and `meet` raise.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from clusterkit.errors import (
    ClusterError,
    NameTaken,
    NodeDown,
    TlsRefused,
    VersionRefused,
    WrongCookie,
    WrongRing,
)
from clusterkit.logs import Seldom, log

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.names import Address
    from clusterkit.wire.handshake import Refused

logger = logging.getLogger("clusterkit.net")

REMEDIES: Final = {
    "cookie": "give both ends the same cookie",
    "guessing": "find who at that address has the wrong cookie, or is guessing it",
    "ring": "give both nodes the same ring name, or keep them apart",
    "name": "give every node a name of its own, and dial it by that name",
    "version": "run releases with a common protocol version at both ends",
    "tls": "give both ends TLS, with certificates that are valid and of one CA",
    "incarnation": "set the clock of the dialing machine right, and restart the node",
    "given_up": "connect to the node by name, or restart one of the two",
}
"""What an operator can do about each reason; one without has none."""

UNTIED: Final = "or a relay in between, or one end has Tls and the other TlsContexts"
"""What else a wrong MAC can mean where handshakes are tied to their connection."""


class Refusals:
    """Those that a node has made, counted; and what it logs of them and of others'.

    Of many alike there is a line now and then, with how many it stands for.

    Args:
        clock: Returns the time, in seconds.

    Attributes:
        rejected: Refused frames and handshakes, by reason.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.rejected: Counter[str] = Counter()
        self._seldom = Seldom(clock)

    def __repr__(self) -> str:
        return f"<Refusals {dict(self.rejected)}>"

    def reject(self, reason: str, peer: str, address: Address | None) -> None:
        """Count and log that a peer did what no peer may.

        Args:
            reason: What, as `statistics` counts it.
            peer: Its name, or its host as long as it has given none.
            address: Where it listens, None if that is not known.
        """
        self.rejected[reason] += 1
        due = self._seldom.due("rejected", reason, peer)
        if due is not None:
            told = {"peer": peer, "address": address, "reason": reason, **due}
            log(logger, logging.WARNING, "rejected", **told)

    def by_us(
        self, peer: str, reason: str, detail: str = "", *, address: object
    ) -> None:
        """Count and log that a peer's link was refused here.

        Args:
            peer: The other end's name.
            reason: As in a refusal of the handshake.
            detail: What there is to say beside the reason.
            address: Where it came from, or was dialled.
        """
        self.rejected[reason] += 1
        self._log("refused", peer, reason, detail, address)

    def by_peer(
        self, peer: str, reason: str, detail: str = "", *, address: object
    ) -> None:
        """Log that a peer refused a link that was dialled here; as `by_us`."""
        self._log("refused by", peer, reason, detail, address)

    def _log(
        self, what: str, peer: str, reason: str, detail: str, address: object
    ) -> None:
        due = self._seldom.due(what, reason, peer)
        if due is None:
            return
        log(
            logger,
            logging.WARNING,
            "link_refused",
            peer=peer,
            reason=reason,
            type="INVALID_CHECKSUM" if reason == "cookie" else None,
            address=address,
            detail=detail or None,
            remedy=REMEDIES.get(reason),
            **due,
        )


def refusal_error(peer: str, refused: Refused) -> ClusterError:
    """Return the error that a refusal means to the dialer's user."""
    reason, detail = refused.reason, refused.detail
    if reason == "cookie":
        return WrongCookie(f"{peer} refused the cookie; both ends need the same one")
    if reason == "version":
        return VersionRefused(f"{peer} refused: {detail}")
    if reason == "tls":
        return TlsRefused(f"{peer} refused: {detail}")
    if refused.authentic and reason == "ring":
        return WrongRing(f"{peer} is in ring {detail!r}")
    if refused.authentic and reason == "name":
        return NameTaken(detail)
    return NodeDown(f"{peer} refused: {reason} {detail}".rstrip(), outcome="not sent")
