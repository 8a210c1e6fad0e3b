"""One direction of a stream, played without loop or wire: laws and scripts."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from clusterkit.errors import EncodeError, MessageTooLarge, StreamError, StreamOverrun
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.frame import array_header
from clusterkit.wire.shape import MAX_DEPTH, Undecodable
from clusterkit.wire.stream_values import decode_value, encode_open, encode_value
from clusterkit.wire.streams import (
    CHUNK_BYTES,
    CHUNK_COST,
    MOST_BEYOND,
    RAW,
    Beyond,
    Chunk,
    Inflow,
    Outflow,
)

WINDOW = 1_000


def chunk(size):
    return Chunk(RAW, b"x" * size, size)


class Direction:
    """A sender and a receiver, and what is under way between them."""

    def __init__(self, window=WINDOW):
        self.inflow, self.outflow = Inflow(window), Outflow()
        self.chunks, self.credits = deque(), deque([self.inflow.open()])
        self.sent, self.read = 0, 0

    def send(self, size):
        """Send a chunk, if there is credit; its bytes are its number."""
        if self.outflow.credit > 0:
            self.chunks.append(Chunk(RAW, self.sent, size))
            self.outflow.spend(size)
            self.sent += 1

    def carry_chunk(self, _=None):
        if self.chunks:
            assert self.inflow.put(self.chunks.popleft())

    def carry_credit(self, _=None):
        if self.credits:
            assert self.outflow.grant(self.credits.popleft())

    def take(self, _=None):
        if self.inflow.chunks:
            assert self.inflow.pop().data == self.read
            self.read += 1
            if credit := self.inflow.due():
                self.credits.append(credit)

    @property
    def kept(self):
        return sum(c.size + CHUNK_COST for c in self.inflow.chunks)


SIZES = st.integers(0, 3 * WINDOW)
STEPS = st.lists(
    st.tuples(st.just("send"), SIZES)
    | st.tuples(st.sampled_from(["carry_chunk", "carry_credit", "take"]), st.none()),
    max_size=80,
)


@given(STEPS, st.integers(1, 2 * WINDOW))
def test_chunks_come_once_in_order_and_never_beyond_the_window(steps, window):
    direction = Direction(window)
    for what, size in steps:
        getattr(direction, what)(size)
        last = max((c.size for c in direction.inflow.chunks), default=0)
        assert direction.kept < window + last + CHUNK_COST + 1
        assert direction.outflow.credit <= window
    # With nothing more to send, all of it gets there: nobody waits for nobody.
    while direction.chunks or direction.inflow.chunks:
        direction.carry_chunk()
        direction.take()
    assert direction.read == direction.sent
    while direction.credits:
        direction.carry_credit()
    assert 0 < direction.outflow.credit <= window


@given(SIZES, st.integers(1, 2 * WINDOW))
def test_a_sender_can_always_go_on_once_its_reader_has_taken_all(size, window):
    direction = Direction(window)
    direction.carry_credit()
    for _ in range(20):
        while direction.outflow.credit > 0:
            direction.send(size)
        while direction.chunks:
            direction.carry_chunk()
            direction.take()
        assert direction.credits
        while direction.credits:
            direction.carry_credit()


@given(st.lists(SIZES, min_size=1, max_size=50))
def test_a_receiver_takes_no_more_than_it_granted(sizes):
    inflow, granted = Inflow(WINDOW), WINDOW
    inflow.open()
    for size in sizes:
        if granted > 0:
            assert inflow.put(chunk(size))
            granted -= size + CHUNK_COST
        else:
            with pytest.raises(StreamOverrun):
                inflow.put(chunk(size))


def test_nothing_may_come_before_the_window_is_open():
    with pytest.raises(StreamOverrun):
        Inflow(WINDOW).put(chunk(1))


def test_chunks_with_nothing_in_them_use_up_the_window():
    inflow = Inflow(WINDOW)
    inflow.open()
    for _ in range(WINDOW // CHUNK_COST + 1):
        assert inflow.put(chunk(0))
    with pytest.raises(StreamOverrun):
        inflow.put(chunk(0))


def test_credit_comes_back_half_a_window_at_a_time():
    inflow = Inflow(WINDOW)
    inflow.open()
    size = 200 - CHUNK_COST
    granted = []
    for _ in range(6):
        inflow.put(chunk(size))
        inflow.pop()
        granted.append(inflow.due())
    assert granted == [0, 0, 600, 0, 0, 600]


def test_after_an_end_nothing_comes_and_nothing_is_granted():
    inflow = Inflow(100)
    inflow.open()
    inflow.put(chunk(90))
    error = StreamError("the source")
    assert inflow.end(error)
    assert not inflow.end(None)
    assert not inflow.put(chunk(1))
    assert inflow.error is error
    assert inflow.pop() == chunk(90)
    assert inflow.due() == 0


@pytest.mark.parametrize("credit", [0, -1, -(2**63)])
def test_credit_of_nothing_or_less_is_none(credit):
    outflow = Outflow()
    assert not outflow.grant(credit)
    assert outflow.credit == 0


def test_credit_without_end_stays_a_number_of_64_bits():
    outflow = Outflow(2**64 - 1)
    for _ in range(5):
        assert outflow.grant(2**64 - 1)
    assert 0 < outflow.credit < 2**63


def test_a_direction_ends_once():
    outflow = Outflow()
    assert [outflow.end(), outflow.end()] == [True, False]


# Open, and values by themselves.

CODEC = Codec(2**16)
CALL = [m.CALL, "files", "read", [1, (2,)], {"by": {3}}, 7, 30_000]


def test_an_open_is_a_call_but_for_its_kind_and_window():
    data = encode_open(CODEC, [m.OPEN, *CALL[1:], 2**62])
    (record,) = CODEC.decode(array_header(1) + data)
    assert record == [m.OPEN, *CALL[1:], 2**62]
    assert m.well_formed(record)


def test_what_cannot_be_an_argument_of_an_open_is_named():
    with pytest.raises(EncodeError, match=r"cannot send args\[1\]"):
        encode_open(CODEC, [m.OPEN, "files", "read", [1, object()], None, 7, 0, 1])


def test_an_open_above_the_limit_is_refused():
    with pytest.raises(MessageTooLarge):
        encode_open(
            CODEC, [m.OPEN, "files", "read", [b"x" * 5_000], None, 7, 0, 1], 5_000
        )


def nested(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def test_a_value_may_nest_as_deep_as_an_argument_and_no_deeper():
    deep = nested(MAX_DEPTH)
    assert decode_value(CODEC, encode_value(CODEC, deep)) == deep
    with pytest.raises(EncodeError, match="cannot send the message: nested deeper"):
        encode_value(CODEC, [deep])


BAD = {
    "no msgpack": b"\xc1",
    "nothing": b"",
    "two values": b"\x01\x02",
    "half a value": b"\x92\x01",
    "an unknown extension": b"\xd4\x63\x00",
    "one inside": b"\x91\x81\xa1x\xd4\x63\x00",
    "too deep": b"\x91" * (MAX_DEPTH + 1) + b"\x01",
    "text that is no UTF-8": b"\xa1\xff",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_value_that_cannot_be_built_is_said_to_be_so(data):
    assert isinstance(decode_value(CODEC, data), Undecodable)
    assert not CODEC.take_undecodable()  # and no other record suffers for it


@given(st.binary(max_size=40))
def test_whatever_comes_as_a_value_raises_nothing(data):
    decode_value(CODEC, data)
    assert not CODEC.take_undecodable()


# Beyond the window.


def crowd(beyond, size, n):
    """Open streams of one peer and put a message into each; return those that took it."""
    taken = []
    for _ in range(n):
        inflow = Inflow(WINDOW)
        inflow.beyond = beyond
        inflow.open()
        with suppress(StreamError):
            inflow.put(chunk(size))
        if inflow.chunks:
            taken.append(inflow)
    return taken


def test_what_goes_beyond_the_windows_of_a_peer_is_bounded_together():
    taken = crowd(Beyond(), MOST_BEYOND // 10, 50)
    assert len(taken) == 10


def test_one_message_alone_may_be_of_any_size():
    beyond = Beyond()
    assert len(crowd(beyond, 2 * MOST_BEYOND, 3)) == 1


@pytest.mark.parametrize("let_go", [Inflow.pop, Inflow.discard], ids=["pop", "discard"])
def test_what_was_taken_leaves_room_for_others(let_go):
    beyond = Beyond()
    for inflow in crowd(beyond, MOST_BEYOND // 2, 3):
        let_go(inflow)
        inflow.discard()
    assert beyond.bytes == 0
    assert len(crowd(beyond, MOST_BEYOND // 2, 3)) == 2


def test_pieces_of_bytes_always_find_room():
    assert len(crowd(Beyond(), CHUNK_BYTES, 10_000)) == 10_000
