"""A request of one node to another over HTTP, and the answer: values and bytes.

    4 bytes   "ckh", and 1, the version
    1 byte    kind: 0 request, 1 answer, 2 statement
    request:    16 bytes life, u64 time in ms, 16 bytes nonce, three texts (ring,
                sender, receiver: a length byte and ASCII each), the body
    answer:     16 bytes nonce of the request, u64 time, the body
    statement:  16 bytes nonce of the request, u64 time, 16 bytes life, one text
                (name), then its URL in ASCII
    32 bytes  HMAC-SHA256 over everything before it

*Life* and *time* are the receiver's: its process, and how far its clock has come, as
the sender believes them to be. A server's nonce plays that part in RFC 7616 (HTTP
Digest). So no two clocks have to agree, and what was sent to one process says nothing
to the next. A *statement* is what a receiver answers to who is mistaken in them. There
are two keys, one for what is asked and one for what is answered, so that neither can be
taken for the other; both follow from the stretched cookie. Who is believed when is
`http_judge`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.names import MAX_NAME, check_name
from clusterkit.wire.seal import TAG_BYTES, Sealer, derive

if TYPE_CHECKING:
    from collections.abc import Sequence

LIFE_BYTES: Final = 16
"""Of what tells a process from all others. Random."""

NONCE_BYTES: Final = 16
"""Of what tells a request from all others of one process. Random."""

MOST_TIME: Final = 2**62
"""Milliseconds of the latest time that a reply may tell: a sender goes on from it."""

_HEAD: Final = b"ckh\x01"
_REQUEST, _ANSWER, _STATEMENT = (_HEAD + bytes([kind]) for kind in range(3))
_ASKED = struct.Struct(f">{LIFE_BYTES}sQ{NONCE_BYTES}s")
_ANSWERED = struct.Struct(f">{NONCE_BYTES}sQ")
_STATED = struct.Struct(f">{NONCE_BYTES}sQ{LIFE_BYTES}s")

MAX_HEAD: Final = len(_REQUEST) + _ASKED.size + 3 * (1 + MAX_NAME) + TAG_BYTES
"""Bytes of the longest request or answer beside its body."""


@frozen
class Request:
    """What one node asks another."""

    ring: str
    """The cluster that both are of."""

    sender: str
    """The name of who asks."""

    receiver: str
    """The name of who is asked; "" if it is not known, and asked for."""

    life: bytes
    """Of the receiver, as the sender knows it."""

    time_ms: int
    """The receiver's clock, likewise."""

    nonce: bytes
    """What no other request has."""

    body: bytes
    """What is asked."""


@frozen
class Answer:
    """What is answered to a request that was taken."""

    nonce: bytes
    """That of the request."""

    time_ms: int
    """The clock of who answers."""

    body: bytes
    """What is answered."""


@frozen
class Statement:
    """What is answered to one that was not: who is here, since when, and where."""

    nonce: bytes
    """That of the request."""

    time_ms: int
    """The clock of who answers."""

    life: bytes
    """Its life."""

    name: str
    """Its name."""

    url: str
    """Where it says that it is reached; whether that is a URL is for others to say."""


Reply: TypeAlias = Answer | Statement


class HttpKeys:
    """The keys of requests and answers, two for each cookie.

    Args:
        secrets: The stretched cookies: the first signs requests, any is taken.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._asking = [Sealer(derive(secret, b"http request")) for secret in secrets]
        self._answering = [Sealer(derive(secret, b"http answer")) for secret in secrets]

    def __repr__(self) -> str:
        return f"<HttpKeys {len(self._asking)}>"

    def seal(self, request: Request) -> bytes:
        """Return the bytes of a request."""
        fixed = _ASKED.pack(request.life, request.time_ms, request.nonce)
        names = (request.ring, request.sender, request.receiver)
        texts = b"".join(map(_text, names))
        return _signed(_REQUEST + fixed + texts + request.body, self._asking[0])

    def open(self, data: bytes) -> tuple[bytes, int] | None:
        """Return what was signed, and by which key; None if it is by none of these."""
        return _opened(data, self._asking)

    def seal_reply(self, reply: Reply, key: int) -> bytes:
        """Return the bytes of a reply.

        Args:
            reply: What is answered.
            key: That of the request: of several cookies, the sender may have but one.
        """
        if isinstance(reply, Statement):
            fixed = _STATED.pack(reply.nonce, reply.time_ms, reply.life)
            data = _STATEMENT + fixed + _text(reply.name) + reply.url.encode("ascii")
        else:
            data = _ANSWER + _ANSWERED.pack(reply.nonce, reply.time_ms) + reply.body
        return _signed(data, self._answering[key])

    def open_reply(self, data: bytes, nonce: bytes) -> Reply | None:
        """Return the reply to a request.

        Args:
            data: As it came.
            nonce: Of the request.

        Returns:
            None if it was made with none of the keys, or for another request.

        Raises:
            ConfigError: It is nonsense, by somebody who has the cookie.
        """
        opened = _opened(data, self._answering)
        if opened is None:
            return None
        reply = _read_reply(opened[0])
        return reply if reply.nonce == nonce else None


def read_request(data: bytes) -> Request:
    """Read what `HttpKeys.seal` wrote and `open` has proved.

    Raises:
        ConfigError: It is something else, by somebody who has the cookie.
    """
    fixed, rest = _fixed(_ASKED, _REQUEST, data)
    life, time_ms, nonce = fixed
    ring, rest = _read_text(rest)
    sender, rest = _read_text(rest)
    receiver, body = _read_text(rest)
    if receiver:
        check_name(receiver)
    return Request(
        check_name(ring), check_name(sender), receiver, life, time_ms, nonce, body
    )


def _read_reply(data: bytes) -> Reply:
    if data.startswith(_STATEMENT):
        (nonce, time_ms, life), rest = _fixed(_STATED, _STATEMENT, data)
        name, url = _read_text(rest)
        name, time_ms = check_name(name), _check_time(time_ms)
        return Statement(nonce, time_ms, life, name, _ascii(url))
    (nonce, time_ms), body = _fixed(_ANSWERED, _ANSWER, data)
    return Answer(nonce, _check_time(time_ms), body)


def _check_time(time_ms: int) -> int:
    if time_ms > MOST_TIME:
        raise ConfigError("a time beyond all clocks")
    return time_ms


def _signed(data: bytes, sealer: Sealer) -> bytes:
    return data + sealer.tag(data)


def _opened(data: bytes, sealers: Sequence[Sealer]) -> tuple[bytes, int] | None:
    signed, tag = data[:-TAG_BYTES], data[-TAG_BYTES:]
    # All of them, so that the time does not say which.
    fits = [sealer.verify(signed, tag) for sealer in sealers]
    return (signed, fits.index(True)) if any(fits) else None


def _fixed(
    layout: struct.Struct, head: bytes, data: bytes
) -> tuple[tuple[Any, ...], bytes]:
    if not data.startswith(head) or len(data) < len(head) + layout.size:
        raise ConfigError("another version, or another kind of message")
    end = len(head) + layout.size
    return layout.unpack_from(data, len(head)), data[end:]


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    return bytes([len(data)]) + data


def _read_text(data: bytes) -> tuple[str, bytes]:
    end = 1 + data[0] if data else 1
    if len(data) < end:
        raise ConfigError("a message that ends within a text")
    return _ascii(data[1:end]), data[end:]


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ConfigError(f"a name or URL that is none: {error}") from error
