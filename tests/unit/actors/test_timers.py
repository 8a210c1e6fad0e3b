"""Timers: they come in time, once, and to the life that set them."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import (
    ConfigError,
    MailboxFull,
)
from tests.unit.nodes import alone, statistics_of, virtual
from tests.waiting import until


@virtual
async def test_a_timer_comes_to_handle_info():
    class Timed(GenServer):
        def __init__(self, times):
            self.times = times

        async def init(self):
            self.send_after(2, "two")
            self.send_after(1, "one")

        async def handle_info(self, message):
            self.times.append((message, trio.current_time()))

    async with alone() as node:
        times = []
        began = trio.current_time()
        await node.start("timed", Timed, times)
        await until(lambda: len(times) == 2)
        assert [name for name, _ in times] == ["one", "two"]
        assert [at - began for _, at in times] == pytest.approx([1, 2])


@virtual
async def test_a_timer_taken_back_does_not_come():
    class Timed(GenServer):
        def __init__(self):
            self.got = []

        async def init(self):
            self.send_after(1, "never")()
            self.send_after(2, "second")

        async def handle_info(self, message):
            self.got.append(message)

        @call
        async def read(self):
            return self.got

    async with alone() as node:
        ref = await node.start("timed", Timed)
        await trio.sleep(3)
        assert await ref.call(Timed.read) == ["second"]


@virtual
async def test_a_timer_dies_with_the_life_it_was_set_in():
    class Timed(GenServer):
        lives = 0

        async def init(self):
            Timed.lives += 1
            if Timed.lives == 1:
                self.send_after(5, "of the first life")

        async def handle_info(self, message):
            raise AssertionError(message)

        @cast
        async def crash(self):
            raise ValueError

    async with alone() as node:
        ref = await node.start("timed", Timed)
        await ref.cast(Timed.crash)
        await trio.sleep(10)
        assert statistics_of(node, "timed").restarts == 1


@virtual
async def test_a_timer_of_an_actor_that_ended_leaves_no_task():
    class Timed(GenServer):
        async def init(self):
            self.send_after(1e6, "much later")

    async with alone() as node:
        await trio.testing.wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(5):
            await node.start("timed", Timed)
            await node.stop("timed")
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.parametrize("seconds", [-1, float("nan")])
@virtual
async def test_a_timer_in_the_past_is_refused_where_it_is_set(seconds):
    class Timed(GenServer):
        @call
        async def set(self, seconds):
            with pytest.raises(ConfigError):
                self.send_after(seconds, "x")

    async with alone() as node:
        ref = await node.start("timed", Timed)
        await ref.call(Timed.set, seconds)
        await trio.sleep(1)
        assert await node.call("timed", "set", seconds) is None


@virtual
async def test_timers_that_wait_take_no_room_from_senders():
    class Timed(GenServer):
        mailbox = 4

        def __init__(self):
            self.got = []

        async def init(self):
            for number in range(50):
                self.send_after(1, number)

        async def handle_info(self, message):
            self.got.append(message)

        @cast
        async def put(self, value):
            self.got.append(value)

    async with alone() as node:
        ref = await node.start("x", Timed)
        node.pause("x")
        await trio.sleep(2)
        for letter in "abcd":
            ref.cast_nowait(Timed.put, letter)
        with pytest.raises(MailboxFull):
            ref.cast_nowait(Timed.put, "e")
        node.resume("x")
        server = node._runtime.local("x").server
        await until(lambda: len(server.got) == 54)
        for letter in "abcd":
            ref.cast_nowait(Timed.put, letter)
        with pytest.raises(MailboxFull):
            ref.cast_nowait(Timed.put, "e")
