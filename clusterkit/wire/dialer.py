"""The side of a handshake that connected; see `handshake`."""

from __future__ import annotations

from typing import ClassVar

from clusterkit.errors import ProtocolError
from clusterkit.wire.frame import LONGEST
from clusterkit.wire.greetings import (
    Challenge,
    Hello,
    Proof,
    Refusal,
    SealedRefusal,
    Welcome,
)
from clusterkit.wire.handshake import (
    VERSIONS,
    Challenged,
    Event,
    Handshake,
    Identity,
    Refused,
    Resume,
    Welcomed,
)
from clusterkit.wire.messages import PROTOCOL
from clusterkit.wire.seal import checked_cookie, stretch


class Dialer(Handshake):
    """The side that connected.

    Args:
        me: Who dials.
        cookie: Not empty.
        nonce: 32 random bytes.
        expected: The name that must answer, None for whoever does.
    """

    def __init__(
        self, me: Identity, cookie: bytes, nonce: bytes, expected: str | None = None
    ) -> None:
        super().__init__(me, nonce)
        self._secret = stretch(checked_cookie(cookie))
        self.expected = expected

    def hello(self, sessions: int = 0) -> bytes:
        """Return the first bytes to send.

        Args:
            sessions: Number of the last session with the peer, 0 for none.
        """
        self.state = "greeting"
        return self._emit(
            Hello(
                versions=list(VERSIONS),
                role=self.me.role,
                name=self.me.name,
                incarnation=self.me.incarnation,
                sessions=sessions,
                nonce=self._nonce,
            )
        )

    def prove(
        self, ring: str, host: str, port: int, max_message: int, resume: Resume
    ) -> bytes:
        """Answer a `Challenged` with what this side wants to go on with."""
        self.state = "proving"
        proof = Proof(
            ring=ring,
            host=host,
            port=port,
            max_message=max_message,
            mine=resume.mine,
            fresh=resume.fresh,
            yours=resume.other,
            received=resume.received,
        )
        return self._emit(proof, b"dialer")

    def _on_challenge(
        self, challenge: Challenge, covered: bytes, mac: bytes
    ) -> list[Event]:
        if challenge.version != PROTOCOL:
            raise ProtocolError(f"version {challenge.version} was not offered")
        self._transcript.update(covered)
        self.state = "challenged"
        return [Challenged(challenge.name, challenge.incarnation, challenge.sessions)]

    def _on_welcome(self, welcome: Welcome, covered: bytes, mac: bytes) -> list[Event]:
        self._transcript.update(covered)
        if not self._fits(mac, b"listener"):
            raise ProtocolError("the listener does not have the cookie", "cookie")
        self._transcript.update(mac)
        self._reader.limit = LONGEST  # what follows is for the session to judge
        self.state = "up"
        return [Welcomed(welcome)]

    def _on_refusal(self, refusal: Refusal, covered: bytes, mac: bytes) -> list[Event]:
        self.state = "refused"
        return [Refused(refusal.reason, refusal.detail, authentic=False)]

    def _on_sealed_refusal(
        self, refusal: SealedRefusal, covered: bytes, mac: bytes
    ) -> list[Event]:
        self._transcript.update(covered)
        if not self._fits(mac, b"listener"):
            raise ProtocolError("a refusal with a wrong MAC", "cookie")
        self.state = "refused"
        return [Refused(refusal.reason, refusal.detail, authentic=True)]

    _table: ClassVar = {
        ("greeting", Challenge): "_on_challenge",
        ("greeting", Refusal): "_on_refusal",
        ("proving", Welcome): "_on_welcome",
        ("proving", Refusal): "_on_refusal",
        ("proving", SealedRefusal): "_on_sealed_refusal",
    }
