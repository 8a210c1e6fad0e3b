"""Large records are put together within bounds; what fits nothing is refused."""

from __future__ import annotations

import pytest

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.assembly import LEAST_PIECE, STALE, Assembly, NoRoom, Room, Whole
from clusterkit.wire.bulk import MOST_UNDER_WAY

MOST = 10 * LEAST_PIECE
PART = b"x" * LEAST_PIECE


def first(number, parts, *, kind=m.CALL, about=7):
    """Return the first piece of a record of so many parts."""
    return [m.FRAGMENT, number, (parts - 1) * LEAST_PIECE, PART, kind, about]


def later(number, parts_left, part=PART):
    return [m.FRAGMENT, number, parts_left * LEAST_PIECE, part]


def back(number):
    return [m.FRAGMENT, number, m.TAKEN_BACK, b""]


def whole(*parts):
    return Whole(bytearray(b"\x91" + b"".join(parts)))


class Peer:
    def __init__(self, room=None):
        self.assembly = Assembly(room or Room())

    def take(self, piece, now=0.0):
        return self.assembly.take(piece, MOST, now)

    def refuses(self, piece, reason="protocol"):
        with pytest.raises(ProtocolError) as caught:
            self.take(piece)
        assert caught.value.reason == reason


def test_a_record_is_whole_with_its_last_piece():
    peer = Peer()
    assert peer.take(first(1, 3)) is None
    assert peer.take(later(1, 1)) is None
    assert peer.take(later(1, 0, b"end!" * 1024)) == whole(PART, PART, b"end!" * 1024)


def test_the_last_piece_may_be_small():
    peer = Peer()
    peer.take([m.FRAGMENT, 1, 1, PART, m.CALL, 7])
    assert peer.take([m.FRAGMENT, 1, 0, b"."]) == whole(PART, b".")


def test_records_may_be_interleaved():
    peer = Peer()
    peer.take(first(1, 2))
    peer.take(first(2, 3))
    assert peer.take(later(1, 0)) == whole(PART, PART)
    peer.take(later(2, 1))
    assert peer.take(later(2, 0)) == whole(PART, PART, PART)


def test_a_record_taken_back_leaves_nothing():
    room = Room()
    peer = Peer(room)
    peer.take(first(1, 5))
    assert peer.take(back(1)) is None
    assert room.taken == 0
    assert peer.take(first(1, 2)) is None


def test_taking_back_what_is_unknown_does_nothing():
    assert Peer().take(back(9)) is None


@pytest.mark.parametrize(
    "piece",
    [
        later(1, 1),
        [m.FRAGMENT, 1, LEAST_PIECE, PART, m.CALL],
        first(1, 2, kind=m.CANCEL),
        first(1, 2, kind=m.FRAGMENT),
        first(1, 2, kind=m.PING),
        first(1, 2, kind=None),
        first(1, 2, kind=[1]),
        first(1, 2, about="call"),
        first(1, 2, kind=m.CAST, about=7),
        first(1, 2, kind=m.CAST, about=None),
        [m.FRAGMENT, 1, 2 * LEAST_PIECE, PART[:-1], m.CALL, 7],
        [m.FRAGMENT, 1, 0, b"", m.CALL, 7],
        [m.FRAGMENT, 1, -2, PART, m.CALL, 7],
    ],
    ids=[
        "of an unknown record",
        "about nothing",
        "of a cancel",
        "of a fragment",
        "of a ping",
        "of no kind",
        "of a list",
        "call about a text",
        "cast about a number",
        "cast about nil",
        "too small",
        "empty",
        "negative rest",
    ],
)
def test_a_piece_of_no_sense_is_refused(piece):
    Peer().refuses(piece)


@pytest.mark.parametrize("left", [0, 2, 3], ids=["a gap", "twice", "growing"])
def test_a_piece_has_to_go_on_where_the_last_ended(left):
    peer = Peer()
    peer.take(first(1, 3))
    peer.refuses(later(1, left))


def test_no_record_is_larger_than_a_message_may_be():
    peer = Peer()
    assert peer.take(first(1, 10)) is None
    Peer().refuses(first(1, 11), "size")


def test_what_is_under_way_is_bounded_in_bytes():
    peer = Peer()
    peer.take(first(1, 5))
    peer.take(first(2, 5))
    peer.refuses(first(3, 2), "size")
    for left in (3, 2, 1, 0):
        peer.take(later(1, left))
    assert peer.take(first(3, 2)) is None


