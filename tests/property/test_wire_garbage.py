"""Whatever a stranger or a mad peer sends: a ProtocolError at most, and in bounds."""

from __future__ import annotations

import contextlib
import tracemalloc

import msgpack
import pytest
from hypothesis import given, strategies as st

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.frame import HEADER, LENGTH, SEALED_OVERHEAD
from clusterkit.wire.greetings import MAX_GREETING
from clusterkit.wire.handshake import Identity, Resume
from clusterkit.wire.listener import Listener
from clusterkit.wire.seal import Sealer
from clusterkit.wire.session import Limits, Session

COOKIE = b"monster"
FOO = Identity(name="foo", incarnation=11)
BAR = Identity(name="bar", incarnation=22)
RESUME = Resume(mine=1, fresh=2, other=3, received=4)
TERMS = ("ring", "127.0.0.1", 7022, 2**20, RESUME)


class Exchange:
    """A handshake whose greetings somebody on the way may change."""

    def __init__(self, change=lambda index, data: data):
        self.change = change
        self.dialer = Dialer(FOO, COOKIE, b"d" * 32)
        self.listener = Listener(BAR, [COOKIE], b"l" * 32)
        self.frames = []

    def carry(self, data, to):
        self.frames.append(data)
        return to.receive_data(self.change(len(self.frames) - 1, data))

    def run(self):
        """Shake hands; return whether both sides believe in it."""
        if not self.carry(self.dialer.hello(), self.listener):
            return False
        if not self.carry(self.listener.challenge(0), self.dialer):
            return False
        if self.dialer.state != "challenged":
            return False
        if not self.carry(self.dialer.prove(*TERMS), self.listener):
            return False
        self.carry(self.listener.welcome(*TERMS), self.dialer)
        return self.dialer.state == self.listener.state == "up"


def comes_up(change):
    try:
        return Exchange(change).run()
    except ProtocolError:
        return False


def test_an_exchange_that_nobody_touches_comes_up():
    assert Exchange().run()


@pytest.mark.parametrize(
    "index", range(4), ids=["hello", "challenge", "proof", "welcome"]
)
def test_no_bit_of_a_handshake_can_be_changed(index):
    honest = Exchange()
    honest.run()
    for bit in range(8 * len(honest.frames[index])):

        def flip(at, data, bit=bit):
            if at != index:
                return data
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            return bytes(changed)

        assert not comes_up(flip), bit


# How somebody may change a greeting: (where, how many bytes go, what comes).
EDITS = st.tuples(st.integers(0, 200), st.integers(0, 60), st.binary(max_size=60))


@given(st.integers(0, 3), st.lists(EDITS, min_size=1, max_size=3))
def test_no_greeting_can_be_edited(index, edits):
    def edit(at, data):
        if at != index:
            return data
        for where, length, new in edits:
            data = data[:where] + new + data[where + length :]
        # Whatever is added behind the Welcome is the session's.
        return data

    honest = Exchange()
    honest.run()
    frame = honest.frames[index]
    if not edit(index, frame).startswith(frame):
        assert not comes_up(edit)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=6,
)
FIELDS = [
    *(
        "versions",
        "version",
        "role",
        "name",
        "incarnation",
        "sessions",
        "nonce",
        "ring",
    ),
    *("host", "port", "max_message", "mine", "fresh", "yours", "held", "received"),
    *("reason", "detail", "later"),
]
KINDS = ["hello", "challenge", "proof", "welcome", "refusal", "sealed_refusal", "?"]
GREETINGS = st.builds(
    lambda kind, fields, mac: msgpack.packb({"kind": kind, **fields}) + mac,
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(FIELDS), PLAIN),
    st.sampled_from([b"", b"m" * 32]),
)
FRAMES = (GREETINGS | PLAIN.map(msgpack.packb) | st.binary(max_size=80)).map(
    lambda body: LENGTH.pack(len(body)) + body
)
STREAMS = st.lists(FRAMES | st.binary(max_size=200), min_size=1, max_size=4)


def machines():
    """Return a machine in every state in which bytes may come."""
    exchanges = [Exchange() for _ in range(4)]
    exchanges[1].carry(exchanges[1].dialer.hello(), exchanges[1].listener)
    exchanges[1].listener.challenge(0)
    exchanges[2].dialer.hello()
    challenged = exchanges[3]
    challenged.carry(challenged.dialer.hello(), challenged.listener)
    challenged.carry(challenged.listener.challenge(0), challenged.dialer)
    challenged.dialer.prove(*TERMS)
    up = Exchange()
    up.run()
    return [
        *(exchanges[0].listener, exchanges[1].listener),
        *(exchanges[2].dialer, challenged.dialer),
        *(up.listener, up.dialer),
    ]


@given(STREAMS)
def test_a_handshake_objects_to_garbage_in_every_state_and_keeps_little(stream):
    for machine in machines():
        up = machine.state == "up"
        try:
            for part in stream:
                machine.receive_data(part)
                assert up or len(machine._reader._rest) < MAX_GREETING + LENGTH.size
        except ProtocolError:
            pass
        assert up or machine.state not in ("proved", "up")


def peak(make, data):
    """Return the most memory, in bytes, that a machine takes to refuse `data`."""
    for _ in range(2):  # the first time imports, and fills caches
        receive = make()
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            receive(data)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


LITTLE = 128 * 1024  # an error and its traceback take a third of it
LEAST = 64 * 1024  # what a stranger may cost; an unpacker takes 41 KiB of it

