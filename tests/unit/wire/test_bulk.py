"""The bulk lane: pieces, flows in turn, places at the receiver, barriers."""

from __future__ import annotations

import tracemalloc

import msgpack
import pytest

from clusterkit.wire import messages as m
from clusterkit.wire.bulk import MOST_UNDER_WAY, MOST_WHOLE, PIECE, Bulk
from clusterkit.wire.entry import Entry

ANY = 10**9


def bulk(*waiting, most=ANY):
    """Return a lane with records given as (number, size, flow)."""
    lane = Bulk(most)
    for number, size, flow in waiting:
        lane.put(number, entry(number, size), flow, 0)
    return lane


def entry(number, size, kind=m.CAST):
    data = msgpack.packb([kind, "sink", number]).ljust(size, b".")
    return Entry(data, kind, f"sink{number}")


def take(lane, max_bytes=MOST_WHOLE, max_records=ANY, gone=0):
    """Take one frame's worth; return the numbers of what is in it."""
    entries, _ = lane.take(max_bytes, max_records, gone)
    return [number_of(item) for item in entries]


def number_of(item):
    data = bytes(item[0])
    if data[1] == m.FRAGMENT:
        return msgpack.unpackb(data)[m.FRAGMENT_ID]
    return int(item[2].removeprefix("sink"))


def take_all(lane):
    taken = []
    while frame := take(lane):
        taken += frame
    return taken


# Pieces.


@pytest.mark.parametrize(
    "size", [MOST_WHOLE + 1, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 5 * PIECE - 7]
)
def test_pieces_make_the_whole(size):
    lane = bulk((7, size, "a"))
    whole = entry(7, size).data
    parts, rests = [], []
    while len(lane):
        (item,), _ = lane.take(MOST_WHOLE, ANY, 0)
        piece = msgpack.unpackb(bytes(item[0]))
        assert piece[:2] == [m.FRAGMENT, 7]
        rests.append(piece[m.REST])
        parts.append(piece[m.PART])
    assert b"".join(parts) == whole
    assert max(map(len, parts)) == min(size, PIECE)
    assert rests == [size - sum(map(len, parts[: n + 1])) for n in range(len(parts))]


def test_cutting_a_record_copies_none_of_it():
    lane = bulk((7, 20 * PIECE, "a"))
    tracemalloc.start()
    try:
        pieces = [lane.take(MOST_WHOLE, ANY, 0)[0][0] for _ in range(20)]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pieces) == 20
    assert most < PIECE


def test_taking_a_record_back_copies_only_what_may_be_sent_again():
    lane = bulk((7, 20 * PIECE, "a"))
    last = [lane.take(MOST_WHOLE, ANY, 0) for _ in range(19)][-1][0][0][0]
    tracemalloc.start()
    try:
        lane.withdraw(7)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(last.parts[0]) is bytes
    assert most < 2 * PIECE


def test_the_first_piece_says_what_it_is_of_and_the_others_do_not():
    lane = bulk((7, 3 * PIECE, "a"))
    taken = [lane.take(MOST_WHOLE, ANY, 0)[0][0][0] for _ in range(3)]
    pieces = [msgpack.unpackb(bytes(piece)) for piece in taken]
    assert [piece[m.WHOLE_KIND :] for piece in pieces] == [[m.CAST, "sink7"], [], []]


def test_the_last_piece_accounts_for_the_whole():
    lane = bulk((7, 2 * PIECE, "a"))
    kinds = [lane.take(MOST_WHOLE, ANY, 0)[0][0][1:] for _ in range(2)]
    assert kinds == [(m.FRAGMENT, None), (m.CAST, "sink7")]


def test_a_large_record_is_here_until_its_last_piece_has_left():
    lane = bulk((7, 2 * PIECE, "a"))
    take(lane)
    assert (7 in lane, len(lane), lane.holds("a")) == (True, 1, True)
    take(lane)
    assert (7 in lane, len(lane), lane.holds("a")) == (False, 0, False)


