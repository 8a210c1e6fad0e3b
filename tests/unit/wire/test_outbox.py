"""The outbox keeps order, counts what it holds, and gives back what was not sent."""

from __future__ import annotations

import pytest

from clusterkit.wire import messages as m
from clusterkit.wire.outbox import GOES_ON, Outbox

from .playbook import entry

ANY = 10**9


def filled(*entries):
    outbox = Outbox()
    for item in entries:
        outbox.append(*item)
    return outbox


def numbers(entries):
    return [about for _, _, about in entries]


def take_all(outbox):
    return numbers(outbox.take(ANY, ANY)[0])


def test_entries_leave_in_the_order_they_came():
    outbox = filled(entry(1), entry(2), entry(3))
    assert outbox.take(ANY, ANY) == ([entry(1), entry(2), entry(3)], 30)


def test_it_counts_messages_and_bytes():
    outbox = filled(entry(1, size=5), entry(2, size=7))
    assert (len(outbox), outbox.bytes) == (2, 12)


def test_it_is_empty_when_all_is_taken():
    outbox = filled(entry(1), entry(2))
    outbox.take(ANY, ANY)
    assert (len(outbox), outbox.bytes, outbox.take(ANY, ANY)) == (0, 0, ([], 0))


@pytest.mark.parametrize(
    ("max_bytes", "max_records", "expected"),
    [
        (30, 3, [1, 2, 3]),
        (29, 3, [1, 2]),
        (20, 3, [1, 2]),
        (30, 2, [1, 2]),
        (10, 3, [1]),
        (1, 3, [1]),
        (30, 0, []),
    ],
)
def test_a_frame_takes_what_fits_and_at_least_one(max_bytes, max_records, expected):
    outbox = filled(entry(1), entry(2), entry(3))
    entries, size = outbox.take(max_bytes, max_records)
    assert numbers(entries) == expected
    assert (size, outbox.bytes) == (10 * len(expected), 30 - 10 * len(expected))
    assert take_all(outbox) == [n for n in (1, 2, 3) if n not in expected]


# Tickets.


def test_tickets_count_from_one_for_ever():
    outbox = Outbox()
    assert [outbox.append(*entry(n)) for n in range(3)] == [1, 2, 3]
    outbox.take(ANY, ANY)
    assert outbox.append(*entry(4)) == 4


@pytest.mark.parametrize("ticket", [1, 2, 3])
def test_an_unsent_entry_can_be_withdrawn(ticket):
    outbox = filled(entry(1), entry(2), entry(3))
    assert outbox.withdraw(ticket)
    assert (len(outbox), outbox.bytes) == (2, 20)
    assert take_all(outbox) == [n for n in (1, 2, 3) if n != ticket]


@pytest.mark.parametrize(
    "order", [(1, 2), (2, 1), (2, 3), (3, 2), (1, 2, 3), (3, 2, 1)]
)
def test_tickets_still_fit_after_others_were_withdrawn(order):
    outbox = filled(*[entry(n) for n in (1, 2, 3, 4)])
    for ticket in order:
        assert outbox.withdraw(ticket)
    assert take_all(outbox) == [n for n in (1, 2, 3, 4) if n not in order]


def test_an_entry_is_withdrawn_once():
    outbox = filled(entry(1), entry(2), entry(3))
    assert outbox.withdraw(2)
    assert not outbox.withdraw(2)
    assert (len(outbox), outbox.bytes) == (2, 20)


def test_a_sent_entry_cannot_be_withdrawn():
    outbox = filled(entry(1), entry(2))
    outbox.take(ANY, 1)
    assert not outbox.withdraw(1)
    assert outbox.withdraw(2)


def test_no_ticket_is_nobodys():
    assert not filled(entry(1)).withdraw(0)


def test_a_withdrawn_entry_is_skipped_by_a_frame_and_costs_it_no_place():
    outbox = filled(*[entry(n) for n in (1, 2, 3, 4)])
    outbox.withdraw(2)
    entries, size = outbox.take(ANY, 2)
    assert (numbers(entries), size, outbox.taken) == ([1, 3], 20, 3)


