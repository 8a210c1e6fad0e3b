"""Nodes in processes of their own: killed, frozen, restarted, asked to end."""

from __future__ import annotations

import signal

import pytest
import trio

from clusterkit.errors import NodeDown
from clusterkit.events import LinkDown, Undelivered
from tests.waiting import until

from .nodes import running
from .processes import process

FAST = {"ping_after": 0.1, "dead_after": 0.3, "down_after": 0.3}


async def test_a_node_killed_during_a_call_is_node_down_before_the_timeout():
    async with process("b") as b, running("a", config=FAST) as a:
        await a.kernel.connect(b.address)
        pid = await a.call("worker@b", "pid")
        assert pid == b.process.pid
        async with trio.open_nursery() as nursery:
            errors = []

            async def ask():
                with pytest.raises(NodeDown) as caught:
                    await a.call("worker@b", "hang", timeout=60)
                errors.append(caught.value.outcome)

            for _ in range(3):
                nursery.start_soon(ask)
            await until(lambda: a.statistics().pending_calls == 3)
            await until(lambda: a.kernel.links()[0].unacked == 0)
            b.process.kill()
        assert errors == ["unknown"] * 3


async def test_a_frozen_process_is_dead_and_resumes_where_it_was():
    async with process("b") as b, running("a", config=FAST) as a:
        await a.kernel.connect(b.address)
        b.process.send_signal(signal.SIGSTOP)
        async with a.events(LinkDown) as events:
            for i in range(10):
                await a.cast("worker@b", "put", i)
            with trio.fail_after(10):
                assert await anext(events) == LinkDown("b", "dead")
        b.process.send_signal(signal.SIGCONT)
        await a.kernel.connect(b.address)
        assert await a.call("worker@b", "read") == list(range(10))


async def test_a_restarted_process_gets_what_was_never_sent():
    async with running("a", config=FAST) as a, a.events(Undelivered) as events:
        async with process("b") as b:
            await a.kernel.connect(b.address)
            b.process.send_signal(signal.SIGSTOP)
            for i in range(5):
                await a.cast("worker@b", "put", f"sent {i}")
            await until(lambda: a.kernel.links()[0].unacked == 5)
            await b.end(signal.SIGKILL)
        await until(lambda: not a.kernel.is_connected("b"))
        for i in range(10):
            await a.cast("worker@b", "put", i)
        async with process("b", b.port):
            await a.kernel.connect(b.address)
            assert await a.call("worker@b", "read") == list(range(10))
        with trio.fail_after(5):
            assert await anext(events) == Undelivered("b", "worker", 5)


async def test_a_terminated_process_ends_its_actors_and_says_bye():
    async with process("b") as b, running("a", config=FAST) as a:
        await a.kernel.connect(b.address)
        for i in range(100):
            await a.cast("worker@b", "put", i)
        await a.call("worker@b", "read")
        async with a.events(LinkDown) as events:
            await b.end(signal.SIGTERM)
            with trio.fail_after(5):
                assert await anext(events) == LinkDown("b", "bye")
        assert [await b.line(), await b.line()] == ["terminated shutdown", "ended"]
        assert b.process.returncode == 0


async def test_a_second_signal_ends_a_process_that_hangs_in_its_shutdown():
    async with process("b") as b, running("a", config=FAST) as a:
        await a.kernel.connect(b.address)
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(NodeDown):
                    await a.call("worker@b", "hang", timeout=60)

            nursery.start_soon(ask)
            await until(lambda: a.statistics().pending_calls == 1)
            await until(lambda: a.kernel.links()[0].unacked == 0)
            b.process.send_signal(signal.SIGTERM)
            with trio.fail_after(60):
                while not await refused(b.port):  # then the first was heard
                    await trio.sleep(0.01)
            b.process.send_signal(signal.SIGINT)
            assert await b.process.wait() == 1


async def refused(port):
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return True
    await stream.aclose()
    return False
