"""Concurrent handlers are bounded as a mailbox is, whoever sends."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import MailboxFull, RemoteFault
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.waiting import until


class Slow(GenServer):
    """Works on everything at once, until told to go on."""

    mailbox = 8

    def __init__(self):
        self.done = 0
        self.gate = trio.Event()

    @cast(concurrent=True)
    async def work(self, data=None):
        await self.gate.wait()
        self.done += 1

    @call(concurrent=True)
    async def ask(self, value):
        await self.gate.wait()
        return value

    @call(concurrent=True)
    async def wait(self, seconds):
        await trio.sleep(seconds)

    @call(concurrent=True)
    async def crash(self):
        await self.gate.wait()
        raise ValueError("beside")

    @call
    async def ping(self):
        return "pong"


def running(node):
    return len(node._runtime.local("x").beside)


def server(node):
    return node._runtime.local("x").server


@virtual
async def test_concurrent_handlers_that_run_make_remote_senders_wait():
    async with pair(actors={"x": Slow}) as (a, b):
        sent = []

        async def send():
            for number in range(100):
                await a.cast("x@b", "work")
                sent.append(number)
                await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(4)
            assert 8 <= running(b) <= 16
            assert len(sent) <= 16
            assert "x" in a.kernel.peers["b"].choked
            server(b).gate.set()
        await until(lambda: server(b).done == 100)
        assert a.statistics().refused == {}
        assert "x" not in a.kernel.peers["b"].choked


@virtual
async def test_what_comes_beyond_twice_the_mark_is_refused():
    async with pair(actors={"x": Slow}) as (a, b):
        for _ in range(40):
            a.cast_nowait("x@b", "work")
        await trio.sleep(4)
        assert running(b) == 16
        assert statistics_of(b, "x").dropped == 24
        assert a.statistics().refused == {"b": 24}


@virtual
async def test_a_local_sender_waits_until_half_of_the_handlers_have_ended():
    async with alone() as node:
        ref = await node.start("x", Slow)
        for _ in range(8):
            await ref.cast(Slow.work)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(MailboxFull):
            ref.cast_nowait(Slow.work)
        with pytest.raises(MailboxFull):
            await ref.call(Slow.ping)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.cast, Slow.work)
            await trio.sleep(1)
            assert running(node) == 8
            server(node).gate.set()
        await until(lambda: server(node).done == 9)
        assert await ref.call(Slow.ping) == "pong"


@virtual
async def test_the_arguments_of_concurrent_handlers_count_while_they_run():
    class Wide(Slow):
        mailbox = 1000

    async with pair(actors={"x": Wide}, config={"mailbox_bytes": 100_000}) as (a, b):
        for _ in range(20):
            a.cast_nowait("x@b", "work", bytes(20_000))
        await trio.sleep(4)
        assert running(b) < 20
        server(b).gate.set()
        await trio.sleep(1)
        assert b._runtime.local("x").mailbox.bytes == 0


@virtual
async def test_calls_beyond_the_bound_are_answered_at_once():
    async with pair(actors={"x": Slow}) as (a, b):
        outcomes = []

        async def ask(number):
            try:
                outcomes.append(await a.call("x@b", "ask", number, timeout=100))
            except MailboxFull:
                outcomes.append("full")

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(ask, number)
            await trio.sleep(4)
            assert outcomes == ["full"] * 84
            server(b).gate.set()
        assert len(outcomes) == 100


@virtual
async def test_a_handler_given_up_by_its_caller_makes_room():
    async with alone() as node:
        ref = await node.start("x", Slow)
        for _ in range(20):
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(ref.call, Slow.wait, 1000)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
        assert await ref.call(Slow.ping) == "pong"


@virtual
async def test_a_life_after_a_crash_of_a_concurrent_handler_begins_with_all_room():
    async with alone() as node:
        ref = await node.start("x", Slow)
        for _ in range(7):
            await ref.cast(Slow.work)
        async with trio.open_nursery() as nursery:

            async def crash():
                with pytest.raises(RemoteFault):
                    await ref.call(Slow.crash)

            nursery.start_soon(crash)
            await trio.sleep(1)
            server(node).gate.set()
        await trio.sleep(1)
        for _ in range(8):
            ref.cast_nowait(Slow.work)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(MailboxFull):
            ref.cast_nowait(Slow.work)