def test_taken_tells_which_tickets_have_left():
    outbox = filled(*[entry(n) for n in (1, 2, 3, 4)])
    outbox.take(ANY, 2)
    assert (outbox.taken, len(outbox.queue)) == (2, 2)
    outbox.withdraw(4)
    outbox.take(ANY, ANY)
    assert (outbox.taken, len(outbox.queue)) == (4, 0)


def test_withdrawing_everything_leaves_an_empty_outbox():
    outbox = filled(entry(1), entry(2))
    outbox.withdraw(2)
    outbox.withdraw(1)
    assert (len(outbox), outbox.bytes, outbox.taken) == (0, 0, 2)
    assert outbox.append(*entry(3)) == 3
    assert take_all(outbox) == [3]


# Removing.


def test_unwanted_entries_are_removed_and_returned_in_order():
    kinds = [m.CALL, m.CAST, m.REPLY, m.CALL]
    outbox = filled(*[entry(n, kind) for n, kind in enumerate(kinds)])
    removed = outbox.remove(lambda item: item[1] == m.CALL)
    assert removed == [entry(0, m.CALL), entry(3, m.CALL)]
    assert [item.kind for item in removed] == [m.CALL, m.CALL]
    assert (len(outbox), outbox.bytes) == (2, 20)
    assert take_all(outbox) == [1, 2]


def test_what_was_withdrawn_is_not_removed_again():
    outbox = filled(entry(1), entry(2), entry(3))
    outbox.withdraw(2)
    assert numbers(outbox.remove(bool)) == [1, 3]
    assert (len(outbox), outbox.bytes) == (0, 0)


def test_what_goes_on_to_a_restarted_peer_are_questions_and_not_answers():
    assert {m.CALL, m.CAST, m.MONITOR} == GOES_ON


# Dropping the oldest.


def test_the_oldest_cast_is_dropped_and_counted():
    outbox = filled(entry(1, m.CALL), entry(2), entry(3))
    assert outbox.drop_oldest_cast() == entry(2)
    assert (outbox.dropped, len(outbox), outbox.bytes) == (1, 2, 20)
    assert take_all(outbox) == [1, 3]


def test_nothing_but_casts_is_dropped():
    outbox = filled(entry(1, m.CALL), entry(2, m.REPLY))
    assert outbox.drop_oldest_cast() is None
    assert (outbox.dropped, len(outbox)) == (0, 2)


def test_dropping_one_for_each_new_one_keeps_the_newest():
    # Reference system, L3: 1,031 casts into 1,024 places.
    outbox = Outbox()
    for n in range(1_031):
        if len(outbox) >= 1_024:
            outbox.drop_oldest_cast()
        outbox.append(*entry(n))
    assert outbox.dropped == 7
    assert take_all(outbox) == list(range(7, 1_031))


# Telling who waits for room.

LEAVE = {
    "take": lambda outbox: outbox.take(ANY, ANY),
    "take some": lambda outbox: outbox.take(ANY, 1),
    "withdraw": lambda outbox: outbox.withdraw(1),
    "remove": lambda outbox: outbox.remove(bool),
    "drop": lambda outbox: outbox.drop_oldest_cast(),
}


@pytest.mark.parametrize("leave", LEAVE.values(), ids=LEAVE)
def test_who_waits_for_room_is_told_after_entries_have_left(leave):
    outbox = filled(entry(1), entry(2))
    seen = []
    outbox.on_room = lambda: seen.append((len(outbox), outbox.bytes))
    leave(outbox)
    assert seen == [(len(outbox), outbox.bytes)]
    assert outbox.bytes < 20


def test_who_no_longer_waits_is_not_told():
    outbox = filled(entry(1))
    outbox.on_room = lambda: pytest.fail("told")
    outbox.on_room = None
    outbox.take(ANY, ANY)


def test_nobody_is_told_when_there_was_nothing_to_withdraw():
    outbox = filled(entry(1))
    outbox.take(ANY, ANY)
    outbox.on_room = lambda: pytest.fail("told")
    outbox.withdraw(1)
