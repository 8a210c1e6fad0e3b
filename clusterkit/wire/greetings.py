"""The five messages of the handshake, as values and as bytes.

    dialer → listener   Hello      versions, role, name, incarnation, sessions, nonce
    listener → dialer   Challenge  version, name, incarnation, sessions, nonce
    dialer → listener   Proof      ring, address, limits, resume, MAC
    listener → dialer   Welcome    ring, limits, resume, MAC
    listener → dialer   Refusal    reason, detail, [MAC]

Each is a frame holding a msgpack map, followed by a 32-byte MAC where there is
one. Unknown fields are ignored: a later version may add some, and the
transcript covers them all the same.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar

import msgpack

from clusterkit.config import MIN_MESSAGE
from clusterkit.errors import ConfigError, ProtocolError
from clusterkit.frozen import frozen
from clusterkit.names import check_host, check_name, check_port
from clusterkit.wire.frame import LENGTH
from clusterkit.wire.seal import TAG_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

G = TypeVar("G", bound="Greeting")

MAX_GREETING: Final = 1024
"""Limit of a frame before authentication, in bytes."""

NONCE_BYTES: Final = 32

MAX_TEXT: Final = 256
"""Longest reason or detail of a refusal, in bytes of UTF-8."""

COUNTER_LIMIT: Final = 2**63
"""Incarnations and session numbers are below this: both are answered with a
number above, which must still be one that can be sent."""

_U64 = 2**64

# One for all: a packer begins with 256 KiB, which `msgpack.packb` would take anew
# for every stranger that is answered.
_PACK = msgpack.Packer().pack

Role = Literal["member", "client"]


@frozen(kw_only=True)
class Greeting:
    """What the five have in common: a kind, fields, and their checks."""

    kind: ClassVar[str] = ""
    sealed: ClassVar[bool] = False

    def to_bytes(self) -> bytes:
        """Return the frame up to its MAC, whose room the length counts."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        body: bytes = _PACK({"kind": self.kind, **values})
        return LENGTH.pack(len(body) + (TAG_BYTES if self.sealed else 0)) + body

    def __post_init__(self) -> None:
        for field in fields(self):
            _CHECKS[field.name](getattr(self, field.name))


@frozen(kw_only=True)
class Hello(Greeting):
    """Who dials. `sessions` is the number of the link's last session."""

    kind: ClassVar[str] = "hello"
    versions: list[int]
    role: Role
    name: str
    incarnation: int
    sessions: int
    nonce: bytes


@frozen(kw_only=True)
class Challenge(Greeting):
    """Who listens, and the version both will speak."""

    kind: ClassVar[str] = "challenge"
    version: int
    name: str
    incarnation: int
    sessions: int
    nonce: bytes


@frozen(kw_only=True)
class Proof(Greeting):
    """What the dialer wants to go on with; the MAC shows it has the cookie.

    `mine` is its outgoing conversation, `fresh` the id it takes if the
    listener does not hold that one; `yours` is the listener's conversation
    that it holds, 0 for none, and `received` the last record of it.
    """

    kind: ClassVar[str] = "proof"
    sealed: ClassVar[bool] = True
    ring: str
    host: str
    port: int
    max_message: int
    mine: int
    fresh: int
    yours: int
    received: int


@frozen(kw_only=True)
class Welcome(Greeting):
    """The listener's side of the same; `held` is `mine` or `fresh`."""

    kind: ClassVar[str] = "welcome"
    sealed: ClassVar[bool] = True
    ring: str
    host: str
    port: int
    max_message: int
    mine: int
    held: int
    received: int


@frozen(kw_only=True)
class Refusal(Greeting):
    """Why the listener will not; `detail` is what the reason needs.

    Sealed refusals carry a MAC and follow a valid Proof; unsealed ones are
    `cookie` and `version`, which tell a stranger nothing.
    """

    kind: ClassVar[str] = "refusal"
    reason: str
    detail: str


@frozen(kw_only=True)
class SealedRefusal(Refusal):
    """A refusal after a valid Proof; nobody without the cookie can make one."""

    kind: ClassVar[str] = "sealed_refusal"
    sealed: ClassVar[bool] = True


KINDS: Final[dict[str, type[Greeting]]] = {
    cls.kind: cls for cls in (Hello, Challenge, Proof, Welcome, Refusal, SealedRefusal)
}