HUGE = {
    "array": b"\xdd\xff\xff\xff\xff",
    "map": b"\xdf\xff\xff\xff\xff",
    "str": b"\xdb\xff\xff\xff\xff",
    "bin": b"\xc6\xff\xff\xff\xff",
    "ext": b"\xc9\xff\xff\xff\xff\x01",
    "nested arrays": b"\xdc\xff\xff" * 300,
    "an array in a map": b"\x81\xa1k\xdd\x7f\xff\xff\xff",
    "lists in lists": b"\x91" * 1000,
    "empty maps": b"\xdc\x03\xe0" + b"\x80" * 992,
    "lists in a field": b"\x81\xa6reason" + b"\x91" * 900,
    "lists for versions": b"\x81\xa8versions" + b"\x91" * 900,
    "lists in an unknown field": b"\x81\xa5later" + b"\x91" * 900,
    "a key of lists": b"\x81" + b"\x91" * 900,
}


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_a_greeting_that_announces_much_is_given_nothing(body):
    def make():
        return Listener(BAR, [COOKIE], b"l" * 32).receive_data

    assert peak(make, LENGTH.pack(len(body)) + body) < LEAST


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_a_frame_that_announces_much_is_given_nothing(body):
    assert peak(lambda: Mad().hear, b"\x91" + body) < LITTLE


def test_a_length_that_announces_much_is_given_nothing():
    session = Mad()
    tracemalloc.start()
    assert list(session.receive(LENGTH.pack(2**18))) == []
    assert tracemalloc.get_traced_memory()[1] < LITTLE
    tracemalloc.stop()


# Sessions: a stranger who injects bytes, and a peer who has the key and is mad.

KEY = b"theirs"
LIMITS = Limits(
    max_message=2**20,
    window_bytes=2**20,
    window_records=2**10,
    ack_delay=0.02,
    ack_bytes=2**16,
    ping_after=1.0,
    dead_after=3.0,
    frame_timeout=1e9,
)


class Mad:
    """A session whose peer seals whatever it is told to."""

    def __init__(self):
        self.talk = Conversations()
        sealers = (Sealer(b"ours"), Sealer(KEY))
        self.codec = Codec(2**20)
        self.session = Session(
            self.talk, self.codec, sealers, LIMITS, 0.0, speaks_first=True
        )
        self.counter = 0

    def receive(self, data):
        for batch, _ in self.session.receive_data(data, 0.0):
            yield from batch

    def hear(self, body, ack=0):
        signed = HEADER.pack(len(body) + SEALED_OVERHEAD, self.counter, ack) + body
        self.counter += 1
        return list(self.receive(signed + Sealer(KEY).tag(signed)))


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_a_session_believes_no_bytes_of_a_stranger(parts):
    session = Mad()
    arrived, reason = [], "size"
    try:
        for part in parts:
            arrived += session.receive(part)
    except ProtocolError as error:
        reason = error.reason
    assert reason in ("size", "seal")
    assert (arrived, session.talk.received) == ([], 0)


EXTENSIONS = st.builds(
    msgpack.ExtType,
    st.integers(0, 20),
    st.binary(max_size=9) | PLAIN.map(msgpack.packb),
)
WILD = st.recursive(
    PLAIN | EXTENSIONS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | EXTENSIONS, inner, max_size=3)
        | st.builds(
            lambda code, value: msgpack.ExtType(code, msgpack.packb(value)),
            st.integers(1, 11),
            inner,
        )
    ),
    max_leaves=8,
)
GOOD = {
    m.CALL: ["counter", "add", [], None, 1, 0],
    m.CAST: ["counter", "add", [], None],
    m.REPLY: [1, None],
    m.FAULT: [1, "noproc", []],
    m.CANCEL: [1],
    m.MONITOR: [1, "counter"],
    m.DEMONITOR: [1],
    m.DOWN: [1, "crashed"],
    m.CHOKE: ["counter"],
    m.UNCHOKE: ["counter"],
    m.REFUSED: ["counter", 3],
    m.PING: [1],
    m.PONG: [1],
    m.BYE: [],
}


@st.composite
def records(draw):
    """Return a record of a known kind with some fields gone wild."""
    kind = draw(st.sampled_from(sorted(GOOD)))
    fields = [draw(WILD) if draw(st.booleans()) else field for field in GOOD[kind]]
    if kind in (m.CALL, m.CAST) and draw(st.booleans()):
        fields[2] = draw(st.lists(WILD, max_size=3))
    return [kind, *fields, *draw(st.lists(WILD, max_size=1))]


BODIES = st.binary(max_size=60) | st.lists(records() | WILD, max_size=4).map(
    msgpack.packb
)


def is_untaken(record):
    """Whether a record stands for one that could not be taken."""
    kind, *rest = record
    if kind == m.CROWDED:
        return rest[0] in m.LARGE
    return kind == m.UNTAKEN and isinstance(rest[0], str)


@given(st.lists(st.tuples(BODIES, st.integers(0, 1)), min_size=1, max_size=4))
def test_a_mad_peer_ends_its_session_at_most(frames):
    session = Mad()
    arrived = []
    with contextlib.suppress(ProtocolError):
        for body, ack in frames:
            arrived += session.hear(body, ack)
    assert all(m.well_formed(record) or is_untaken(record) for record in arrived)
    while session.session.has_work:  # its answers can be sent and are small
        assert len(session.session.next_frame(0.0)) < 1_000


@given(st.lists(records(), min_size=1, max_size=4))
def test_every_well_formed_record_is_delivered_answered_or_told_as_lost(batch):
    session = Mad()
    try:
        arrived = session.hear(msgpack.packb(batch))
    except ProtocolError:
        return
    numbered = sum(record[0] < m.UNNUMBERED for record in batch)
    assert session.talk.received == numbered
    assert len(arrived) + len(session.talk.outbox) == numbered
