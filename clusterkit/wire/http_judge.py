"""Which requests over HTTP are taken: signed, for this process, of now, once.

The receiver's side is `Judge`, the sender's `Correspondent`, which knows whom it
writes to. Nothing here raises for what a stranger can send. The order of the checks
is part of the protocol: the proof first, so that a stranger costs no more than that,
and learns nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.wire.http_seal import (
    LIFE_BYTES,
    Answer,
    Request,
    Statement,
    read_request,
)

if TYPE_CHECKING:
    from clusterkit.wire.http_seal import HttpKeys, Reply

WINDOW: Final = 30.0
"""Seconds that a request may be under way: by so much its time may differ."""

MOST_NONCES: Final = 100_000
"""Requests that are remembered, so that none is taken twice: 1,600 a second."""

Refused: TypeAlias = Literal[
    "forged",
    "invalid",
    "ring",
    "name_taken",
    "unnamed",
    "misdirected",
    "life",
    "clock",
    "replayed",
    "full",
]
"""Why a request is not taken. `forged`: not made with a cookie of ours. `invalid`: by
somebody who has the cookie, and nonsense. `ring`: of another ring. `name_taken`: by
another node that has our name. `replayed`: it was taken before. `full`: more of them
than can be remembered; they are refused rather than forgotten. For the others, the
sender is told who is here: `unnamed`: it asked for that. `misdirected`: for another
node. `life`: for an earlier process. `clock`: it was under way for too long, or the
sender's clock has gone another way."""


@frozen
class Heard:
    """A request that is taken, and by which key it has to be answered."""

    request: Request
    key: int


@frozen
class Rejection:
    """A request that is not, why, and what its sender is told if it has the cookie."""

    reason: Refused
    statement: Statement | None = None
    key: int = 0


class Judge:
    """Judges the requests that one process gets.

    Args:
        ring: The cluster.
        name: The node's.
        life: `LIFE_BYTES` random bytes: of this process.
        url: Where it is reached.
    """

    def __init__(self, ring: str, name: str, life: bytes, url: str) -> None:
        self._ring = ring
        self._name = name
        self._url = url
        self.life = life
        # When each may be forgotten; the oldest is first, as time only goes on.
        self._nonces: OrderedDict[tuple[str, bytes], int] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Judge of {self._name} nonces={len(self._nonces)}>"

    def hear(self, data: bytes, keys: HttpKeys, now: float) -> Heard | Rejection:
        """Return the request, or why it is not taken.

        Args:
            data: The body of a POST.
            keys: Of the cookies that count now.
            now: The time, in seconds; only ever goes on.
        """
        opened = keys.open(data)
        if opened is None:
            return Rejection("forged")
        try:
            request = read_request(opened[0])
        except ConfigError:
            return Rejection("invalid")
        now_ms = int(now * 1000)
        reason = self._mistake(request, now_ms)
        if reason is not None:
            return Rejection(reason, self._statement(request.nonce, now_ms), opened[1])
        reason = self._refuse(request, now_ms)
        return Heard(request, opened[1]) if reason is None else Rejection(reason)

    def _statement(self, nonce: bytes, now_ms: int) -> Statement:
        return Statement(nonce, now_ms, self.life, self._name, self._url)

    def _mistake(self, request: Request, now_ms: int) -> Refused | None:
        """Return in what a sender is mistaken who is of this cluster."""
        if request.ring != self._ring:
            return None
        if not request.receiver:
            return "unnamed"
        if request.receiver != self._name:
            return "misdirected"
        if request.life != self.life:
            return "life"
        return "clock" if abs(request.time_ms - now_ms) > WINDOW * 1000 else None

    def _refuse(self, request: Request, now_ms: int) -> Refused | None:
        if request.ring != self._ring:
            return "ring"
        if request.sender == self._name:
            return "name_taken"
        self._forget(now_ms)
        nonce = request.sender, request.nonce
        if nonce in self._nonces:
            return "replayed"
        if len(self._nonces) >= MOST_NONCES:
            return "full"
        # Until nobody's request of that time is taken any more.
        self._nonces[nonce] = now_ms + int(2 * WINDOW * 1000)
        return None

    def _forget(self, now_ms: int) -> None:
        while self._nonces and next(iter(self._nonces.values())) < now_ms:
            self._nonces.popitem(last=False)


class Correspondent:
    """Whom requests to one address go to, as far as it has said.

    Attributes:
        name: Its name; "" as long as it has not been heard.
        life: Its life.
        url: Where it says that it is reached: not checked yet.
    """

    def __init__(self) -> None:
        self.name = self.url = ""
        self.life = bytes(LIFE_BYTES)
        self._ahead_ms = 0

    def __repr__(self) -> str:
        return f"<Correspondent {self.name or 'unknown'}>"

    def request(
        self, ring: str, sender: str, nonce: bytes, body: bytes, now: float
    ) -> Request:
        """Return a request to it; one without a body, if it is not known.

        Args:
            ring: The cluster.
            sender: This node.
            nonce: Random bytes, never used before.
            body: What is asked.
            now: The time, in seconds, of this node's clock.
        """
        time_ms = max(0, int(now * 1000) + self._ahead_ms)
        asked = body if self.name else b""
        return Request(ring, sender, self.name, self.life, time_ms, nonce, asked)

    def heard(self, reply: Reply, now: float) -> bytes | None:
        """Learn from a reply; return its body, None if the request has to be repeated.

        Args:
            reply: Which answers the last request.
            now: The time, in seconds, of this node's clock.
        """
        self._ahead_ms = reply.time_ms - int(now * 1000)
        if isinstance(reply, Answer):
            return reply.body
        self.name, self.life, self.url = reply.name, reply.life, reply.url
        return None
