"""Full mailboxes on another node: their senders are choked in time."""

from __future__ import annotations

from collections import deque

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.errors import (
    CallTimeout,
    MailboxFull,
)
from clusterkit.events import Refused
from tests.unit.nodes import hearing, pair, statistics_of, virtual
from tests.unit.servers import Sink, SmallSink
from tests.waiting import until


@virtual
async def test_a_paused_actor_chokes_its_senders_and_loses_nothing():
    async with pair(actors={"sink": Sink}) as (a, b):
        b.pause("sink")
        sent = []

        async def send():
            for i in range(50_000):
                await a.cast("sink@b", "put", i)
                sent.append(i)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(3)
            assert 8192 <= len(sent) < 16384
            assert "sink" in a.kernel.peers["b"].choked
            b.resume("sink")
        assert await a.call("sink@b", "read", timeout=100) == list(range(50_000))
        assert a.statistics().refused == {}
        assert statistics_of(b, "sink").dropped == 0


@virtual
async def test_casts_as_small_as_can_be_are_choked_in_time_too():
    class S(GenServer):
        n = 0

        @cast
        async def p(self):
            self.n += 1

        @call
        async def read(self):
            return self.n

    async with pair(actors={"s": S}) as (a, b):
        b.pause("s")
        async with trio.open_nursery() as nursery:

            async def send():
                for _ in range(50_000):
                    await a.cast("s@b", "p")

            nursery.start_soon(send)
            await trio.sleep(3)
            b.resume("s")
        assert await a.call("s@b", "read", timeout=100) == 50_000
        assert a.statistics().refused == {}


@virtual
async def test_a_choked_actor_refuses_what_cannot_wait():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        b.pause("sink")
        for i in range(9):
            a.cast_nowait("sink@b", "put", i)
        await trio.sleep(0.1)
        with pytest.raises(MailboxFull):
            a.cast_nowait("sink@b", "put", 9)
        with pytest.raises(MailboxFull):
            await a.call("sink@b", "read")
        began = trio.current_time()
        with pytest.raises(MailboxFull):
            await a.cast("sink@b", "put", 9)
        assert trio.current_time() - began == pytest.approx(5)
        b.resume("sink")
        await trio.sleep(0.1)
        assert await a.call("sink@b", "read") == list(range(9))


@virtual
async def test_other_actors_of_a_node_are_not_choked_with_one():
    async with pair(actors={"sink": SmallSink, "other": SmallSink}) as (a, b):
        b.pause("sink")
        for i in range(9):
            a.cast_nowait("sink@b", "put", i)
        await trio.sleep(0.1)
        assert await a.call("other@b", "echo", 1) == 1
        await a.cast("other@b", "put", 2)
        assert await a.call("other@b", "read") == [2]


@virtual
async def test_a_call_at_twice_the_mark_is_answered_busy():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        b.pause("sink")
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(MailboxFull):
                    await a.call("sink@b", "read")
                refused.append(1)

            refused = []
            for i in range(16):
                a.cast_nowait("sink@b", "put", i)
            # All in one frame: the Choke comes too late for it.
            for _ in range(3):
                nursery.start_soon(ask)
        assert len(refused) == 3
        assert statistics_of(b, "sink").mailbox == 16


@virtual
async def test_casts_at_twice_the_mark_are_refused_counted_and_told():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        b.pause("sink")
        async with hearing(a, Refused) as heard:
            for i in range(20):
                a.cast_nowait("sink@b", "put", i)
            await trio.sleep(3)
        assert heard == [Refused("b", "sink", 4)]
        assert a.statistics().refused == {"b": 4}
        assert statistics_of(b, "sink").dropped == 4
        b.resume("sink")
        await trio.sleep(0.1)
        assert await a.call("sink@b", "read") == list(range(16))


@virtual
async def test_a_mailbox_counts_bytes_too():
    config = {"mailbox_bytes": 10_000}
    async with pair(actors={"sink": Sink}, config=config) as (a, b):
        b.pause("sink")
        for _ in range(12):
            a.cast_nowait("sink@b", "put", b"x" * 1000)
        await trio.sleep(0.1)
        assert "sink" in a.kernel.peers["b"].choked
        b.resume("sink")
        await trio.sleep(0.1)
        assert not a.kernel.peers["b"].choked


@virtual
async def test_a_choke_does_not_outlive_the_conversation_it_was_said_in():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        b.pause("sink")
        for i in range(9):
            a.cast_nowait("sink@b", "put", i)
        await until(lambda: "sink" in a.kernel.peers["b"].choked)
        b.kernel.drop(b.kernel.peers["a"], "for the test")
        await until(lambda: a.kernel.links()[0].reconnects == 1)
        assert not a.kernel.peers["b"].choked
        a.cast_nowait("sink@b", "put", 9)
        await until(lambda: "sink" in a.kernel.peers["b"].choked)
        b.resume("sink")
        await until(lambda: not a.kernel.peers["b"].choked)


@virtual
async def test_more_unanswered_calls_than_a_peer_may_have_are_answered_busy():
    class Deferred(GenServer):
        @call
        async def ask(self):
            return later()

    async with pair(actors={"x": Deferred}, config={"inbound_calls": 10}) as (a, _):
        async with trio.open_nursery() as nursery:
            ended = deque()

            async def ask():
                try:
                    await a.call("x@b", "ask", timeout=2)
                except (MailboxFull, CallTimeout) as error:
                    ended.append(type(error))

            for _ in range(12):
                nursery.start_soon(ask)
        assert sorted(ended, key=str) == [CallTimeout] * 10 + [MailboxFull] * 2
