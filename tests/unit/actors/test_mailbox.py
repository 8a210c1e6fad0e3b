"""A mailbox: its marks, who waits for them, and that it never loses a message."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace

import pytest
import trio
from hypothesis import given, strategies as st

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


def test_clear_counts_the_casts_and_the_calls_that_nobody_waits_for(origin):
    mailbox = filled(Mailbox(8, 100), 3, size=10)
    mailbox.put(call_item(origin, 1))
    mailbox.put(call_item(origin, 2, waits=False))
    assert mailbox.clear() == (3, 1)
    assert (len(mailbox.queue), mailbox.bytes) == (0, 0)
    mailbox.put(item())
    assert len(mailbox.queue) == 1


def test_clear_of_a_mailbox_that_was_never_used_counts_nothing():
    assert Mailbox(8, 100).clear() == (0, 0)


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


def names(mailbox):
    return [record[m.EVENT] for record, *_ in mailbox.queue]


def test_the_oldest_cast_is_the_one_that_goes(origin):
    mailbox = Mailbox(8, 100)
    mailbox.put(call_item(origin, 1))
    for name in "abc":
        mailbox.put(item(name, size=10))
    dropped = [mailbox.drop_oldest_cast()[0][m.EVENT] for _ in "ab"]
    assert dropped == ["a", "b"]
    assert (names(mailbox), mailbox.bytes) == (["x", "c"], 10)


def test_no_cast_goes_where_there_is_none(origin):
    mailbox = Mailbox(8, 100)
    assert mailbox.drop_oldest_cast() is None
    mailbox.put(call_item(origin, 1))
    mailbox.put_own([0, "info"])
    assert mailbox.drop_oldest_cast() is None
    assert len(mailbox.queue) == 2


@given(
    st.lists(st.sampled_from(["call", "cast", "take", "drop", "purge"]), max_size=60)
)
def test_whatever_happens_in_between_the_oldest_cast_goes(steps):
    origin = SimpleNamespace(open_calls={})
    mailbox = Mailbox(1000, 1000)
    for number, step in enumerate(steps):
        if step == "call":
            mailbox.put(call_item(origin, number))
        elif step == "cast":
            mailbox.put(item(str(number)))
        elif step == "take" and mailbox.queue:
            mailbox.queue.popleft()
        elif step == "purge":
            if origin.open_calls:
                origin.open_calls.popitem()
                mailbox.abandoned += 1
            mailbox.purge()
        elif step == "drop":
            casts = [i for i in mailbox.queue if i[0][m.KIND] == m.CAST]
            expected = [i for i in mailbox.queue if i not in casts[:1]]
            dropped = mailbox.drop_oldest_cast()
            assert dropped is (casts[0] if casts else None)
            assert list(mailbox.queue) == expected


def test_a_mailbox_under_pressure_is_not_looked_through_again_for_each_cast(origin):
    """Else a mailbox full of calls would cost a look at each for every cast."""
    mailbox, looks = Mailbox(8, 100), []

    class Seen(list):
        def __getitem__(self, index):
            looks.append(1)
            return super().__getitem__(index)

    for number in range(1000):
        record, *rest = call_item(origin, number)
        mailbox.put((Seen(record), *rest))
    for _ in range(1000):
        mailbox.put(item())
        mailbox.queue.popleft()
        mailbox.put(call_item(origin, 1))
        mailbox.drop_oldest_cast()
    assert len(looks) <= 1000


def test_what_is_remembered_of_a_pressure_goes_with_it(origin):
    mailbox = Mailbox(8, 100)
    mailbox.put(call_item(origin, 1))
    mailbox.drop_oldest_cast()
    assert mailbox.waited_for
    mailbox.queue.clear()
    mailbox.release()
    assert mailbox._ahead is None
