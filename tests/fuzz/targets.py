"""What is fuzzed: all that the bytes of a stranger, or of a mad peer, reach.

Each target takes any bytes, and raises only if the package did what it must
not: an exception other than `ProtocolError`, another outcome when the same
bytes come in pieces, more kept than allowed, books that do not balance. So
each can be handed to atheris as it is:

    atheris.Setup(sys.argv, targets.session)

The first byte says how the others are put to use (`SEALED` and the bits beside
it), so that they reach what is behind the seal, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgpack

from clusterkit.errors import EncodeError, MessageTooLarge, ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations, Outgoing
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.frame import HEADER, LENGTH, SEALED_OVERHEAD, FrameReader
from clusterkit.wire.greetings import MAX_GREETING
from clusterkit.wire.handshake import (
    Challenged,
    Greeted,
    Handshake,
    Identity,
    Proved,
    Resume,
    Welcomed,
)
from clusterkit.wire.listener import Listener
from clusterkit.wire.seal import TAG_BYTES, Sealer
from clusterkit.wire.session import FRAME_LIMIT, Limits, Session
from tests.unit.wire.protocol_vectors import (
    CHALLENGE,
    COOKIE,
    DIALER_NONCE,
    HELLO,
    LISTENER_NONCE,
    PROOF,
    WELCOME,
    sign,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEALED = 1
"""The rest is signed with the right key before it is fed."""
FIRST, SECOND = 0, 2
"""Whether the first or the second greeting of the peer is due."""
UP = 4
"""The handshake is over; what comes is the session's."""
PIECES = (1, 2, 3, 5, 8, 21, 52, 53, 100, 999)
"""Sizes in which the bytes come a second time; the upper four bits choose."""

DIALER = Identity(name=HELLO["name"], incarnation=HELLO["incarnation"])
LISTENER = Identity(name=CHALLENGE["name"], incarnation=CHALLENGE["incarnation"])
VECTORS = {name: bytes.fromhex(data) for name, data in vectors().items()}
LIMIT = 64 * 1024
LIMITS = Limits(
    max_message=LIMIT,
    window_bytes=2**20,
    window_records=2**10,
    ack_delay=0.02,
    ack_bytes=2**16,
    ping_after=1.0,
    dead_after=3.0,
    frame_timeout=10.0,
)
LONGEST_FRAME = FRAME_LIMIT

HANDED_UP = {m.UNTAKEN, m.CROWDED}
"""Kinds that a session makes itself."""


