"""Greetings are small maps whose every field is checked on both ends."""

from __future__ import annotations

import tracemalloc
from dataclasses import asdict, replace

import msgpack
import pytest

from clusterkit.config import MIN_MESSAGE
from clusterkit.errors import ConfigError, ProtocolError
from clusterkit.wire.frame import LENGTH
from clusterkit.wire.greetings import (
    COUNTER_LIMIT,
    MAX_GREETING,
    MAX_TEXT,
    Challenge,
    Hello,
    Proof,
    Refusal,
    SealedRefusal,
    Welcome,
    cut,
    read_greeting,
)

U64 = 2**64 - 1
COUNTER = COUNTER_LIMIT - 1
NAME = "n" * 128
HOST = "h" * 255
GREETINGS = [
    Hello(
        versions=[1, 1],
        role="member",
        name="foo",
        incarnation=11,
        sessions=0,
        nonce=b"d" * 32,
    ),
    Challenge(version=1, name="bar", incarnation=22, sessions=3, nonce=b"l" * 32),
    Proof(
        ring="ring",
        host="127.0.0.1",
        port=7022,
        max_message=MIN_MESSAGE,
        mine=1,
        fresh=2,
        yours=0,
        received=0,
    ),
    Welcome(
        ring="",
        host="::1",
        port=7023,
        max_message=MIN_MESSAGE,
        mine=3,
        held=2,
        received=4,
    ),
    Refusal(reason="cookie", detail=""),
    SealedRefusal(reason="ring", detail="other"),
]
EACH = pytest.mark.parametrize("greeting", GREETINGS, ids=lambda g: g.kind)

