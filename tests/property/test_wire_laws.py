"""Laws of the wire's parts: codec, frames, seal, outbox, and a session's clock."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from clusterkit.errors import EncodeError, MessageTooLarge, ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations
from clusterkit.wire.frame import LENGTH, FrameReader, array_header
from clusterkit.wire.outbox import Outbox
from clusterkit.wire.seal import Sealer
from clusterkit.wire.session import Limits, Session

from .wire_values import ANYTHING, VALUES, strictly

LIMIT = 2**16
LIMITS = Limits(
    max_message=LIMIT,
    window_bytes=2**20,
    window_records=2**10,
    ack_delay=0.02,
    ack_bytes=2**16,
    ping_after=1.0,
    dead_after=3.0,
    frame_timeout=1e9,
)
NO_ACK = LENGTH.size + 8


def session(out, back, *, speaks_first, limits=LIMITS):
    sealers = (Sealer(out), Sealer(back))
    return Session(
        Conversations(), Codec(LIMIT), sealers, limits, 0.0, speaks_first=speaks_first
    )


def pair(keys=(b"out", b"back")):
    """Return the dialer's and the listener's session of one connection."""
    out, back = keys
    return (
        session(out, back, speaks_first=True),
        session(back, out, speaks_first=False),
    )


def receive(receiver, data):
    return [r for batch, _ in receiver.receive_data(data, 0.0) for r in batch]


def post(sender, data, kind):
    sender._talk.outbox.append(data, kind, None)


# The codec.


@given(VALUES)
def test_a_value_arrives_as_it_left(value):
    data = Codec(LIMIT).encode([m.REPLY, 1, value])
    ((_, _, arrived),) = Codec(LIMIT).decode(array_header(1) + data)
    assert strictly(arrived) == strictly(value)


def records(value):
    """Return the records that can carry `value`."""
    return [
        [m.CAST, "counter", "add", [value], None],
        [m.CALL, "counter", "add", [0, value], None, 1, 0],
        [m.CALL, "counter", "add", [], {"by": value}, 1, 0],
        [m.REPLY, 1, value],
        [m.FAULT, 1, "rejected", ["code", value]],
    ]


@given(ANYTHING, st.integers(0, 4))
def test_what_leaves_is_understood_and_what_is_not_never_leaves(value, index):
    record = records(value)[index]
    sender, receiver = pair()
    try:
        data = sender._codec.encode(record, LIMIT)
    except (EncodeError, MessageTooLarge):
        return
    post(sender, data, record[0])
    arrived = receive(receiver, sender.next_frame(0.0))
    assert strictly(arrived) == strictly([record])


@given(ANYTHING, st.integers(0, 4))
def test_a_refusal_names_the_argument(value, index):
    where = ["args[0]", "args[1]", "kwargs['by']", "the result", "the message"][index]
    try:
        Codec(LIMIT).encode(records(value)[index])
    except EncodeError as error:
        message = str(error)
    except MessageTooLarge:
        return
    else:
        return
    assert message.startswith(f"cannot send {where}")


@given(ANYTHING, VALUES)
def test_what_was_refused_leaves_no_trace_in_the_next(bad, good):
    codec = Codec(LIMIT)
    expected = Codec(LIMIT).encode([m.REPLY, 1, good])
    with contextlib.suppress(EncodeError, MessageTooLarge):
        codec.encode([m.REPLY, 1, [good, bad]])
    assert codec.encode([m.REPLY, 1, good]) == expected


# Frames.

BODIES = st.lists(st.binary(max_size=40), max_size=8)


def pieces(data, cuts):
    """Split `data` at each of `cuts`, which are taken modulo its length."""
    places = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@given(BODIES, st.lists(st.integers(0, 10**6)))
def test_frames_survive_any_split_of_the_stream(bodies, cuts):
    frames = [LENGTH.pack(len(body)) + body for body in bodies]
    reader = FrameReader(40)
    stream = pieces(b"".join(frames), cuts)
    read = [bytes(view) for part in stream for view in reader.feed(part)]
    assert (read, reader.take_rest()) == (frames, b"")


@given(BODIES, st.binary(max_size=60), st.lists(st.integers(0, 10**6)))
def test_whole_frames_and_the_rest_are_the_stream_again(bodies, tail, cuts):
    stream = b"".join(LENGTH.pack(len(body)) + body for body in bodies) + tail
    reader = FrameReader(2**32)
    parts = pieces(stream, cuts)
    read = [bytes(view) for part in parts for view in reader.feed(part)]
    assert b"".join(read) + reader.take_rest() == stream


@given(st.lists(st.binary(max_size=2_000), max_size=6), st.integers(0, 600))
def test_a_reader_never_keeps_more_than_one_frame(parts, limit):
    reader = FrameReader(limit)
    for part in parts:
        try:
            for _ in reader.feed(part):
                pass
        except ProtocolError:
            return
        assert len(reader._rest) < LENGTH.size + max(limit, 1)


@given(st.lists(VALUES, min_size=1, max_size=5), st.lists(st.integers(0, 10**6)))
def test_a_session_understands_any_split_of_its_frames(values, cuts):
    sender, receiver = pair()
    stream = b""
    for value in values:
        post(sender, sender._codec.encode([m.REPLY, 1, value]), m.REPLY)
        stream += sender.next_frame(0.0)
    arrived = [r for part in pieces(stream, cuts) for r in receive(receiver, part)]
    assert strictly(arrived) == strictly([[m.REPLY, 1, value] for value in values])


# The seal.

KEYS = st.binary(min_size=32, max_size=32)


def spoken(sender, count):
    """Return `count` frames of one record each."""
    frames = []
    for n in range(count):
        post(sender, sender._codec.encode([m.CAST, "a", "e", [n], None]), m.CAST)
        frames.append(sender.next_frame(0.0))
    return frames


def is_rejected(receiver, data):
    """Whether nothing of `data`, nor of what follows it, is believed."""
    with pytest.raises(ProtocolError):
        receive(receiver, data + bytes(2 * LIMIT))
    return receiver._talk.received == 0


def test_no_single_bit_can_be_changed():
    frame = spoken(pair()[0], 1)[0]
    for bit in range(8 * len(frame)):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        assert is_rejected(pair()[1], bytes(changed)), bit


def test_no_frame_can_be_truncated_or_extended():
    frame = spoken(pair()[0], 1)[0]
    for length in range(LENGTH.size, len(frame)):
        shorter = LENGTH.pack(length - LENGTH.size) + frame[LENGTH.size : length]
        assert is_rejected(pair()[1], shorter), length
        longer = LENGTH.pack(len(frame)) + frame[LENGTH.size :] + bytes(LENGTH.size)
        assert is_rejected(pair()[1], longer)


@given(st.integers(2, 8), st.data())
def test_frames_are_taken_in_their_order_and_once(count, data):
    sender, receiver = pair()
    frames = spoken(sender, count)
    indices = st.integers(0, count - 1)
    order = data.draw(st.lists(indices, min_size=1, max_size=count + 2))
    taken, reason = [], None
    try:
        for index in order:
            taken += [r[m.ARGS][0] for r in receive(receiver, frames[index])]
    except ProtocolError as error:
        reason = error.reason
    expected = [n for n, index in enumerate(order) if order[: n + 1] == [*range(n + 1)]]
    assert taken == expected
    assert reason == (None if len(taken) == len(order) else "seal")


@given(KEYS, KEYS, st.integers(1, 4))
def test_no_frame_can_be_reflected(out, back, count):
    sender, _ = pair((out, back))
    frames = spoken(sender, count)
    if out != back:
        assert is_rejected(sender, frames[0])


@given(st.tuples(KEYS, KEYS), st.tuples(KEYS, KEYS))
def test_no_frame_is_good_in_another_session(ours, theirs):
    frame = spoken(pair(ours)[0], 1)[0]
    if ours[0] != theirs[0]:
        assert is_rejected(pair(theirs)[1], frame)


# The outbox, against a list.


class Shelf:
    """What an outbox should do, as plainly as it can be said."""

    def __init__(self):
        self.entries, self.put = [], 0

    def append(self, entry):
        self.put += 1
        self.entries.append((self.put, entry))
        return self.put

    def withdraw(self, ticket):
        found = [pair for pair in self.entries if pair[0] == ticket]
        self.entries = [pair for pair in self.entries if pair[0] != ticket]
        return bool(found)

    def take(self, max_bytes, max_records):
        taken = []
        for _, entry in self.entries:
            size = sum(len(data) for data, _, _ in taken) + len(entry[0])
            if len(taken) >= max_records or (taken and size > max_bytes):
                break
            taken.append(entry)
        del self.entries[: len(taken)]
        return taken

    def remove(self, unwanted):
        gone = [entry for _, entry in self.entries if unwanted(entry)]
        self.entries = [pair for pair in self.entries if not unwanted(pair[1])]
        return gone

    def drop(self):
        casts = [pair for pair in self.entries if pair[1][1] == m.CAST][:1]
        self.entries = [pair for pair in self.entries if pair not in casts]
        return [entry for _, entry in casts]


ENTRIES = st.tuples(st.binary(min_size=1, max_size=9), st.integers(1, 3), st.none())
STEPS = st.lists(
    st.tuples(st.just("append"), ENTRIES)
    | st.tuples(st.just("append"), ENTRIES)
    | st.tuples(st.just("withdraw"), st.integers(0, 20))
    | st.tuples(st.just("take"), st.tuples(st.integers(0, 40), st.integers(0, 5)))
    | st.tuples(st.just("remove"), st.integers(1, 3))
    | st.tuples(st.just("drop"), st.none()),
    max_size=40,
)


def step(outbox, shelf, what, how):
    """Do the same to both; return what each gives back."""
    if what == "append":
        return outbox.append(*how), shelf.append(how)
    if what == "withdraw":
        ticket = min(how, shelf.put)
        return outbox.withdraw(ticket), shelf.withdraw(ticket)
    if what == "take":
        entries, size = outbox.take(*how)
        assert size == sum(len(data) for data, _, _ in entries)
        return entries, shelf.take(*how)
    if what == "remove":
        return (
            outbox.remove(lambda entry: entry[1] == how),
            shelf.remove(lambda entry: entry[1] == how),
        )
    dropped = outbox.drop_oldest_cast()
    return [dropped] if dropped else [], shelf.drop()


@given(STEPS)
def test_an_outbox_is_a_list_with_tickets(steps):
    outbox, shelf = Outbox(), Shelf()
    for what, how in steps:
        ours, expected = step(outbox, shelf, what, how)
        assert ours == expected
        held = [entry for _, entry in shelf.entries]
        assert len(outbox) == len(held)
        assert outbox.bytes == sum(len(data) for data, _, _ in held)
        assert outbox.taken + len(outbox.queue) == shelf.put
        # Every ticket up to `taken` has left; the next one has not.
        tickets = [ticket for ticket, _ in shelf.entries]
        assert outbox.taken == (tickets[0] - 1 if tickets else shelf.put)


# The clock of a session.

TIMES = st.floats(0.0, 1e7)
DELAYS = st.floats(0.001, 10.0)


@settings(max_examples=300)
@given(TIMES, DELAYS, DELAYS, st.floats(2.0, 4.0), st.booleans())
def test_a_deadline_that_has_come_leads_to_a_later_one(start, ack, ping, dead, hears):
    limits = Limits(
        max_message=LIMIT,
        window_bytes=2**20,
        window_records=2**10,
        ack_delay=ack,
        ack_bytes=2**16,
        ping_after=ping,
        dead_after=dead * ping,
        frame_timeout=1e9,
    )
    ours = session(b"out", b"back", speaks_first=True, limits=limits)
    theirs = session(b"back", b"out", speaks_first=False, limits=limits)
    receive(theirs, ours.next_frame(start))
    if hears:
        post(theirs, Codec(LIMIT).encode([m.CAST, "a", "e", [], None]), m.CAST)
        list(ours.receive_data(theirs.next_frame(start), start))
    else:
        list(ours.receive_data(b"\0", start))
    # No byte and no chance to write: it ends, by Acks and Pings, in its death.
    now, woken = ours.next_deadline(), 0
    while ours.on_time(now):
        assert ours.next_deadline() > now
        now, woken = ours.next_deadline(), woken + 1
    assert now == start + dead * ping
    assert woken <= 5