def pieces(data: bytes, how: int) -> Iterator[bytes]:
    size = PIECES[(how >> 4) % len(PIECES)]
    # A long input byte by byte would be the one thing that takes long.
    size = max(size, len(data) // 2000)
    return (data[at : at + size] for at in range(0, len(data), size))


def frame(data: bytes) -> None:
    """The reader cuts what is there, keeps the rest, and nothing beyond its limit."""
    how, stream = _opened(data)
    limit = (MAX_GREETING, LONGEST_FRAME)[how & 1]
    whole = _cut(FrameReader(limit), [stream])
    assert whole == _cut(FrameReader(limit), pieces(stream, how))
    frames, rest, refused = whole
    assert stream.startswith(b"".join(frames))
    for part in frames:
        assert LENGTH.unpack_from(part)[0] + LENGTH.size == len(part)
        assert len(part) <= limit + LENGTH.size
    if refused is None:
        assert b"".join(frames) + rest == stream
        assert len(rest) < limit + LENGTH.size


def _cut(reader: FrameReader, stream: Any) -> tuple[list[bytes], bytes, str | None]:
    frames: list[bytes] = []
    try:
        for part in stream:
            frames += map(bytes, reader.feed(part))
    except ProtocolError as error:
        return frames, b"", error.reason
    return frames, reader.take_rest(), None


def _opened(data: bytes) -> tuple[int, bytes]:
    return (data[0], data[1:]) if data else (0, b"")


# The handshake, on either side.

OUR_TERMS = ("ring", "127.0.0.1", 7022, 2**20)
RESUME = Resume(mine=PROOF["mine"], other=0, received=0, fresh=PROOF["fresh"])
ANSWER = Resume(mine=WELCOME["mine"], other=WELCOME["held"], received=0)
MACS = (
    VECTORS["proof_mac"],
    VECTORS["welcome_mac"],
    VECTORS["refused_ring"][-TAG_BYTES:],
)


@dataclass
class Shaking:
    """A handshake under way, and all bytes that both sides have said."""

    machine: Handshake
    transcript: bytes = b""
    outcome: list[Any] = field(default_factory=list)

    def say(self, data: bytes) -> None:
        self.transcript += data

    def hear(self, data: bytes) -> None:
        self.transcript += data
        self.machine.receive_data(data)


def a_listener(how: int) -> Shaking:
    """Return a listener that waits for what `how` says."""
    shaking = Shaking(Listener(LISTENER, [COOKIE], LISTENER_NONCE))
    if how & (SECOND | UP):
        shaking.hear(VECTORS["hello"])
        shaking.say(shaking.machine.challenge(0))
    if how & UP:
        shaking.hear(VECTORS["proof"] + VECTORS["proof_mac"])
        shaking.machine.welcome("ring", "127.0.0.1", 7023, 16_777_216, ANSWER)
    return shaking


def a_dialer(how: int) -> Shaking:
    """Return a dialer that waits for what `how` says."""
    shaking = Shaking(Dialer(DIALER, COOKIE, DIALER_NONCE))
    shaking.say(shaking.machine.hello())
    if how & (SECOND | UP):
        shaking.hear(VECTORS["challenge"])
        shaking.say(shaking.machine.prove("ring", "127.0.0.1", 7022, 2**24, RESUME))
    if how & UP:
        shaking.hear(VECTORS["welcome"] + VECTORS["welcome_mac"])
    return shaking


def listener(data: bytes) -> None:
    """Whatever a dialer says: refused in order, or a value that holds what it must."""
    how, rest = _opened(data)
    greeting = rest
    if how & SEALED:
        greeting = _signed(rest, b"dialer", a_listener(how).transcript)
    _shake(lambda: a_listener(how), greeting, how)


def dialer(data: bytes) -> None:
    """The same for what a listener says."""
    how, rest = _opened(data)
    greeting = rest
    if how & SEALED:
        greeting = _signed(rest, b"listener", a_dialer(how).transcript)
    _shake(lambda: a_dialer(how), greeting, how)


def _signed(body: bytes, role: bytes, transcript: bytes) -> bytes:
    """Return one greeting with a MAC that is right."""
    greeting = LENGTH.pack(len(body) + TAG_BYTES) + body
    return greeting + sign(VECTORS["secret"], role, transcript + greeting)


def _shake(make: Callable[[], Shaking], greeting: bytes, how: int) -> None:
    if any(mac in greeting for mac in MACS):
        how |= SEALED  # what the right peer says in this very exchange
    whole = _greet(make(), [greeting], how)
    assert whole == _greet(make(), pieces(greeting, how), how)


def _greet(shaking: Shaking, stream: Any, how: int) -> tuple[list[Any], str, bytes]:
    machine = shaking.machine
    began = machine.state
    events: list[Any] = []
    broken: list[str] = []
    try:
        for part in stream:
            events += machine.receive_data(part)
            kept = len(machine._reader._rest)
            assert machine.state == "up" or kept < MAX_GREETING + LENGTH.size
    except ProtocolError as error:
        broken.append(error.reason)
    if not how & SEALED:
        # Nobody gets on who has not shown the cookie.
        assert machine.state in {began, "greeted", "challenged", "refused"}
        assert not any(getattr(event, "authentic", False) for event in events)
    assert REASONS.issuperset(broken)
    up = machine.state == "up" and not broken
    rest = machine.trailing_data() if up else b""
    # What came with the bytes that end it all is the shell's to forget.
    said = broken or [_answer(machine, event) for event in events]
    return said, machine.state, rest


def _answer(machine: Handshake, event: Any) -> str:
    """Do with an event what the shell does; it must be possible."""
    if isinstance(event, Greeted):
        assert len(machine.challenge(event.hello.sessions)) < MAX_GREETING
    elif isinstance(event, Proved):
        proof = event.proof
        resume = Resume(mine=9, other=proof.fresh, received=0)
        assert len(machine.welcome(*OUR_TERMS, resume)) < MAX_GREETING
        machine.keys()
        Conversations().accept(proof, event.hello.incarnation, 9)
    elif isinstance(event, Challenged):
        assert len(machine.prove(*OUR_TERMS, RESUME)) < MAX_GREETING
    elif isinstance(event, Welcomed):
        _conclude(event)
        machine.keys()
    else:
        assert len(event.reason + event.detail) < MAX_GREETING
    return repr(event)


def _conclude(event: Welcomed) -> None:
    talk = Conversations()
    talk.offer(RESUME.fresh)
    try:
        talk.conclude(event.welcome, LISTENER.incarnation)
    except ProtocolError:
        assert talk.outgoing.id == talk.incoming == 0


REASONS = {"protocol", "size", "cookie", "seal", "version"}


# Records.


def codec(data: bytes) -> None:
    """What can be decoded and sent again is the same thing when it arrives."""
    records = _decoded(data)
    for record in records or ():
        if not m.well_formed(record):
            continue
        m.is_plain(record)
        first = _encoded(record)
        if first is not None:
            (again,) = _decoded(b"\x91" + first) or [None]
            assert _encoded(again) == first


@lru_cache
def a_codec() -> Codec:
    return Codec(LIMIT, make_ref=tuple, take_ref=_no_ref)


def _no_ref(value: object) -> list[Any] | None:
    return None


def _decoded(data: bytes) -> list[Any] | None:
    a_codec().take_undecodable()
    try:
        return a_codec().decode(data)
    except ProtocolError:
        return None


def _encoded(record: Any) -> bytes | None:
    try:
        return a_codec().encode(record)
    except (EncodeError, MessageTooLarge):
        return None


# Sessions.


def session(data: bytes) -> None:
    """A mad peer ends its session at most, and the books balance."""
    how, rest = _opened(data)
    stream = _sealed(rest) if how & SEALED else rest
    whole = Hearing().hear([stream])
    assert whole == Hearing().hear(pieces(stream, how))


def _sealed(data: bytes) -> bytes:
    """Make frames of what is in `data`: an ack, a length, and that many bytes."""
    seal, stream, counter = Sealer(VECTORS["key_to_listener"]), b"", 0
    while len(data) >= 3:
        ack, length = data[0], int.from_bytes(data[1:3], "big")
        body, data = data[3 : 3 + length], data[3 + length :]
        head = HEADER.pack(len(body) + SEALED_OVERHEAD, counter, ack)
        stream += head + body + seal.tag(head + body)
        counter += 1
    return stream


class Hearing:
    """A listener's session with the peer of the known answers.

    It has three casts to say, which it may only when the peer has spoken.
    """

    def __init__(self) -> None:
        self.talk = Conversations()
        self.talk.outgoing = Outgoing(1)
        for word in ("one", "two", "three"):
            cast = msgpack.packb([m.CAST, "counter", word, [], None])
            self.talk.outbox.append(cast, m.CAST, "counter")
        self.codec = Codec(LIMIT)
        sealers = (
            Sealer(VECTORS["key_to_dialer"]),
            Sealer(VECTORS["key_to_listener"]),
        )
        self.session = Session(
            self.talk, self.codec, sealers, LIMITS, 0.0, speaks_first=False
        )
        self.now = 0.0

    def hear(self, stream: Any) -> list[Any]:
        """Return all that came of it, for comparison."""
        arrived: list[Any] = []
        try:
            for part in stream:
                for records, _ in self.session.receive_data(part, self.now):
                    assert records
                    arrived += records
                    self._answer()
                assert len(self.session._reader._rest) < LONGEST_FRAME + LENGTH.size
        except ProtocolError as error:
            arrived.append(error.reason)
        else:
            self._answer()
            assert self.session.on_time(LIMITS.ping_after)
            self.session.next_deadline()
        self._balance(arrived)
        return [repr(arrived), self.talk.received, self.session.peer_left]

    def _answer(self) -> None:
        """Send what there is to say, as the shell does after each read."""
        for _ in range(8):
            if not self.session.has_work:
                return
            said = self.session.next_frame(self.now)
            assert said is not None
            assert len(said) < LONGEST_FRAME
        raise AssertionError("it never comes to an end of answering")

    def _balance(self, arrived: list[Any]) -> None:
        records = [record for record in arrived if type(record) is list]
        assert REASONS.issuperset(arrived[len(records) :])
        taken = [record for record in records if record[0] not in HANDED_UP]
        assert all(map(m.well_formed, taken))
        assert all(record[0] < m.UNNUMBERED for record in records)
        assert all(record[0] != m.FRAGMENT for record in records)
        assert len(records) <= self.talk.received
        outgoing = self.talk.outgoing
        assert 0 <= outgoing.acked <= outgoing.sent
        unfinished = outgoing.unfinished()
        assert outgoing.unacked == len(unfinished)
        assert outgoing.unacked_bytes == sum(len(entry.data) for entry in unfinished)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frame": frame,
    "listener": listener,
    "dialer": dialer,
    "codec": codec,
    "session": session,
}