def read_greeting(frame: bytes) -> tuple[Greeting, bytes, bytes]:
    """Read one frame of the handshake.

    Returns:
        The message, the bytes its MAC covers, and the MAC (empty if none).

    Raises:
        ProtocolError: It is none of the five, or a field is not valid.
    """
    unpacker = msgpack.Unpacker(
        None, max_buffer_size=MAX_GREETING, ext_hook=_no_extensions
    )
    try:
        unpacker.feed(frame[LENGTH.size :])
        values = _read_map(unpacker, frame)
        cls = KINDS[values["kind"]]
        greeting = cls(**{f.name: values[f.name] for f in fields(cls)})
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise ProtocolError(f"no greeting: {error!r}") from error
    end = LENGTH.size + unpacker.tell()
    mac = frame[end:]
    if len(mac) != (TAG_BYTES if cls.sealed else 0):
        raise ProtocolError(f"a {cls.kind} of the wrong length")
    return greeting, frame[:end], mac


def _read_map(unpacker: msgpack.Unpacker, frame: bytes) -> dict[Any, Any]:
    """Read the fields one by one; skip those that nobody here knows.

    What could hold more is refused or skipped unbuilt: a kilobyte of lists in
    lists would cost seventy times as much, and a stranger may have said it.
    """
    values: dict[Any, Any] = {}
    for _ in range(unpacker.read_map_header()):
        key = _read_leaf(unpacker, frame)
        if key == "versions":
            count = unpacker.read_array_header()
            values[key] = [_read_leaf(unpacker, frame) for _ in range(count)]
        elif key == "kind" or key in _CHECKS:
            values[key] = _read_leaf(unpacker, frame)
        else:
            unpacker.skip()
    return values


def _read_leaf(unpacker: msgpack.Unpacker, frame: bytes) -> Any:
    first = frame[LENGTH.size + unpacker.tell() :][:1]
    if b"\x80" <= first <= b"\x9f" or b"\xdc" <= first <= b"\xdf":
        raise ValueError("a list or map where there is none in a greeting")
    return unpacker.unpack()


def cut(text: str) -> str:
    """Return what of `text` fits into a refusal, and can be encoded."""
    return text.encode(errors="replace")[:MAX_TEXT].decode(errors="ignore")


def _no_extensions(*_: object) -> object:
    raise ValueError("extension types have no place in a greeting")


def _u64(value: Any) -> None:
    if type(value) is not int or not 0 <= value < _U64:
        raise ConfigError(f"{value!r} is not an unsigned 64-bit number")


def _counter(value: Any) -> None:
    _u64(value)
    if value >= COUNTER_LIMIT:
        raise ConfigError(f"{value!r} leaves no room to count on")


def _size(value: Any) -> None:
    _u64(value)
    if value < MIN_MESSAGE:
        raise ConfigError(f"a limit of {value!r} bytes is below {MIN_MESSAGE}")


def _id(value: Any) -> None:
    _u64(value)
    if value == 0:
        raise ConfigError("0 is no conversation")


def _text(value: Any) -> None:
    if type(value) is not str or value != cut(value):
        raise ConfigError(f"{value!r} is not a short text")


def _versions(value: Any) -> None:
    if type(value) is not list or len(value) != 2:
        raise ConfigError(f"{value!r} is not a range of versions")
    for version in value:
        _u64(version)
    if value[0] > value[1]:
        raise ConfigError(f"{value!r} is an empty range of versions")


def _role(value: Any) -> None:
    if value not in ("member", "client"):
        raise ConfigError(f"{value!r} is not a role")


def _nonce(value: Any) -> None:
    if type(value) is not bytes or len(value) != NONCE_BYTES:
        raise ConfigError("a nonce is 32 bytes")


def _ring(value: Any) -> None:
    if value != "":
        check_name(value, "ring")


def _host(value: Any) -> None:
    if value != "":  # a client listens nowhere
        check_host(value)


def _port(value: Any) -> None:
    check_port(value, lowest=0)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "versions": _versions,
    "version": _u64,
    "role": _role,
    "name": check_name,
    "incarnation": _counter,
    "sessions": _counter,
    "nonce": _nonce,
    "ring": _ring,
    "host": _host,
    "port": _port,
    "max_message": _size,
    "mine": _id,
    "fresh": _id,
    "yours": _u64,
    "held": _id,
    "received": _u64,
    "reason": _text,
    "detail": _text,
}
