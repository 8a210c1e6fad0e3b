"""The package speaks protocol 1 byte for byte, and its page tells the same.

The known answers come from `protocol_vectors`, which knows the description and
not the package.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from clusterkit import NodeInfo
from clusterkit.actors.ref import ActorRef, take_ref
from clusterkit.core.registers import Entry, Record, Registers, Stamp
from clusterkit.wire import extensions, messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.frame import array_header
from clusterkit.wire.greetings import KINDS
from clusterkit.wire.handshake import Identity, Resume
from clusterkit.wire.listener import Listener
from clusterkit.wire.messages import FIELDS, NAMES
from clusterkit.wire.session import Limits, Session
from clusterkit.wire.stream_values import decode_value, encode_open

from . import protocol_vectors as spec

VECTORS = {k: bytes.fromhex(v) for k, v in json.loads(spec.FILE.read_text()).items()}
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "wire-protocol.md"
LIMITS = Limits(
    max_message=2**24,
    window_bytes=2**22,
    window_records=4096,
    ack_delay=0.02,
    ack_bytes=2**16,
    ping_after=1.0,
    dead_after=3.0,
    frame_timeout=1e9,
)
CODEC = Codec(2**24, take_ref=take_ref, make_ref=lambda parts: ActorRef(None, *parts))


@extensions.register
@dataclass(frozen=True)
class Purchase:
    item: str
    count: int = 1


VALUES = {
    "(1, 'a')": (1, "a"),
    "{1, 2}": {1, 2},
    "frozenset({b'x'})": frozenset({b"x"}),
    "datetime(2026, 1, 2, 3, 4, 5)": dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
    "date(2026, 1, 2)": dt.date(2026, 1, 2),
    "timedelta(1, 2, 3)": dt.timedelta(1, 2, 3),
    "UUID(int=1)": UUID(int=1),
    "Decimal('1.10')": Decimal("1.10"),
    "NodeInfo('foo', 'h', 1)": NodeInfo("foo", "h", 1),
    "ActorRef('counter', 'bar')": ActorRef(None, "counter", "bar"),
    "Purchase(item='tea', count=2)": Purchase("tea", 2),
}


class Exchange:
    """The handshake of the vectors, played by the package's own machines."""

    def __init__(self):
        hello, challenge = spec.HELLO, spec.CHALLENGE
        self.dialer = Dialer(
            Identity(name=hello["name"], incarnation=hello["incarnation"]),
            spec.COOKIE,
            spec.DIALER_NONCE,
        )
        self.listener = Listener(
            Identity(name=challenge["name"], incarnation=challenge["incarnation"]),
            [spec.COOKIE],
            spec.LISTENER_NONCE,
        )
        self.hello = self.dialer.hello()
        self.listener.receive_data(self.hello)
        self.challenge = self.listener.challenge(0)
        self.dialer.receive_data(self.challenge)
        self.proof = self.dialer.prove(**terms(spec.PROOF, other="yours"))
        self.listener.receive_data(self.proof)

    def finish(self):
        self.welcome = self.listener.welcome(**terms(spec.WELCOME, other="held"))
        self.dialer.receive_data(self.welcome)
        return self


def terms(greeting, other):
    """What `prove` and `welcome` take, from a greeting's fields."""
    resume = Resume(
        mine=greeting["mine"],
        fresh=greeting.get("fresh", 0),
        other=greeting[other],
        received=greeting["received"],
    )
    names = ("ring", "host", "port", "max_message")
    return {**{name: greeting[name] for name in names}, "resume": resume}


def sessions():
    """Both ends of the session that the vectors' handshake leads to."""
    done = Exchange().finish()
    there, back = done.dialer.keys()
    to_bar, to_foo = Conversations(), Conversations()
    to_bar.outgoing.id, to_bar.incoming = spec.PROOF["mine"], spec.WELCOME["mine"]
    to_foo.outgoing.id, to_foo.incoming = to_bar.incoming, to_bar.outgoing.id
    return (
        to_bar,
        Session(to_bar, CODEC, (there, back), LIMITS, 0.0, speaks_first=True),
        to_foo,
        Session(to_foo, CODEC, (back, there), LIMITS, 0.0, speaks_first=False),
    )


def test_the_vectors_are_what_the_description_gives():
    assert {k: v.hex() for k, v in VECTORS.items()} == spec.vectors()


def test_hello_is_the_known_one():
    assert Exchange().hello == VECTORS["hello"]


def test_challenge_is_the_known_one():
    assert Exchange().challenge == VECTORS["challenge"]


def test_proof_is_the_known_one():
    assert Exchange().proof == VECTORS["proof"] + VECTORS["proof_mac"]


def test_welcome_is_the_known_one():
    assert Exchange().finish().welcome == VECTORS["welcome"] + VECTORS["welcome_mac"]


def test_a_refusal_after_the_proof_is_the_known_one():
    assert Exchange().listener.refuse("ring", "other") == VECTORS["refused_ring"]


def test_a_refusal_of_a_stranger_is_the_known_one():
    listener = Listener(Identity(name="bar", incarnation=1), [b"x"], b"n" * 32)
    assert listener.refuse("cookie") == VECTORS["refused_cookie"]


def test_the_session_keys_are_the_known_ones():
    there, back = Exchange().finish().listener.keys()
    signed = VECTORS["first_frame"][:-32]
    assert there.tag(signed) == VECTORS["first_frame"][-32:]
    assert back.tag(VECTORS["reply_frame"][:-32]) == VECTORS["reply_frame"][-32:]


def test_the_dialers_first_frame_is_the_known_one():
    _, foo, _, _ = sessions()
    assert foo.next_frame(0.0) == VECTORS["first_frame"]


