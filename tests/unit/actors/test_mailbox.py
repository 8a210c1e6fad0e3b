"""A mailbox: its marks, who waits for them, and that it never loses a message."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace

import pytest
import trio

from clusterkit.actors.mailbox import Mailbox, abandoned
from clusterkit.wire import messages as m


def item(name="x", size=0):
    return [m.CAST, "actor", name, [], None], None, size, inf


def call_item(origin, number, *, waits=True):
    record = [m.CALL, "actor", "x", [], None, number, 0]
    if waits:
        origin.open_calls[number] = record
    return record, origin, 0, inf


@pytest.fixture
def origin():
    return SimpleNamespace(open_calls={})


def filled(mailbox, count, size=0):
    for _ in range(count):
        mailbox.put(item(size=size))
    return mailbox


def state(mailbox):
    return mailbox.relaxed, mailbox.full, mailbox.overfull


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, (True, False, False)),
        (4, (True, False, False)),
        (5, (False, False, False)),
        (8, (False, True, False)),
        (15, (False, True, False)),
        (16, (False, True, True)),
    ],
)
def test_the_marks_count_messages(count, expected):
    assert state(filled(Mailbox(8, 1000), count)) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (50, (True, False, False)),
        (51, (False, False, False)),
        (100, (False, True, False)),
        (200, (False, True, True)),
    ],
)
def test_the_marks_count_bytes(size, expected):
    assert state(filled(Mailbox(8, 100), 1, size)) == expected


def test_what_is_put_in_before_the_actor_runs_is_there_when_it_does():
    mailbox = filled(Mailbox(8, 100), 3)
    assert len(mailbox.queue) == 3


async def test_a_parked_actor_is_woken_by_a_message():
    mailbox, seen = Mailbox(8, 100), []

    async def actor():
        await mailbox.park(trio.lowlevel.current_task())
        seen.extend(mailbox.queue)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor)
        await trio.testing.wait_all_tasks_blocked()
        mailbox.put(item("one"))
        mailbox.put(item("two"))
    assert [record[2] for record, *_ in seen] == ["one", "two"]


async def test_a_parked_actor_is_woken_by_a_change():
    mailbox = Mailbox(8, 100)

    async def actor():
        await mailbox.park(trio.lowlevel.current_task())
        assert not mailbox.queue

    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor)
        await trio.testing.wait_all_tasks_blocked()
        mailbox.wake()
        mailbox.wake()


async def test_a_mailbox_whose_actor_was_cancelled_still_takes_messages():
    mailbox = Mailbox(8, 100)
    with trio.move_on_after(0):
        await mailbox.park(trio.lowlevel.current_task())
    mailbox.put(item("late"))
    assert len(mailbox.queue) == 1


async def test_a_paused_actor_keeps_its_messages_while_it_is_parked():
    mailbox = filled(Mailbox(8, 100), 2)
    with trio.move_on_after(0):
        await mailbox.park(trio.lowlevel.current_task())
    assert len(mailbox.queue) == 2
    mailbox.put(item())
    assert len(mailbox.queue) == 3


def test_waking_an_actor_that_runs_loses_nothing():
    mailbox = filled(Mailbox(8, 100), 1)
    queue = mailbox.queue
    queue.clear()
    mailbox.wake()
    mailbox.put(item())
    assert mailbox.queue is queue


def test_clear_counts_the_casts(origin):
    mailbox = filled(Mailbox(8, 100), 3, size=10)
    mailbox.put(call_item(origin, 1))
    assert mailbox.clear() == 3
    assert (len(mailbox.queue), mailbox.bytes) == (0, 0)
    mailbox.put(item())
    assert len(mailbox.queue) == 1


def test_clear_of_a_mailbox_that_was_never_used_counts_nothing():
    assert Mailbox(8, 100).clear() == 0


def test_purge_forgets_calls_that_nobody_waits_for(origin):
    mailbox = filled(Mailbox(8, 100), 1, size=10)
    for number in range(4):
        mailbox.put(call_item(origin, number, waits=number % 2 == 0))
    mailbox.purge()
    assert len(mailbox.queue) == 5  # nobody has said that any gave up
    mailbox.abandoned = 2
    mailbox.purge()
    assert [record[0] for record, *_ in mailbox.queue] == [m.CAST, m.CALL, m.CALL]
    assert mailbox.bytes == 10


def test_a_call_is_abandoned_when_another_took_its_number(origin):
    record, *_ = call_item(origin, 1)
    assert not abandoned(record, origin)
    call_item(origin, 1)
    assert abandoned(record, origin)


def test_a_peer_is_told_once_per_conversation_to_wait():
    mailbox = Mailbox(8, 100)
    assert [mailbox.choke("peer", 1) for _ in range(3)] == [True, False, False]
    assert mailbox.choke("peer", 2)
    assert mailbox.choke("other", 1)
    assert mailbox.waited_for
    assert mailbox.release() == ["peer", "other"]
    assert not mailbox.waited_for
    assert mailbox.release() == []


async def test_those_who_wait_for_room_are_let_go_together():
    mailbox = Mailbox(8, 100)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(mailbox.room)
        await trio.testing.wait_all_tasks_blocked()
        assert mailbox.waited_for
        assert mailbox.release() == []


def test_what_never_left_the_process_does_not_count():
    mailbox = filled(Mailbox(8, 100), 7)
    for _ in range(100):
        mailbox.put_own([0, "a timer"])
    assert state(mailbox) == (False, False, False)
    assert state(filled(mailbox, 1)) == (False, True, False)
    assert state(filled(mailbox, 8)) == (False, True, True)
    mailbox.clear()
    assert state(filled(mailbox, 8)) == (False, True, False)


def test_what_is_being_worked_on_counts():
    mailbox = Mailbox(8, 100)
    for _ in range(8):
        mailbox.begin(10)
    assert state(mailbox) == (False, True, False)
    for _ in range(4):
        mailbox.end(10)
    assert state(mailbox) == (True, False, False)
    filled(mailbox, 12)
    assert state(mailbox) == (False, True, True)


def test_purging_leaves_what_is_being_worked_on_counted(origin):
    mailbox = Mailbox(8, 100)
    mailbox.begin(60)
    gone = call_item(origin, 1, waits=False)
    mailbox.put((*gone[:2], 30, inf))
    mailbox.abandoned = 1
    mailbox.purge()
    assert mailbox.bytes == 60
