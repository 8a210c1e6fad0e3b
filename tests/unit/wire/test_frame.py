"""A stream is cut into frames, and no length is believed before it is checked."""

from __future__ import annotations

import msgpack
import pytest

from clusterkit.errors import ProtocolError
from clusterkit.wire.frame import LENGTH, LONGEST, FrameReader, array_header

LIMIT = 64


def frame(body):
    return LENGTH.pack(len(body)) + body


def read(reader, data):
    return [bytes(view) for view in reader.feed(data)]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_an_array_header_is_that_of_msgpack(count):
    assert array_header(count) == msgpack.Packer().pack_array_header(count)


def test_frames_that_come_together_are_told_apart():
    data = frame(b"one") + frame(b"") + frame(b"three")
    assert read(FrameReader(LIMIT), data) == [
        frame(b"one"),
        frame(b""),
        frame(b"three"),
    ]


def test_a_frame_that_comes_byte_by_byte_is_one():
    reader = FrameReader(LIMIT)
    data = frame(b"slowly")
    assert [read(reader, data[i : i + 1]) for i in range(9)] == [[]] * 9
    assert read(reader, data[9:]) == [data]


def test_a_view_that_outlives_its_frame_is_in_nobodys_way():
    reader, held = FrameReader(100), []
    for data in (b"\0\0\0\3ab", b"c\0\0\0\3d", b"ef", b"\0\0\0\1g"):
        held += [frame[4:] for frame in reader.feed(data)]
    assert held == [b"abc", b"def", b"g"]
    assert reader.take_rest() == b""


def test_a_frame_of_exactly_the_limit_is_read():
    assert read(FrameReader(LIMIT), frame(bytes(LIMIT))) == [frame(bytes(LIMIT))]


def test_a_length_over_the_limit_is_refused_before_its_bytes_come():
    with pytest.raises(
        ProtocolError, match="65 bytes is over the limit of 64"
    ) as caught:
        read(FrameReader(LIMIT), LENGTH.pack(LIMIT + 1))
    assert caught.value.reason == "size"


def test_frames_before_a_bad_length_are_still_read():
    frames = FrameReader(LIMIT).feed(frame(b"good") + LENGTH.pack(LONGEST))
    assert bytes(next(frames)) == frame(b"good")
    with pytest.raises(ProtocolError):
        next(frames)


def test_an_announced_gigabyte_keeps_no_memory():
    reader = FrameReader(2**30)
    read(reader, LENGTH.pack(2**30) + b"a few")
    assert reader.take_rest() == LENGTH.pack(2**30) + b"a few"


def test_the_rest_is_taken_once():
    reader = FrameReader(LIMIT)
    read(reader, frame(b"whole") + b"\0\0")
    assert reader.take_rest() == b"\0\0"
    assert reader.take_rest() == b""


def test_whole_frames_leave_nothing_behind():
    reader = FrameReader(LIMIT)
    read(reader, frame(b"one")[:5])
    read(reader, frame(b"one")[5:] + frame(b"two"))
    assert reader.take_rest() == b""