def test_a_call_behind_a_ping_is_the_known_frame():
    to_bar, foo, _, _ = sessions()
    foo.next_frame(0.0)
    foo.say_ping()
    to_bar.outbox.append(CODEC.encode(spec.CALL), m.CALL, 1)
    assert foo.next_frame(0.0) == VECTORS["call_frame"]


def test_the_answer_with_a_pong_is_the_known_frame():
    _, _, to_foo, bar = sessions()
    for name in ("first_frame", "call_frame"):
        list(bar.receive_data(VECTORS[name], 0.0))
    to_foo.outbox.append(CODEC.encode(spec.REPLY), m.REPLY, None)
    assert bar.next_frame(0.0) == VECTORS["reply_frame"]


def exchange():
    """Both ends, after the call and its answer."""
    to_bar, foo, to_foo, bar = sessions()
    for name in ("first_frame", "call_frame"):
        list(bar.receive_data(VECTORS[name], 0.0))
    foo.next_frame(0.0)
    foo.say_ping()
    to_bar.outbox.append(CODEC.encode(spec.CALL), m.CALL, 1)
    foo.next_frame(0.0)
    to_foo.outbox.append(CODEC.encode(spec.REPLY), m.REPLY, None)
    list(foo.receive_data(bar.next_frame(0.0), 0.0))
    return to_bar, foo, to_foo, bar


def test_a_stream_is_the_known_frames():
    to_bar, foo, to_foo, bar = exchange()
    to_bar.outbox.append(encode_open(CODEC, spec.OPEN), m.OPEN, 2)
    assert foo.next_frame(0.0) == VECTORS["open_frame"]
    list(bar.receive_data(VECTORS["open_frame"], 0.0))
    for record in spec.FROM_HANDLER:
        to_foo.outbox.append(CODEC.encode(record), record[0], 2)
    assert bar.next_frame(0.0) == VECTORS["chunk_frame"]
    list(foo.receive_data(VECTORS["chunk_frame"], 0.0))
    for record in spec.TO_HANDLER:
        to_bar.outbox.append(CODEC.encode(record), record[0], 2)
    assert foo.next_frame(0.0) == VECTORS["end_frame"]


def test_the_known_frames_of_a_stream_are_read_as_its_records():
    to_bar, foo, to_foo, bar = exchange()
    to_bar.outbox.append(encode_open(CODEC, spec.OPEN), m.OPEN, 2)
    foo.next_frame(0.0)
    ((opened, _),) = bar.receive_data(VECTORS["open_frame"], 0.0)
    assert opened == [spec.OPEN]
    for record in spec.FROM_HANDLER:
        to_foo.outbox.append(CODEC.encode(record), record[0], 2)
    ((said, _),) = foo.receive_data(bar.next_frame(0.0), 0.0)
    assert said == spec.FROM_HANDLER
    ((more, _),) = bar.receive_data(VECTORS["end_frame"], 0.0)
    assert more == spec.TO_HANDLER
    assert decode_value(CODEC, more[0][m.DATA]) == "more"


def test_the_known_frame_is_read_as_its_call():
    _, _, _, bar = sessions()
    list(bar.receive_data(VECTORS["first_frame"], 0.0))
    batches = list(bar.receive_data(VECTORS["call_frame"], 0.0))
    assert batches == [([spec.CALL], len(VECTORS["call_frame"]))]


@pytest.mark.parametrize("name", VALUES)
def test_an_extension_value_travels_as_the_known_bytes(name):
    encoded = CODEC.encode([m.REPLY, 1, VALUES[name]])
    assert encoded == b"\x93\x03\x01" + VECTORS[f"ext {name}"]


@pytest.mark.parametrize("name", VALUES)
def test_the_known_bytes_of_an_extension_are_read_as_its_value(name):
    body = array_header(1) + VECTORS[f"ext {name}"]
    assert CODEC.decode(body) == [VALUES[name]]


def test_the_digest_of_a_ring_is_the_known_one():
    entries = {}
    for line in spec.RING.splitlines():
        name, *words = line.split()
        host, port, weight = words[5:8]
        record = Record(_stamp(words[8:]), host, int(port), int(weight))
        entries[name] = Entry(_stamp(words[:5]), record)
    digest = Registers(entries).digest
    assert digest == int.from_bytes(VECTORS["ring_digest"], "big")


def _stamp(words):
    lamport, present, name, incarnation, tick = words
    return Stamp(int(lamport), present == "True", name, int(incarnation), int(tick))


@pytest.mark.parametrize("name", VECTORS)
def test_the_page_shows_every_vector(name):
    shown = re.sub(r"\s", "", PAGE.read_text())
    assert VECTORS[name].hex() in shown


def rows(heading):
    """The cells of the table under a heading of the page, code marks left out."""
    text = PAGE.read_text().split(f"\n{heading}\n")[1].split("\n#")[0]
    table = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[c.strip(" `") for c in line.strip("|").split("|")] for line in table]


def test_the_page_lists_every_kind_of_record_with_its_fields():
    told = {
        int(kind): (name, int(count)) for kind, name, count, *_ in rows("## 8. Records")
    }
    assert told == {kind: (NAMES[kind], len(FIELDS[kind])) for kind in FIELDS}


def test_the_page_lists_every_extension_type():
    told = {int(code) for code, *_ in rows("## 9. Values")}
    assert told == {*extensions.WHOLE, extensions.REF, extensions.RECORD}


def test_the_page_lists_every_field_of_every_greeting():
    told = {tuple(row[:2]) for row in rows("### 3.1 Fields")}
    assert told == {
        (f"{kind}` (MAC)" if cls.sealed else kind, field.name)
        for kind, cls in KINDS.items()
        for field in fields(cls)
    }