def test_the_bytes_told_are_those_that_waited():
    lane = bulk((7, 2 * PIECE + 5, "a"))
    assert [lane.take(MOST_WHOLE, ANY, 0)[1] for _ in range(3)] == [PIECE, PIECE, 5]


# Flows.


def test_a_flow_is_first_in_first_out():
    lane = bulk((1, 2 * PIECE, "a"), (2, 10, "a"), (3, PIECE + 1, "a"), (4, 10, "a"))
    assert take_all(lane) == [1, 1, 2, 3, 3, 4]


def test_flows_take_turns():
    lane = bulk((1, 3 * PIECE, "a"), (2, 2 * PIECE, "b"), (3, 10, "c"))
    assert take_all(lane) == [1, 2, 3, 1, 2, 1]


def test_small_records_of_a_flow_share_a_frame():
    lane = bulk(*[(n, 10, "a") for n in range(1, 6)], (6, PIECE + 1, "a"))
    assert take(lane) == [1, 2, 3, 4, 5]
    assert take(lane) == [6]


@pytest.mark.parametrize(
    ("max_bytes", "max_records", "expected"),
    [(30, ANY, [1, 2, 3]), (29, ANY, [1, 2]), (1, ANY, [1]), (ANY, 2, [1, 2])],
)
def test_small_records_keep_to_the_bounds_of_a_frame(max_bytes, max_records, expected):
    lane = bulk(*[(n, 10, "a") for n in range(1, 5)])
    assert take(lane, max_bytes, max_records) == expected


def test_nothing_is_taken_where_no_record_may():
    lane = bulk((1, 2 * PIECE, "a"))
    assert lane.take(MOST_WHOLE, 0, 0) == ([], 0)
    assert take_all(lane) == [1, 1]


def test_what_came_into_the_line_before_a_record_leaves_before_it():
    lane = Bulk(ANY)
    lane.put(1, entry(1, 10), "a", 5)
    lane.put(2, entry(2, 10), "b", 7)
    lane.put(3, entry(3, 10), "a", 8)
    assert take(lane, gone=4) == []
    assert take(lane, gone=5) == [1]
    assert take(lane, gone=6) == []
    assert take(lane, gone=7) == [2]
    assert take(lane, gone=8) == [3]


# Places at the receiver.


def test_no_more_is_begun_than_the_receiver_has_room_for():
    lane = bulk(*[(n, 2 * PIECE, n) for n in (1, 2, 3)], most=4 * PIECE)
    assert [take(lane) for _ in range(6)] == [[1], [2], [1], [2], [3], [3]]


def test_one_is_always_begun_however_large():
    assert take_all(bulk((1, 3 * PIECE, "a"), (2, PIECE + 1, "b"), most=1)) == [
        *(1, 1, 1),
        *(2, 2),
    ]


def test_what_is_small_does_not_wait_for_a_place():
    lane = bulk((1, 3 * PIECE, "a"), (2, PIECE + 1, "b"), (3, 10, "c"), most=1)
    assert take(lane) == [1]
    assert take(lane) == [3]


def test_no_more_than_so_many_are_begun():
    lane = bulk(*[(n, 2 * PIECE, n) for n in range(1, MOST_UNDER_WAY + 3)])
    begun = {take(lane)[0] for _ in range(MOST_UNDER_WAY)}
    assert begun == set(range(1, MOST_UNDER_WAY + 1))
    assert take(lane) == [1]


def test_who_waits_longest_for_a_place_is_next():
    lane = bulk(*[(n, 2 * PIECE, n % 2) for n in range(1, 5)], most=1)
    assert take_all(lane) == [1, 1, 2, 2, 3, 3, 4, 4]


# Taking back.


