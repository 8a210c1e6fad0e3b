"""The handshake: two strangers on a connection become two authenticated peers.

Hello → Challenge → Proof → Welcome. Every MAC covers all bytes before it, in
order, so nothing in the exchange can be changed, and the session keys come
from the whole of it. The dialer proves first: a scanner that only listens to
us learns nothing to grind offline. A wrong cookie is told as "cookie" and not
a word more.

Both sides are tables from (state, greeting) to a method. Decisions that need
to know more than the connection (is this name taken, what did we receive so
far) are the caller's: the machine stops at `Challenged` and `Proved` until it
is told `prove`, `welcome` or `refuse`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from clusterkit.errors import ProtocolError
from clusterkit.wire.frame import LONGEST, FrameReader
from clusterkit.wire.greetings import (
    MAX_GREETING,
    Challenge,
    Greeting,
    Hello,
    Proof,
    Refusal,
    Role,
    SealedRefusal,
    Welcome,
    cut,
    read_greeting,
)
from clusterkit.wire.messages import PROTOCOL
from clusterkit.wire.seal import Sealer, checked_cookie, derive, stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERSIONS: Final = (PROTOCOL, PROTOCOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this process is, as it tells every peer."""

    name: str
    incarnation: int
    role: Role = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """What one side tells the other about both conversations.

    `mine` is the sender's outgoing conversation. From a dialer, `other` is
    the listener's conversation that it holds; from a listener, the one of
    the dialer's two (`mine`, `fresh`) that it now holds. `received` is the
    number of the last record of `other`.
    """

    mine: int
    other: int
    received: int
    fresh: int = 0


@dataclass(frozen=True, slots=True)
class Challenged:
    """Dialer: the listener has named itself; `prove` or give up."""

    name: str
    incarnation: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Greeted:
    """Listener: a valid Hello came; answer with `challenge`."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Proved:
    """Listener: the dialer has the cookie; `welcome` or `refuse` it."""

    hello: Hello
    proof: Proof
    sessions: int


@dataclass(frozen=True, slots=True)
class Welcomed:
    """Dialer: the listener has the cookie too; the session may begin."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Refused:
    """Dialer: the listener will not, and says why.

    `authentic` tells whether it has shown the cookie: a refusal that is not
    can come from anybody on the way.
    """

    reason: str
    detail: str
    authentic: bool


Event = Challenged | Greeted | Proved | Welcomed | Refused


class Handshake:
    """What dialer and listener share: the transcript and the keys."""

    _table: ClassVar[dict[tuple[str, type[Greeting]], str]] = {}

    def __init__(self, me: Identity, nonce: bytes) -> None:
        self.me = me
        self.state = "start"
        self.bound = False
        self._nonce = nonce
        self._reader = FrameReader(MAX_GREETING)
        self._transcript = hashlib.sha256()
        self._secret = b""
        self._trailing = b""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.me.name} {self.state}>"

    def bind(self, channel: bytes) -> None:
        """Tie the handshake to what carries it, before the first greeting.

        Args:
            channel: What both ends know of it and nobody in between can have
                alike; no frame begins so. `b""` for nothing.
        """
        self.bound = bool(channel)
        self._transcript.update(channel)

    def receive_data(self, data: bytes) -> list[Event]:
        """Take bytes from the peer; return what they brought about.

        Raises:
            ProtocolError: They are not what may come now, or a MAC is wrong.
        """
        events: list[Event] = []
        for view in self._reader.feed(data):
            frame = bytes(view)
            if self.state == "up":
                self._trailing += frame
                continue
            greeting, covered, mac = read_greeting(frame)
            handler = self._table.get((self.state, type(greeting)))
            if handler is None:
                raise ProtocolError(f"a {greeting.kind} while {self.state}")
            events += getattr(self, handler)(greeting, covered, mac)
        return events

    def trailing_data(self) -> bytes:
        """Return bytes that came after the handshake, for the session."""
        return self._trailing + self._reader.take_rest()

    def _emit(self, greeting: Greeting, role: bytes = b"") -> bytes:
        """Return the frame of `greeting`, its MAC included, and record it."""
        frame = greeting.to_bytes()
        self._transcript.update(frame)
        if greeting.sealed:
            mac = self._mac(role)
            self._transcript.update(mac)
            frame += mac
        return frame

    def _mac(self, role: bytes, secret: bytes | None = None) -> bytes:
        key = derive(secret or self._secret, role)
        return derive(key, self._transcript.digest())

    def keys(self) -> tuple[Sealer, Sealer]:
        """Return the sealers of dialer → listener and back."""
        final = self._transcript.digest()
        return (
            Sealer(derive(self._secret, b"key d>l", final)),
            Sealer(derive(self._secret, b"key l>d", final)),
        )


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
        if not hmac.compare_digest(self._mac(b"listener"), mac):
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
        if not hmac.compare_digest(self._mac(b"listener"), mac):
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
            if hmac.compare_digest(self._mac(b"dialer", secret), mac):
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
