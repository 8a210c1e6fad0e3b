"""Scripts for protocol tests: what one side says, hears, and makes of it.

`script(machine)` plays a handshake against an honest partner or raw bytes,
`talk()` plays a session against a peer whose frames are made here, by hand.
Every step returns the script, so a test reads as the exchange it is about.
"""

from __future__ import annotations

import hmac
import struct

import msgpack
import pytest

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.greetings import Challenge, Hello, Proof, Welcome, read_greeting
from clusterkit.wire.handshake import Identity, Resume
from clusterkit.wire.listener import Listener
from clusterkit.wire.outbox import Entry
from clusterkit.wire.seal import Sealer
from clusterkit.wire.session import Limits, Session

COOKIE = b"monster"
OTHER_COOKIE = b"elmo"
FOO = Identity(name="foo", incarnation=11)
BAR = Identity(name="bar", incarnation=22)
RESUME = Resume(mine=101, fresh=102, other=103, received=4)
TERMS = {"ring": "ring", "host": "127.0.0.1", "port": 7022, "max_message": 2**20}


def dialer(cookie=COOKIE, me=FOO):
    return Dialer(me, cookie, b"d" * 32)


def listener(*cookies, me=BAR):
    return Listener(me, cookies or (COOKIE,), b"l" * 32)


def say(machine, kind, **how):
    """Let `machine` say a greeting of `kind`; return its bytes."""
    if kind is Hello:
        return machine.hello(how.get("sessions", 0))
    if kind is Challenge:
        return machine.challenge(how.get("sessions", 0))
    if kind in (Proof, Welcome):
        terms = {**TERMS, "resume": RESUME, **how}
        return (machine.prove if kind is Proof else machine.welcome)(**terms)
    return machine.refuse(how.get("reason", "tie"), how.get("detail", ""))


class Script:
    """One side of a handshake; `partner` is the other, if it is an honest one."""

    def __init__(self, machine, partner):
        self.machine, self.partner = machine, partner
        self.events = []
        self.frame = b""

    def sends(self, kind, **how):
        """Say a greeting; it is of that kind and has the fields in `how`."""
        self.frame = say(self.machine, kind, **how)
        greeting, _, _ = read_greeting(self.frame)
        assert type(greeting) is kind
        for name, value in how.items():
            assert getattr(greeting, name, value) == value
        if self.partner is not None:
            self.partner.receive_data(self.frame)
        return self

    def receives(self, what, **how):
        """Hear the partner say a greeting of that kind, or hear raw bytes."""
        data = say(self.partner, what, **how) if isinstance(what, type) else what
        self.events = self.machine.receive_data(data)
        return self

    def rejects(self, what, reason="protocol", **how):
        """Do the same, to which the machine objects."""
        with pytest.raises(ProtocolError) as caught:
            self.receives(what, **how)
        assert caught.value.reason == reason
        return self

    def reports(self, kind, **fields):
        """Check the one event of the last step, and some of its fields."""
        (event,) = self.events
        assert type(event) is kind
        for name, value in fields.items():
            assert getattr(event, name) == value
        return self

    def is_up(self):
        assert (self.machine.state, self.partner.state) == ("up", "up")
        for mine, theirs in zip(self.machine.keys(), self.partner.keys(), strict=True):
            assert mine.tag(b"frame") == theirs.tag(b"frame")

    def is_refused(self):
        assert self.machine.state == "refused"


def script(machine, partner=None):
    """Begin a script; the partner is honest and has the cookie unless given."""
    if partner is None:
        partner = listener() if isinstance(machine, Dialer) else dialer()
    return Script(machine, partner)


def alone(machine):
    """Begin a script of a machine that is given raw bytes only."""
    return Script(machine, None)


# Sessions.

LIMITS = {
    "max_message": 2**20,
    "window_bytes": 1_000,
    "window_records": 8,
    "ack_delay": 0.02,
    "ack_bytes": 64 * 1024,
    "ping_after": 1.0,
    "dead_after": 3.0,
    "frame_timeout": 10.0,
}
OURS, THEIRS = b"key d>l".ljust(32), b"key l>d".ljust(32)


def sealed(key, counter, ack, body):
    """Make a frame as the protocol's description has it."""
    signed = struct.pack(">IQQ", len(body) + 8 + 8 + 32, counter, ack) + body
    return signed + hmac.digest(key, signed, "sha256")


class Talk:
    """A session under test, its conversations, and a peer made by hand."""

    def __init__(self, *, speaks_first=True, talk=None, codec=None, **limits):
        self.codec = codec or Codec(2**20)
        self.conversations = talk or Conversations()
        self.outgoing = self.conversations.outgoing
        self.session = Session(
            self.conversations,
            self.codec,
            (Sealer(OURS), Sealer(THEIRS)),
            Limits(**{**LIMITS, **limits}),
            0.0,
            speaks_first=speaks_first,
        )
        self.now = 0.0
        self.heard = self.said = 0
        self.batches = []

    def at(self, now):
        self.now = now
        return self

    def queues(self, *records):
        """Put records into the outbox, as the floor above does."""
        for record in records:
            about = record[1] if record[0] == m.CAST else None
            data = self.codec.encode(record)
            self.conversations.outbox.append(data, record[0], about)
        return self

    def says(self, *records, ack=None):
        """Check that the next frame holds exactly these records."""
        frame = self.session.next_frame(self.now)
        assert frame is not None
        length, _, acked = struct.unpack_from(">IQQ", frame)
        body = frame[20:-32]
        assert frame == sealed(OURS, self.said, acked, body)
        assert length == len(frame) - 4
        assert msgpack.unpackb(body, strict_map_key=False) == list(records)
        assert ack is None or acked == ack
        self.said += 1
        return self

    def is_silent(self):
        assert not self.session.has_work
        assert self.session.next_frame(self.now) is None
        return self

    def frame(self, *records, ack=None, counter=None, key=THEIRS, body=None):
        """Return the peer's next frame."""
        if body is None:
            body = msgpack.packb(list(records))
        if counter is None:
            counter, self.heard = self.heard, self.heard + 1
        ack = self.outgoing.acked if ack is None else ack
        return sealed(key, counter, ack, body)

    def hears(self, *records, **how):
        """Hear one frame of the peer."""
        return self.hears_bytes(self.frame(*records, **how))

    def hears_bytes(self, data):
        self.batches = list(self.session.receive_data(data, self.now))
        return self

    def delivers(self, *records):
        """Check what the last step has brought."""
        assert [record for batch, _ in self.batches for record in batch] == [*records]
        return self

    def breaks(self, *records, reason="protocol", **how):
        """Hear a frame that ends the session."""
        return self.breaks_at(self.frame(*records, **how), reason)

    def breaks_at(self, data, reason="protocol"):
        with pytest.raises(ProtocolError) as caught:
            self.hears_bytes(data)
        assert caught.value.reason == reason
        return self

    def is_due(self, now):
        """Let the time come that the session has asked for."""
        assert self.session.next_deadline() == pytest.approx(now)
        self.now = self.session.next_deadline()
        assert self.session.on_time(self.now)
        return self


def talk(**how):
    return Talk(**how)


def cast(n, actor="counter"):
    return [m.CAST, actor, "add", [n], None]


def call(id, *args, **kwargs):
    return [m.CALL, "counter", "add", [*args], kwargs or None, id, 5_000]


def entry(n, kind=m.CAST, size=10):
    """Return an entry of `size` bytes that can be told from others."""
    return Entry(f"{n}".encode().ljust(size, b"."), kind, n)
