"""The outbox has lanes: control before the line, and the line beside bulk."""

from __future__ import annotations

import msgpack
import pytest

from clusterkit.wire import messages as m
from clusterkit.wire.bulk import MOST_WHOLE, PIECE
from clusterkit.wire.outbox import CONTROL, Outbox

from .playbook import entry

ANY = 10**9
LARGE = 2 * PIECE + 100  # three pieces


def take(outbox, *, bulk=True, max_records=ANY):
    """Take one frame's worth; return what each entry is about, or its kind."""
    entries, size = outbox.take(MOST_WHOLE, max_records, bulk=bulk)
    assert size == sum(len(item[0]) for item in entries)
    return [m.NAMES[kind] if about is None else about for _, kind, about in entries]


def take_all(outbox):
    frames = []
    while frame := take(outbox):
        frames.append(frame)
    return frames


def cast(outbox, n, actor="sink", size=10):
    return outbox.append(entry(n, size=size).data, m.CAST, n, actor)


def test_kinds_that_overtake_are_those_that_keep_others_from_sending_in_vain():
    assert {m.CHOKE, m.UNCHOKE, m.REFUSED} == CONTROL


def test_control_overtakes_everything_and_keeps_its_order():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    cast(outbox, 1, "other")
    outbox.append_control(b"c", m.CHOKE)
    outbox.append_control(b"u", m.UNCHOKE)
    assert take(outbox) == ["Choke", "Unchoke", 1]
    assert (outbox.bytes, len(outbox)) == (0, 1)