def test_what_is_under_way_is_bounded_in_number():
    peer = Peer()
    assembly = peer.assembly
    for number in range(MOST_UNDER_WAY):
        assembly.take(first(number, 2), 10**9, 0.0)
    with pytest.raises(ProtocolError):
        assembly.take(first(MOST_UNDER_WAY, 2), 10**9, 0.0)


# The room that peers share.


def test_a_record_that_finds_no_room_is_refused_with_its_first_piece():
    room = Room(8 * LEAST_PIECE)
    one, other = Peer(room), Peer(room)
    one.take(first(1, 5))
    assert other.take(first(1, 5)) == NoRoom(m.CALL, 7)


def test_the_pieces_of_a_refused_record_are_let_go():
    room = Room(8 * LEAST_PIECE)
    one, other = Peer(room), Peer(room)
    one.take(first(1, 5))
    other.take(first(1, 4))
    assert [other.take(later(1, left)) for left in (2, 1, 0)] == [None] * 3
    assert room.taken == 5 * LEAST_PIECE
    assert "records=0" in repr(other.assembly)


def test_a_refused_record_can_be_taken_back():
    room = Room(8 * LEAST_PIECE)
    one, other = Peer(room), Peer(room)
    one.take(first(1, 5))
    other.take(first(1, 4))
    other.take(back(1))
    assert room.taken == 5 * LEAST_PIECE


def test_a_record_alone_always_finds_room():
    room = Room(1)
    peer = Peer(room)
    peer.take(first(1, 2))
    assert peer.take(later(1, 0)) == whole(PART, PART)
    assert room.taken == 0


def test_the_end_of_a_conversation_gives_its_room_back():
    room = Room(8 * LEAST_PIECE)
    one, other = Peer(room), Peer(room)
    one.take(first(1, 5))
    one.assembly.clear()
    assert room.taken == 0
    assert other.take(first(1, 5)) is None
    one.refuses(later(1, 3))


def crowd(now=0.0):
    """Return a room that a record which has begun has to itself, and its peer."""
    room = Room(8 * LEAST_PIECE)
    slow = Peer(room)
    slow.take(first(1, 6, about=1), now)
    return room, slow


def test_a_record_that_has_stopped_gives_its_room_to_one_that_needs_it():
    room, slow = crowd()
    other = Peer(room)
    assert other.take(first(1, 5), STALE) is None
    assert room.taken == 5 * LEAST_PIECE
    assert slow.take(later(1, 4), STALE) == NoRoom(m.CALL, 1)
    assert slow.take(later(1, 3), STALE) is None
    assert other.take(later(1, 0, PART * 4), STALE) == whole(*[PART] * 5)
    assert slow.take(later(1, 0, PART * 3), STALE) is None
    assert room.taken == 0


def test_a_record_that_has_stopped_keeps_its_room_while_there_is_enough():
    room, slow = crowd()
    assert Peer(room).take(first(1, 2), 10 * STALE) is None
    assert slow.take(later(1, 0, PART * 5), 10 * STALE) == whole(*[PART] * 6)


def test_a_record_that_moves_keeps_its_room():
    room, slow = crowd()
    slow.take(later(1, 4), STALE - 1)
    assert Peer(room).take(first(1, 5), 2 * STALE - 2) == NoRoom(m.CALL, 7)
    assert slow.take(later(1, 0, PART * 4), 2 * STALE) == whole(*[PART] * 6)


def test_of_records_that_have_stopped_the_first_goes_first():
    room = Room(8 * LEAST_PIECE)
    early, late = Peer(room), Peer(room)
    late.take(first(1, 4, about=1), 0.0)
    early.take(first(1, 4, about=2), 1.0)
    late.take(later(1, 2), 2.0)
    assert Peer(room).take(first(1, 4), 2.0 + STALE) is None
    assert early.take(later(1, 2), 2.0 + STALE) == NoRoom(m.CALL, 2)
    assert late.take(later(1, 0, PART * 2), 2.0 + STALE) == whole(*[PART] * 4)


def test_what_has_lost_its_room_is_forgotten_as_any_other():
    room, slow = crowd()
    Peer(room).take(first(1, 5), STALE)
    slow.assembly.clear()
    assert room.taken == 5 * LEAST_PIECE
