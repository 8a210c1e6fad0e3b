"""The handshake: two strangers on a connection become two authenticated peers.

Hello → Challenge → Proof → Welcome. Every MAC covers all bytes before it, in
order, so nothing in the exchange can be changed, and the session keys come
from the whole of it. The dialer proves first: a scanner that only listens to
us learns nothing to grind offline. A wrong cookie is told as "cookie" and not
a word more.

What both sides share is here: what they are told and tell, the transcript, the
keys. The sides are in `dialer` and `listener`, each a table from (state,
greeting) to a method. Decisions that need to know more than the connection (is
this name taken, what did we receive so far) are the caller's: the machine stops
at `Challenged` and `Proved` until it is told `prove`, `welcome` or `refuse`.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import ClassVar, Final

from clusterkit.errors import ProtocolError
from clusterkit.frozen import frozen
from clusterkit.wire.frame import FrameReader
from clusterkit.wire.greetings import (
    MAX_GREETING,
    Greeting,
    Hello,
    Proof,
    Role,
    Welcome,
    read_greeting,
)
from clusterkit.wire.messages import PROTOCOL
from clusterkit.wire.seal import Sealer, derive

VERSIONS: Final = (PROTOCOL, PROTOCOL)


@frozen(kw_only=True)
class Identity:
    """Who this process is, as it tells every peer."""

    name: str
    incarnation: int
    role: Role = "member"


@frozen(kw_only=True)
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


@frozen
class Challenged:
    """Dialer: the listener has named itself; `prove` or give up."""

    name: str
    incarnation: int
    sessions: int


@frozen
class Greeted:
    """Listener: a valid Hello came; answer with `challenge`."""

    hello: Hello


@frozen
class Proved:
    """Listener: the dialer has the cookie; `welcome` or `refuse` it."""

    hello: Hello
    proof: Proof
    sessions: int


@frozen
class Welcomed:
    """Dialer: the listener has the cookie too; the session may begin."""

    welcome: Welcome


@frozen
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

    def _fits(self, mac: bytes, role: bytes, secret: bytes | None = None) -> bool:
        """Say, in constant time, whether a MAC is that of the transcript so far."""
        return hmac.compare_digest(self._mac(role, secret), mac)

    def keys(self) -> tuple[Sealer, Sealer]:
        """Return the sealers of dialer → listener and back."""
        final = self._transcript.digest()
        return (
            Sealer(derive(self._secret, b"key d>l", final)),
            Sealer(derive(self._secret, b"key l>d", final)),
        )