def test_control_keeps_to_the_size_of_a_frame():
    outbox = Outbox()
    for _ in range(5):
        outbox.append_control(bytes(MOST_WHOLE // 2), m.CHOKE)
    outbox.append_control(bytes(2 * MOST_WHOLE), m.UNCHOKE)
    cast(outbox, 1)
    frames = take_all(outbox)
    assert [frame.count("Choke") for frame in frames] == [2, 2, 1, 0]
    assert [frame[-1] for frame in frames] == [1, "Choke", "Choke", "Unchoke"]
    assert outbox.bytes == 0


def test_control_keeps_to_the_window_of_records():
    outbox = Outbox()
    for _ in range(3):
        outbox.append_control(b"c", m.CHOKE)
    cast(outbox, 1)
    assert [take(outbox, max_records=2) for _ in range(2)] == [
        ["Choke", "Choke"],
        ["Choke", 1],
    ]


def test_a_large_record_lets_small_ones_pass():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    for n in range(3):
        cast(outbox, n, "other")
    assert take_all(outbox) == [[0, 1, 2], ["Fragment"], ["Fragment"], ["large"]]


def test_the_line_and_bulk_take_turns():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    for n in range(4):
        cast(outbox, n, "other", size=MOST_WHOLE - 10)
    assert take_all(outbox) == [
        *([0], ["Fragment"], [1], ["Fragment"], [2], ["large"], [3]),
    ]


def test_what_is_for_the_same_actor_stays_behind_its_large_one():
    outbox = Outbox()
    cast(outbox, 0)
    cast(outbox, "large", size=LARGE)
    cast(outbox, 1)
    cast(outbox, 2, "other")
    assert take_all(outbox) == [[0, 2], ["Fragment"], ["Fragment"], ["large"], [1]]


def test_a_large_one_stays_behind_what_came_before_it_for_the_same_actor():
    outbox = Outbox()
    for n in range(4):
        cast(outbox, n, size=MOST_WHOLE - 10)
    cast(outbox, "large", size=PIECE + 1)
    cast(outbox, 5, "other")
    assert take_all(outbox) == [
        *([0], [1], [2], [3, 5], ["Fragment"], ["large"]),
    ]


def test_what_was_behind_one_that_is_taken_back_stays_in_order():
    outbox = Outbox()
    cast(outbox, 1, size=MOST_WHOLE - 10)
    cast(outbox, 2, size=MOST_WHOLE - 10)
    ticket = cast(outbox, "large", size=LARGE)
    cast(outbox, 3)
    outbox.withdraw(ticket)
    assert take_all(outbox) == [[1], [2], [3]]


def test_when_the_large_one_has_left_the_actors_line_is_the_usual_one():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    take_all(outbox)
    assert outbox.bulk is None
    assert cast(outbox, 1) == 1


def test_a_large_answer_is_in_order_with_nothing():
    outbox = Outbox()
    outbox.append(b"x" * LARGE, m.REPLY, 1)
    outbox.append(b"x", m.REPLY, 2)
    assert take(outbox) == [2]


def test_bulk_may_have_to_wait_while_the_line_goes_on():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    cast(outbox, 1, "other")
    assert [take(outbox, bulk=False) for _ in range(2)] == [[1], []]
    assert take(outbox) == ["Fragment"]


def test_bytes_are_counted_by_lane():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    cast(outbox, 1, "other")
    assert (outbox.bytes, outbox.bulk_bytes, len(outbox)) == (10, LARGE, 2)
    take(outbox)
    take(outbox)
    assert (outbox.bytes, outbox.bulk_bytes, len(outbox)) == (0, LARGE - PIECE, 1)


def test_whatever_is_put_into_bulk_goes_there():
    outbox = Outbox()
    outbox.append_bulk(b"chunk", m.CAST, 1, "stream")
    cast(outbox, 2)
    assert take_all(outbox) == [[2], [1]]


# Down.


def test_down_comes_after_everything_that_was_queued_before_it():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    cast(outbox, 1, "other")
    outbox.append(b"d", m.DOWN, None)
    cast(outbox, 2, "other")
    assert take_all(outbox) == [
        *([1, 2], ["Fragment"], ["Fragment"], ["large"], ["Down"]),
    ]
    assert (len(outbox), outbox.bytes, outbox.bulk_bytes) == (0, 0, 0)


def test_down_stands_in_line_where_there_is_no_bulk():
    outbox = Outbox()
    cast(outbox, 1)
    outbox.append(b"d", m.DOWN, None)
    cast(outbox, 2)
    assert take(outbox) == [1, "Down", 2]


def test_down_goes_where_what_it_waited_for_is_removed():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    outbox.append(b"d", m.DOWN, None)
    outbox.remove(lambda item: item[1] == m.CAST)
    assert take(outbox) == ["Down"]


# Tickets and taking back.


def test_a_large_one_can_be_taken_back_before_it_is_begun():
    outbox = Outbox()
    ticket = cast(outbox, "large", size=LARGE)
    assert outbox.withdraw(ticket)
    assert (len(outbox), outbox.bulk_bytes, outbox.bulk) == (0, 0, None)
    assert not outbox.withdraw(ticket)


def test_the_receiver_is_told_of_one_that_is_taken_back_half_sent():
    outbox = Outbox()
    ticket = cast(outbox, "large", size=LARGE)
    take(outbox)
    assert outbox.withdraw(ticket)
    entries, _ = outbox.take(MOST_WHOLE, ANY)
    assert [msgpack.unpackb(item[0]) for item in entries] == [
        [m.FRAGMENT, -ticket, m.TAKEN_BACK, b""]
    ]
    assert take(outbox) == []


def test_a_large_one_has_left_when_all_of_it_has():
    outbox = Outbox()
    ticket = cast(outbox, "large", size=LARGE)
    seen = []
    for _ in range(3):
        seen.append(outbox.has_left(ticket))
        take(outbox)
    assert [*seen, outbox.has_left(ticket)] == [False, False, False, True]
    assert not outbox.withdraw(ticket)


def test_tickets_of_the_line_tell_the_same():
    outbox = Outbox()
    tickets = [cast(outbox, n) for n in range(2)]
    take(outbox, max_records=1)
    assert [outbox.has_left(ticket) for ticket in tickets] == [True, False]


def test_both_lanes_are_iterated_and_removed_from():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    cast(outbox, 1)
    cast(outbox, 2, "other")
    outbox.append_control(b"c", m.CHOKE)
    assert {item.about for item in outbox} == {None, "large", 1, 2}
    removed = outbox.remove(lambda item: item[1] == m.CAST)
    assert {item.about for item in removed} == {"large", 1, 2}
    assert (len(outbox), outbox.bytes, outbox.bulk_bytes) == (1, 1, 0)


def test_starting_anew_counts_the_bytes_again_and_forgets_what_was_taken_back():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    other = cast(outbox, "other", "other", size=LARGE)
    take(outbox)
    take(outbox)
    outbox.withdraw(other)
    outbox.start_anew()
    assert (outbox.bytes, outbox.bulk_bytes) == (0, LARGE)
    assert take_all(outbox) == [["Fragment"], ["Fragment"], ["large"]]


# Bounds.


def test_the_oldest_cast_is_dropped_whatever_its_lane():
    outbox = Outbox()
    cast(outbox, 1)
    cast(outbox, "large", size=LARGE)
    cast(outbox, 2, "other")
    dropped = [outbox.drop_oldest_cast().about for _ in range(3)]
    assert dropped == [1, "large", 2]
    assert (outbox.dropped, len(outbox), outbox.bulk_bytes) == (3, 0, 0)


def test_what_is_half_sent_is_not_dropped():
    outbox = Outbox()
    cast(outbox, "large", size=LARGE)
    take(outbox)
    assert outbox.drop_oldest_cast() is None


def test_what_may_be_under_way_follows_what_the_peer_says():
    outbox = Outbox()
    cast(outbox, "a", "a", size=LARGE)
    cast(outbox, "b", "b", size=LARGE)
    outbox.most_under_way = LARGE
    cast(outbox, "c", "c", size=LARGE)
    frames = [take(outbox) for _ in range(6)]
    # Both were begun before the peer said so.
    assert frames[-2:] == [["a"], ["b"]]


@pytest.mark.parametrize("leave", ["take", "withdraw", "remove", "drop"])
def test_who_waits_for_room_is_told_of_bulk_too(leave):
    outbox = Outbox()
    ticket = cast(outbox, "large", size=LARGE)
    told = []
    outbox.on_room = lambda: told.append(outbox.bulk_bytes)
    {
        "take": lambda: take(outbox),
        "withdraw": lambda: outbox.withdraw(ticket),
        "remove": lambda: outbox.remove(bool),
        "drop": outbox.drop_oldest_cast,
    }[leave]()
    assert told[-1] < LARGE
