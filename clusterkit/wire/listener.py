"""The side of a handshake that was connected to; see `handshake`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clusterkit.errors import ProtocolError
from clusterkit.wire.greetings import (
    Challenge,
    Hello,
    Proof,
    Refusal,
    SealedRefusal,
    Welcome,
    cut,
)
from clusterkit.wire.handshake import (
    VERSIONS,
    Event,
    Greeted,
    Handshake,
    Identity,
    Proved,
    Resume,
)
from clusterkit.wire.seal import checked_cookie, stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Listener(Handshake):
    """The side that was connected to.

    Args:
        me: Who listens.
        cookies: All that are valid when the proof comes: they are looked at
            then, so that one which is dropped meanwhile is refused.
        nonce: 32 random bytes.
        heeds: Says whether a proof is judged at all; every one by default.

    Attributes:
        detail: Both ranges of versions, after `challenge` found none common.
        cookie: The one that the proof was made with, once it has come.
    """

    _hello: Hello  # from its arrival on

    def __init__(
        self,
        me: Identity,
        cookies: Sequence[bytes],
        nonce: bytes,
        heeds: Callable[[Hello, Proof], bool] = lambda *_: True,
    ) -> None:
        super().__init__(me, nonce)
        self._heeds = heeds
        self.detail = ""
        self.cookie = b""
        self._cookies = cookies
        for cookie in cookies:
            checked_cookie(cookie)
        self._sessions = 0

    def challenge(self, sessions: int) -> bytes:
        """Answer a `Greeted`.

        Args:
            sessions: Number of the last session with the name that greeted.

        Returns:
            A Challenge, or a Refusal when no version is common (the state is
            then `refused`).
        """
        lowest, highest = self._hello.versions
        version = min(highest, VERSIONS[1])
        if version < max(lowest, VERSIONS[0]):
            self.state = "refused"
            theirs = f"{_range([lowest, highest])} at {self._hello.name}"
            self.detail = cut(f"{_range(VERSIONS)} at {self.me.name}, {theirs}")
            return Refusal(reason="version", detail=self.detail).to_bytes()
        self.state = "challenging"
        self._sessions = sessions
        return self._emit(
            Challenge(
                version=version,
                name=self.me.name,
                incarnation=self.me.incarnation,
                sessions=sessions,
                nonce=self._nonce,
            )
        )

    def welcome(
        self, ring: str, host: str, port: int, max_message: int, resume: Resume
    ) -> bytes:
        """Accept a `Proved` dialer."""
        self.state = "up"
        welcome = Welcome(
            ring=ring,
            host=host,
            port=port,
            max_message=max_message,
            mine=resume.mine,
            held=resume.other,
            received=resume.received,
        )
        return self._emit(welcome, b"listener")

    def refuse(self, reason: str, detail: str = "") -> bytes:
        """Refuse; with a MAC if the dialer has proved the cookie."""
        proved = self.state == "proved"
        self.state = "refused"
        kind = SealedRefusal if proved else Refusal
        return self._emit(kind(reason=reason, detail=cut(detail)), b"listener")

    def _on_hello(self, hello: Hello, covered: bytes, mac: bytes) -> list[Event]:
        self._transcript.update(covered)
        self._hello = hello
        self.state = "greeted"
        return [Greeted(hello)]

    def _on_proof(self, proof: Proof, covered: bytes, mac: bytes) -> list[Event]:
        if not self._heeds(self._hello, proof):
            raise ProtocolError("a proof that is not judged", "guessing")
        self._transcript.update(covered)
        for cookie in self._cookies:
            secret = stretch(cookie)
            if self._fits(mac, b"dialer", secret):
                break
        else:
            raise ProtocolError("the dialer does not have the cookie", "cookie")
        self._secret, self.cookie = secret, cookie
        self._transcript.update(mac)
        self.state = "proved"
        return [Proved(self._hello, proof, self._sessions)]

    _table: ClassVar = {
        ("start", Hello): "_on_hello",
        ("challenging", Proof): "_on_proof",
    }


def _range(versions: Sequence[int]) -> str:
    low, high = versions
    return f"protocol {low}" if low == high else f"protocols {low} to {high}"