LARGEST = {
    "versions": [U64, U64],
    "version": U64,
    "role": "member",
    "name": NAME,
    "incarnation": COUNTER,
    "sessions": COUNTER,
    "nonce": b"n" * 32,
    "ring": NAME,
    "host": HOST,
    "port": 65_535,
    "max_message": U64,
    "mine": U64,
    "fresh": U64,
    "yours": U64,
    "held": U64,
    "received": U64,
    "reason": "é" * (MAX_TEXT // 2),
    "detail": "é" * (MAX_TEXT // 2),
}
NOT_U64 = [-1, 2**64, 1.0, "1", None, True]
NOT_NAMES = ["", "a b", "-a", "é", "a\n", "n" * 129, 7, None, b"foo"]
BAD = {
    "versions": [[], [1], [1, 2, 3], [2, 1], ["1", "2"], [-1, 1], [0, 2**64], {}, 1],
    "version": NOT_U64,
    "role": ["", "admin", None, 1, ["member"]],
    "name": NOT_NAMES,
    "incarnation": [*NOT_U64, COUNTER_LIMIT, U64],
    "sessions": [*NOT_U64, COUNTER_LIMIT, U64],
    "nonce": [b"", b"n" * 31, b"n" * 33, "n" * 32, None],
    "ring": NOT_NAMES[1:],
    "host": ["h h", "h" * 256, "é", None, 1],
    "port": [-1, 65_536, "7022", 7022.0, None, True],
    "max_message": [*NOT_U64, 0, 8, MIN_MESSAGE - 1],
    "mine": [*NOT_U64, 0],
    "fresh": [*NOT_U64, 0],
    "yours": NOT_U64,
    "held": [*NOT_U64, 0],
    "received": NOT_U64,
    "reason": ["x" * (MAX_TEXT + 1), "é" * MAX_TEXT, None, 1, b"tie"],
    "detail": ["x" * (MAX_TEXT + 1), "é" * MAX_TEXT, None, 1, b"tie"],
}


def frame_of(values, mac=b""):
    body = msgpack.packb(values)
    return LENGTH.pack(len(body) + len(mac)) + body + mac


def values_of(greeting, **changes):
    return {"kind": greeting.kind, **asdict(greeting), **changes}


def mac_of(greeting):
    return b"m" * 32 if greeting.sealed else b""


@EACH
def test_a_greeting_is_read_as_it_was_written(greeting):
    frame, mac = greeting.to_bytes(), mac_of(greeting)
    assert read_greeting(frame + mac) == (greeting, frame, mac)


@EACH
def test_its_length_counts_the_mac_that_follows(greeting):
    frame = greeting.to_bytes()
    assert LENGTH.unpack_from(frame) == (len(frame) - 4 + len(mac_of(greeting)),)


@EACH
def test_the_largest_fits_into_what_is_read_before_authentication(greeting):
    largest = type(greeting)(**{name: LARGEST[name] for name in asdict(greeting)})
    assert LENGTH.unpack_from(largest.to_bytes())[0] <= MAX_GREETING
    assert read_greeting(largest.to_bytes() + mac_of(greeting))[0] == largest


@EACH
def test_fields_of_a_later_version_are_ignored_and_covered_by_the_mac(greeting):
    frame = frame_of(values_of(greeting, later=[1, {"x": 2}]), mac_of(greeting))
    read, covered, mac = read_greeting(frame)
    assert read == greeting
    assert covered + mac == frame


@EACH
def test_a_mac_of_another_length_is_refused(greeting):
    for length in {0, 1, 31, 32, 33, 64} - {len(mac_of(greeting))}:
        with pytest.raises(ProtocolError, match="of the wrong length"):
            read_greeting(frame_of(values_of(greeting), b"m" * length))


@pytest.mark.parametrize(
    ("greeting", "name"),
    [(greeting, name) for greeting in GREETINGS for name in asdict(greeting)],
    ids=lambda p: p if isinstance(p, str) else p.kind,
)
class TestField:
    def test_a_missing_one_is_refused(self, greeting, name):
        values = values_of(greeting)
        del values[name]
        with pytest.raises(ProtocolError, match=f"KeyError\\('{name}'\\)"):
            read_greeting(frame_of(values, mac_of(greeting)))

    def test_a_bad_one_is_refused_when_read(self, greeting, name):
        for bad in BAD[name]:
            if bad == 2**64 or bad == [0, 2**64]:
                continue  # msgpack cannot say it
            with pytest.raises(ProtocolError, match="no greeting"):
                read_greeting(frame_of(values_of(greeting, **{name: bad})))

    def test_a_bad_one_is_never_written(self, greeting, name):
        for bad in BAD[name]:
            with pytest.raises(ConfigError):
                replace(greeting, **{name: bad})


def test_every_field_has_bad_values_here():
    assert BAD.keys() == LARGEST.keys() == {n for g in GREETINGS for n in asdict(g)}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        b"\x90",
        b"\xc1",
        b"\xa5hello",
        b"\x80",
        msgpack.packb({"kind": "goodbye"}),
        msgpack.packb({"kind": []}),
        msgpack.packb({"kind": None}),
        msgpack.packb({1: 2}),
        msgpack.packb({"kind": "hello"})[:-1],
        msgpack.packb({"kind": "hello", "x": msgpack.ExtType(1, b"")}),
        b"\x91" * 1_000,
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
    ],
    ids=lambda body: body[:12].hex(),
)
def test_what_is_no_greeting_is_a_protocol_error(body):
    with pytest.raises(ProtocolError):
        read_greeting(LENGTH.pack(len(body)) + body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("x" * 300, "x" * MAX_TEXT),
        ("é" * 300, "é" * (MAX_TEXT // 2)),
        ("x" + "é" * 300, "x" + "é" * (MAX_TEXT // 2 - 1)),
        ("a\ud800b", "a?b"),
    ],
)
def test_a_text_is_cut_to_what_a_refusal_can_say(text, expected):
    assert cut(text) == expected
    assert Refusal(reason="", detail=cut(text)).detail == expected


@pytest.mark.parametrize("greeting", GREETINGS, ids=lambda greeting: greeting.kind)
def test_saying_a_greeting_takes_little_memory(greeting):
    """It is said to strangers, and `msgpack.packb` takes 256 KiB each time."""
    greeting.to_bytes()
    tracemalloc.start()
    greeting.to_bytes()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024
