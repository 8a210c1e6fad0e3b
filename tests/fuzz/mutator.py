"""Inputs that come close: valid ones of the protocol, changed where it hurts.

Everything is a function of a seed and a number, so that a failure is repeated
by its two numbers, in another process as well. An input starts from a known
answer of the protocol or from records of every kind; its values go wild (they
are packed anew), then its bytes (flips, cuts, splices, lengths). The target
signs the result if its first byte says so, which gets it behind the seal.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgpack

from clusterkit.wire import messages as m
from clusterkit.wire.assembly import LEAST_PIECE
from tests.unit.wire.protocol_vectors import (
    CHALLENGE,
    HELLO,
    PROOF,
    REFUSED_COOKIE,
    REFUSED_RING,
    WELCOME,
)

from .targets import FIRST, SEALED, SECOND, UP, VECTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EDGES = (
    *(-(2**63), -129, -1, 0, 1, 4, 52, 127, 128, 254, 255, 256, 1024, 1025),
    *(2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1),
    *(2**63 - 1, 2**63, 2**64 - 1),
)
"""Numbers at which something changes, on the wire or here."""

# Of each type of field, something that is right.
GOOD = {int: 1, str: "counter", list: [5], dict: None, bytes: b"x", object: 5}


def records() -> list[list[Any]]:
    """Return one good record of every kind that there is, and pieces of some."""
    return [
        [kind, *(GOOD.get(types[0]) for types in fields)]
        for kind, fields in m.FIELDS.items()
    ] + pieces()


def pieces() -> list[list[Any]]:
    """Return Fragments that make records, mostly if they come in this order."""
    whole = msgpack.packb([m.CAST, "counter", "put", ["x" * 2 * LEAST_PIECE], None])
    part, rest = whole[:LEAST_PIECE], whole[LEAST_PIECE:]
    call = msgpack.packb([m.CALL, "counter", "add", [5], None, 7, 5000])
    return [
        [m.FRAGMENT, 1, len(rest), part, m.CAST, "counter"],
        [m.FRAGMENT, 1, 0, rest],
        [m.FRAGMENT, 2, 0, call, m.CALL, 7],
        [m.FRAGMENT, 1, m.TAKEN_BACK, b""],
    ]


def mutated(target: str, seed: int, number: int) -> bytes:
    """Return input `number` of a run with `seed`."""
    rng = Random(f"{target}/{seed}/{number}")
    return MAKERS[target](rng)


def _frame(rng: Random) -> bytes:
    parts = rng.choices(WIRE, k=rng.randint(1, 4))
    return _how(rng) + _torn(rng, b"".join(parts))


def _listener(rng: Random) -> bytes:
    return _greeting(rng, [(FIRST, HELLO), (SECOND, PROOF)])


def _dialer(rng: Random) -> bytes:
    answers = [WELCOME, REFUSED_RING, REFUSED_COOKIE]
    return _greeting(
        rng,
        [(FIRST, CHALLENGE), (FIRST, REFUSED_COOKIE)]
        + [(SECOND, answer) for answer in answers],
    )


def _greeting(rng: Random, due: Sequence[tuple[int, dict[str, Any]]]) -> bytes:
    if rng.random() < 0.1:
        how = rng.choice((FIRST, SECOND, UP))
        return _how(rng, how) + _torn(rng, b"".join(rng.choices(WIRE, k=2)))
    how, fields = rng.choice(due)
    sealed = how == SECOND and rng.random() < 0.8
    body = pack(_wild_greeting(rng, fields))
    if rng.random() < 0.3:
        body = _torn(rng, body)
    if sealed:
        return _how(rng, how | SEALED) + body
    mac = rng.randbytes(32) if how == SECOND else b""
    data = len(body + mac).to_bytes(4, "big") + body + mac
    if rng.random() < 0.3:
        data = _torn(rng, data)
    return _how(rng, how) + data


def _wild_greeting(rng: Random, fields: dict[str, Any]) -> Any:
    greeting: Any = dict(fields)
    for _ in range(rng.randrange(3)):
        name = rng.choice(list(greeting))
        greeting[name] = changed(rng, greeting[name])
    return changed(rng, greeting) if rng.random() < 0.2 else greeting


def _codec(rng: Random) -> bytes:
    body = _body(rng)
    return _torn(rng, body) if rng.random() < 0.4 else body


def _session(rng: Random) -> bytes:
    if rng.random() < 0.15:
        # Known frames of this very session: the seal holds where nothing is changed.
        good = b"".join(SESSION[: rng.randint(1, len(SESSION))])
        return _how(rng) + _torn(rng, good)
    data = b""
    for number in range(rng.randint(1, 4)):
        body = _body(rng)
        if rng.random() < 0.15:
            body = _torn(rng, body)
        ack = rng.choice((0, 0, 0, 1, 2, 3, 3, 4, 255)) if number else 0
        data += bytes([ack]) + len(body).to_bytes(2, "big") + body
    if rng.random() < 0.1:
        data = _torn(rng, data)
    return _how(rng, SEALED) + data


def _body(rng: Random) -> bytes:
    """Return the records of a frame, packed; mostly nearly right."""
    some: list[Any] = rng.choices(RECORDS, k=rng.choice((0, 1, 1, 2, 3, 9)))
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        if some:
            at = rng.randrange(len(some))
            some[at] = _changed_record(rng, some[at])
    body = pack(some)
    if rng.random() < 0.05:
        body = pack(changed(rng, some))
    return body[:65_000]


def _changed_record(rng: Random, record: Any) -> Any:
    """Change a record; mostly what is in it, which leaves its shape alone."""
    if type(record) is not list:
        return wild(rng)
    free = [at for at, value in enumerate(record) if value in ([5], 5) and at > 1]
    if not free or rng.random() < 0.3:
        return changed(rng, record)
    copy, at = record.copy(), rng.choice(free)
    copy[at] = [wild(rng)] if type(copy[at]) is list else wild(rng)
    return copy


def changed(rng: Random, value: Any) -> Any:
    """Return `value` with one thing somewhere in it gone, doubled, or wild."""
    if type(value) not in (list, dict) or not value or rng.random() < 0.15:
        return wild(rng)
    keys: Sequence[Any] = range(len(value)) if type(value) is list else list(value)
    copy, key = value.copy(), rng.choice(keys)
    match rng.randrange(6):
        case 0:
            del copy[key]
        case 1 if type(copy) is list:
            copy.insert(key, copy[key])
        case 1:
            copy[wild(rng, leaf=True)] = copy[key]
        case _:
            copy[key] = changed(rng, copy[key])
    return copy


def wild(rng: Random, *, leaf: bool = False) -> Any:
    """Return a value of any kind; `leaf` for one that can be a key here."""
    return rng.choice(LEAVES if leaf or rng.random() < 0.6 else NESTS)(rng)


LEAVES: tuple[Callable[[Random], Any], ...] = (
    lambda rng: None,
    lambda rng: rng.random() < 0.5,
    lambda rng: rng.choice(EDGES),
    lambda rng: rng.choice(EDGES),
    lambda rng: rng.choice((0.0, -0.0, 1e308, float("inf"), float("nan"))),
    lambda rng: rng.choice(("", "a", "_ring", "a b", "\0", "ü", "\ud800", "b" * 300)),
    lambda rng: rng.randbytes(rng.choice((0, 1, 16, 31, 32, 33, 300))),
    lambda rng: (1, 2),
)
NESTS: tuple[Callable[[Random], Any], ...] = (
    lambda rng: [wild(rng) for _ in range(rng.randrange(4))],
    lambda rng: {wild(rng, leaf=True): wild(rng) for _ in range(rng.randrange(4))},
    lambda rng: nested(rng.choice((62, 63, 64, 65, 66, 400, 1100)), rng.random()),
    lambda rng: msgpack.ExtType(rng.randrange(20), rng.randbytes(rng.randrange(9))),
    lambda rng: msgpack.ExtType(rng.randrange(13), pack(wild(rng))),
    lambda rng: msgpack.ExtType(rng.randrange(1, 12), rng.choice(INSIDE)),
)


def nested(levels: int, kind: float) -> Any:
    """Return lists, maps or extensions in each other."""
    if kind < 0.2:
        data = b"\xc0"
        for _ in range(min(levels, 70)):
            data = pack(msgpack.ExtType(1, b"\x91" + data))
        return Raw(data)
    head = b"\x91" if kind < 0.6 else b"\x81\xa1k"
    return Raw(head * levels + b"\xc0")


class Raw(bytes):
    """Bytes that are a packed value already."""

    __slots__ = ()


def pack(value: Any) -> bytes:
    """Pack a value by hand where msgpack would refuse: nothing is too wrong here."""
    if type(value) is Raw:
        return bytes(value)
    if type(value) in (list, tuple):
        return _header(0x90, 0xDC, len(value)) + b"".join(map(pack, value))
    if type(value) is dict:
        items = (pack(key) + pack(item) for key, item in value.items())
        return _header(0x80, 0xDE, len(value)) + b"".join(items)
    if type(value) is int and not -(2**63) <= value < 2**64:
        value = float(value)
    data: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return data


def _header(small: int, large: int, length: int) -> bytes:
    if length < 16:
        return bytes([small | length])
    return bytes([large]) + length.to_bytes(2, "big")


def _torn(rng: Random, data: bytes) -> bytes:
    """Return `data` with some of its bytes gone wrong."""
    torn = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        rng.choice(TEARS)(rng, torn)
    return bytes(torn)


def _flip(rng: Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 0x7F, 0x80, 0xC1, 0xFF, 0xDD))


def _cut_out(rng: Random, data: bytearray) -> None:
    at = rng.randint(0, len(data))
    del data[at : at + rng.choice((1, 1, 4, 16, 10**6))]


def _double(rng: Random, data: bytearray) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = data[at : at + rng.choice((1, 4, 16, 100))]


def _insert(rng: Random, data: bytearray) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 4, 40)))


def _splice(rng: Random, data: bytearray) -> None:
    other = rng.choice(WIRE)
    at, there = rng.randint(0, len(data)), rng.randrange(len(other))
    data[at:] = other[there:]


def _length(rng: Random, data: bytearray) -> None:
    """Write a number at which something changes over some bytes, or the first."""
    size = rng.choice((1, 2, 4, 8))
    at = rng.choice((0, rng.randint(0, len(data))))
    number = rng.choice(EDGES) % 2 ** (8 * size)
    data[at : at + size] = number.to_bytes(size, "big")


TEARS = (_flip, _flip, _overwrite, _cut_out, _double, _insert, _splice, _length)


def _how(rng: Random, bits: int = 0) -> bytes:
    """Return the first byte: what is asked for, and how it comes in pieces."""
    return bytes([bits | rng.randrange(16) << 4 | (rng.random() < 0.5 and not bits)])


INSIDE = [data[3:] for name, data in VECTORS.items() if name.startswith("ext ")]
SESSION = [VECTORS[f"{name}_frame"] for name in ("first", "call", "open", "end")]
WIRE = [
    VECTORS["hello"],
    VECTORS["challenge"],
    VECTORS["proof"] + VECTORS["proof_mac"],
    VECTORS["welcome"] + VECTORS["welcome_mac"],
    VECTORS["refused_ring"],
    VECTORS["refused_cookie"],
    *SESSION,
    VECTORS["reply_frame"],
    VECTORS["chunk_frame"],
]
RECORDS = records()
MAKERS = {
    "frame": _frame,
    "listener": _listener,
    "dialer": _dialer,
    "codec": _codec,
    "session": _session,
}
