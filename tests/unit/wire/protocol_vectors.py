"""Known answers for protocol 1, from its description alone.

`python tests/unit/wire/protocol_vectors.py` writes them to the JSON beside it.
They are made with hashing and msgpack only, as a second implementation would:
nothing of the package is imported here, and nothing ever may be. Whoever
changes the protocol changes this file, the page that describes it, and the
package, or a test says so.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from pathlib import Path

import msgpack

FILE = Path(__file__).with_suffix(".json")

COOKIE = b"monster"
DIALER_NONCE = bytes(range(32))
LISTENER_NONCE = bytes(range(32, 64))

HELLO = {
    "kind": "hello",
    "versions": [1, 1],
    "role": "member",
    "name": "foo",
    "incarnation": 1_700_000_000_000,
    "sessions": 0,
    "nonce": DIALER_NONCE,
}
CHALLENGE = {
    "kind": "challenge",
    "version": 1,
    "name": "bar",
    "incarnation": 1_700_000_000_001,
    "sessions": 0,
    "nonce": LISTENER_NONCE,
}
PROOF = {
    "kind": "proof",
    "ring": "ring",
    "host": "127.0.0.1",
    "port": 7022,
    "max_message": 16_777_216,
    "mine": 0x1111111111111111,
    "fresh": 0x1111111111111111,
    "yours": 0,
    "received": 0,
}
WELCOME = {
    "kind": "welcome",
    "ring": "ring",
    "host": "127.0.0.1",
    "port": 7023,
    "max_message": 16_777_216,
    "mine": 0x2222222222222222,
    "held": 0x1111111111111111,
    "received": 0,
}
REFUSED_COOKIE = {"kind": "refusal", "reason": "cookie", "detail": ""}
REFUSED_RING = {"kind": "sealed_refusal", "reason": "ring", "detail": "other"}

CALL = [1, "counter", "add", [5], None, 1, 5000]
PING = [32, 1]
REPLY = [3, 1, 5]

# A stream: opened; credit and a piece from the handler; a message and the end.
OPEN = [15, "files", "read", ["/etc/hosts"], None, 2, 30_000, 262_144]
FROM_HANDLER = [[14, 2, 1, 262_144], [13, 2, 1, 0, b"127.0.0.1"]]
TO_HANDLER = [[13, 2, 0, 1, msgpack.packb("more")], [16, 2, 0, "", []]]

# Value: what travels in its place as an extension, (code, payload).
EXTENSIONS = {
    "(1, 'a')": (1, [1, "a"]),
    "{1, 2}": (2, [1, 2]),
    "frozenset({b'x'})": (3, [b"x"]),
    "datetime(2026, 1, 2, 3, 4, 5)": (4, "2026-01-02T03:04:05"),
    "date(2026, 1, 2)": (5, "2026-01-02"),
    "timedelta(1, 2, 3)": (6, [1, 2, 3]),
    "UUID(int=1)": (7, (1).to_bytes(16, "big")),
    "Decimal('1.10')": (8, "1.10"),
    "NodeInfo('foo', 'h', 1)": (9, ["foo", "h", 1]),
    "ActorRef('counter', 'bar')": (10, ["counter", "bar"]),
    "Purchase(item='tea', count=2)": (11, ["Purchase", {"item": "tea", "count": 2}]),
}

# A ring of foo, which is present, and bar, which foo has removed: per name the
# membership stamp, host, port and weight, and the record's stamp.
RING = """\
bar 7 False foo 1700000000000 3 127.0.0.1 7023 128 4 True foo 1700000000000 2
foo 1 True foo 1700000000000 1 127.0.0.1 7022 128 1 True foo 1700000000000 1"""


def greeting(fields: dict, *, mac: bool) -> bytes:
    """A length that counts the MAC, and the map; the MAC itself comes after."""
    body = msgpack.packb(fields)
    return struct.pack(">I", len(body) + 32 * mac) + body


def sign(secret: bytes, role: bytes, transcript: bytes) -> bytes:
    digest = hashlib.sha256(transcript).digest()
    key = hmac.digest(secret, role, "sha256")
    return hmac.digest(key, digest, "sha256")


def session_key(secret: bytes, label: bytes, transcript: bytes) -> bytes:
    final = hashlib.sha256(transcript).digest()
    return hmac.digest(secret, label + final, "sha256")


def sealed(key: bytes, counter: int, ack: int, records: list) -> bytes:
    body = msgpack.packb(records)
    length = 8 + 8 + len(body) + 32
    signed = struct.pack(">IQQ", length, counter, ack) + body
    return signed + hmac.digest(key, signed, "sha256")


def handshake(secret: bytes) -> dict[str, bytes]:
    made = {"hello": greeting(HELLO, mac=False)}
    transcript = made["hello"]
    made["challenge"] = greeting(CHALLENGE, mac=False)
    transcript += made["challenge"]
    made["proof"] = greeting(PROOF, mac=True)
    transcript += made["proof"]
    made["proof_mac"] = sign(secret, b"dialer", transcript)
    transcript += made["proof_mac"]
    refusal = greeting(REFUSED_RING, mac=True)
    made["refused_ring"] = refusal + sign(secret, b"listener", transcript + refusal)
    made["welcome"] = greeting(WELCOME, mac=True)
    transcript += made["welcome"]
    made["welcome_mac"] = sign(secret, b"listener", transcript)
    transcript += made["welcome_mac"]
    made["final"] = hashlib.sha256(transcript).digest()
    made["key_to_listener"] = session_key(secret, b"key d>l", transcript)
    made["key_to_dialer"] = session_key(secret, b"key l>d", transcript)
    return made


def vectors() -> dict[str, str]:
    """Every known answer, in hex, in the order of the exchange."""
    secret = hashlib.scrypt(
        COOKIE, salt=b"clusterkit/1", n=2**14, r=8, p=1, maxmem=64 << 20, dklen=32
    )
    made = {"secret": secret, **handshake(secret)}
    made["refused_cookie"] = greeting(REFUSED_COOKIE, mac=False)
    there, back = made["key_to_listener"], made["key_to_dialer"]
    # The dialer speaks at once; a call with a Ping before it; the answer.
    made["first_frame"] = sealed(there, 0, 0, [])
    made["call_frame"] = sealed(there, 1, 0, [PING, CALL])
    made["reply_frame"] = sealed(back, 0, 1, [[33, 1], REPLY])
    made["open_frame"] = sealed(there, 2, 1, [OPEN])
    made["chunk_frame"] = sealed(back, 1, 2, FROM_HANDLER)
    made["end_frame"] = sealed(there, 3, 3, TO_HANDLER)
    made["ring_digest"] = hashlib.blake2b(RING.encode(), digest_size=8).digest()
    for value, (code, payload) in EXTENSIONS.items():
        packed = msgpack.packb(payload)
        made[f"ext {value}"] = msgpack.packb(msgpack.ExtType(code, packed))
    return {name: data.hex() for name, data in made.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=2) + "\n")