def test_what_was_not_begun_is_taken_back_whole():
    lane = bulk((1, 2 * PIECE, "a"), (2, 2 * PIECE, "a"))
    assert lane.withdraw(2).sent == 0
    assert take_all(lane) == [1, 1]


def test_what_was_begun_says_how_much_has_left():
    lane = bulk((1, 3 * PIECE, "a"), (2, 10, "a"))
    take(lane)
    assert lane.withdraw(1).sent == PIECE
    assert take_all(lane) == [2]


def test_the_last_of_a_flow_takes_it_along():
    lane = bulk((1, 3 * PIECE, "a"))
    lane.withdraw(1)
    assert (lane.holds("a"), len(lane), take(lane)) == (False, 0, [])


def test_nothing_is_taken_back_twice_or_after_it_has_left():
    lane = bulk((1, 10, "a"), (2, 10, "a"))
    take(lane, max_records=1)
    assert lane.withdraw(1) is None
    assert lane.withdraw(2) is not None
    assert lane.withdraw(2) is None


@pytest.mark.parametrize("taken", [0, 1])
def test_a_place_that_is_given_back_goes_to_the_next(taken):
    lane = bulk((1, 3 * PIECE, "a"), (2, 2 * PIECE, "b"), most=1)
    for _ in range(taken):
        take(lane)
    lane.withdraw(1)
    assert take_all(lane) == [2, 2]


def test_one_that_waits_for_a_place_can_be_taken_back():
    lane = bulk((1, 3 * PIECE, "a"), (2, 2 * PIECE, "b"), (3, 10, "b"), most=1)
    lane.withdraw(2)
    assert take_all(lane) == [1, 3, 1, 1]


def test_starting_anew_sends_everything_again_from_its_first_byte():
    lane = bulk((1, 3 * PIECE, "a"), (2, 2 * PIECE, "b"))
    for _ in range(3):
        take(lane)
    assert lane.start_anew() == 3 * PIECE
    assert sorted(take_all(lane)) == [1, 1, 1, 2, 2]


# Barriers.


def released(lane):
    return [item[2] for item in lane.released()]


def test_a_barrier_waits_for_all_that_was_here_before_it_and_no_more():
    lane = bulk((1, 2 * PIECE, "a"), (2, 10, "b"))
    lane.put_barrier(3, (b"", m.DOWN, "down"))
    lane.put(4, entry(4, 2 * PIECE), "c", 0)
    assert take(lane) == [1]
    assert take(lane) == [2]
    assert released(lane) == []
    assert take(lane) == [4]
    assert take(lane) == [1]
    assert released(lane) == ["down"]
    assert len(lane) == 1


def test_barriers_keep_their_order():
    lane = bulk((1, PIECE + 1, "a"))
    lane.put_barrier(2, (b"", m.DOWN, "first"))
    lane.put_barrier(3, (b"", m.DOWN, "second"))
    assert len(lane) == 3
    take_all(lane)
    assert released(lane) == ["first", "second"]
    assert len(lane) == 0


def test_taking_back_what_it_waits_for_releases_a_barrier():
    lane = bulk((1, PIECE + 1, "a"))
    lane.put_barrier(2, (b"", m.DOWN, "down"))
    lane.withdraw(1)
    assert released(lane) == ["down"]


def test_unwanted_barriers_can_be_removed():
    lane = bulk((1, PIECE + 1, "a"))
    lane.put_barrier(2, (b"x", m.DOWN, "down"))
    assert lane.barriers(bool) == [Entry(b"x", m.DOWN, "down")]
    take_all(lane)
    assert released(lane) == []


def test_what_has_left_of_one_that_is_taken_back_does_not_keep_the_rest():
    lane = bulk((7, 5 * PIECE, "a"))
    pieces = [lane.take(MOST_WHOLE, ANY, 0)[0][0][0] for _ in range(2)]
    before = [bytes(piece) for piece in pieces]
    lane.withdraw(7)
    assert [piece.parts for piece in pieces] == [(data,) for data in before]
