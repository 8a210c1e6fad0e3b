"""One datagram by which a node says that it is there: values and bytes.

    4 bytes   "ckb", and 1, the version
    1 byte    form: 0 signed, 1 encrypted
    signed:     body, 32 bytes of HMAC-SHA256 over everything before it
    encrypted:  12 bytes nonce, body in ChaCha20-Poly1305 (RFC 8439), whose
                associated data are the first five bytes

The body is three u64 (incarnation, sequence, wall clock in ms), a u16 (port), and
the ring's name, the node's name and its host, each a length byte and ASCII. The
key follows from the stretched cookie. Who is believed when is `beacon_judge`.
The invariant is that no byte is looked at before all of them have been proved.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.names import NodeInfo, check_host, check_name, check_port
from clusterkit.wire.greetings import COUNTER_LIMIT
from clusterkit.wire.seal import TAG_BYTES, Sealer, derive

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BEACON: Final = 1_200
"""Bytes of the longest datagram that is read: below the least MTU of IPv6 (1,280)
with its headers, so that none is ever cut into fragments."""

NONCE_BYTES: Final = 12
"""Of the nonce of an encrypted beacon. Random: with a thousand nodes that say one
a second for a year, two alike come up with a chance of 2⁻²⁷."""

_HEAD: Final = b"ckb\x01"
_SIGNED, _ENCRYPTED = _HEAD + b"\x00", _HEAD + b"\x01"
_FIXED = struct.Struct(">QQQH")


@frozen
class Beacon:
    """What a node says of itself."""

    ring: str
    """The ring it is in."""

    node: NodeInfo
    """Its name, and where it listens."""

    incarnation: int
    """The number of its life."""

    sequence: int
    """The number of the beacon within that life, from 1."""

    wall_ms: int
    """Its clock on the wall, in milliseconds since 1970."""


def write_body(beacon: Beacon) -> bytes:
    """Return the bytes that are signed, or encrypted."""
    node = beacon.node
    texts = [text.encode("ascii") for text in (beacon.ring, node.id, node.host)]
    fixed = (beacon.incarnation, beacon.sequence, beacon.wall_ms, node.port)
    return _FIXED.pack(*fixed) + b"".join(bytes([len(t)]) + t for t in texts)


def read_body(body: bytes) -> Beacon:
    """Read what `write_body` wrote.

    Raises:
        ConfigError: It is something else, by somebody who has the cookie.
    """
    try:
        incarnation, sequence, wall_ms, port = _FIXED.unpack_from(body)
        texts, rest = [], body[_FIXED.size :]
        for _ in range(3):
            end = 1 + rest[0]
            if len(rest) < end:
                raise ConfigError("a beacon that ends within a text")
            texts.append(rest[1:end].decode("ascii"))
            rest = rest[end:]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ConfigError(f"no beacon: {error}") from error
    if rest or incarnation >= COUNTER_LIMIT:
        raise ConfigError("a beacon of another length, or with too high a number")
    ring, name, host = texts
    node = NodeInfo(check_name(name), check_host(host), check_port(port))
    return Beacon(check_name(ring), node, incarnation, sequence, wall_ms)


class BeaconKeys:
    """The keys of beacons, one for each cookie: the first signs, any is taken.

    Args:
        secrets: The stretched cookies.
        encrypted: Whether beacons are encrypted, here and by others.

    Raises:
        ConfigError: They are to be, and `cryptography` is not installed.
    """

    def __init__(self, secrets: Sequence[bytes], *, encrypted: bool = False) -> None:
        self._encrypted = encrypted
        label = b"encrypted beacon" if encrypted else b"beacon"
        keys = [derive(secret, label) for secret in secrets]
        self._ciphers = [_cipher(key) for key in keys] if encrypted else []
        self._sealers = [] if encrypted else [Sealer(key) for key in keys]

    def __repr__(self) -> str:
        return f"<BeaconKeys encrypted={self._encrypted}>"

    def seal(self, body: bytes, nonce: bytes) -> bytes:
        """Return the datagram for a body.

        Args:
            body: From `write_body`.
            nonce: 12 random bytes, never used before; only for an encrypted one.
        """
        if self._encrypted:
            sealed: bytes = self._ciphers[0].encrypt(nonce, body, _ENCRYPTED)
            return _ENCRYPTED + nonce + sealed
        signed = _SIGNED + body
        return signed + self._sealers[0].tag(signed)

    def open(self, datagram: bytes) -> bytes | None:
        """Return the body, None if it was made with none of the keys."""
        if self._encrypted:
            return self._decrypt(datagram)
        if not datagram.startswith(_SIGNED):
            return None
        signed, tag = datagram[:-TAG_BYTES], datagram[-TAG_BYTES:]
        # All of them, so that the time does not say which.
        fits = [sealer.verify(signed, tag) for sealer in self._sealers]
        return signed[len(_SIGNED) :] if any(fits) else None

    def is_of_other_form(self, datagram: bytes) -> bool:
        """Say whether it looks like a beacon in the form that is not used here."""
        return datagram.startswith(_SIGNED if self._encrypted else _ENCRYPTED)

    def _decrypt(self, datagram: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra

        if not datagram.startswith(_ENCRYPTED):
            return None
        rest = datagram[len(_ENCRYPTED) :]
        if len(rest) < NONCE_BYTES + 16:
            return None
        for cipher in self._ciphers:
            try:
                body: bytes = cipher.decrypt(
                    rest[:NONCE_BYTES], rest[NONCE_BYTES:], _ENCRYPTED
                )
            except InvalidTag:
                continue  # of another cookie, perhaps the next
            return body
        return None


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415
            ChaCha20Poly1305,
        )
    except ImportError as error:
        raise ConfigError(
            'encrypted beacons need another package: pip install "clusterkit[encryption]"'
        ) from error
    return ChaCha20Poly1305(key)
