"""Full outboxes: who waits, who is refused, and what is dropped."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, later
from clusterkit.errors import (
    CallTimeout,
    MailboxFull,
    NodeDown,
    OutboxFull,
)
from tests.unit.nodes import cut_off, link_of, pair, statistics_of, virtual
from tests.unit.servers import Sink, SmallSink
from tests.waiting import until


@virtual
async def test_casts_to_a_node_that_is_away_wait_for_it():
    async with pair(actors={"sink": Sink}) as (a, b):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        await trio.sleep(20)
        for i in range(10):
            await a.cast("sink@b", "put", i)
        a.network.heal()
        await until(lambda: statistics_of(b, "sink").handled == 10)
        assert await a.call("sink@b", "read") == list(range(10))


@virtual
async def test_a_call_to_a_node_that_is_down_fails_at_once():
    async with pair(actors={"sink": SmallSink}) as (a, _):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        await until(lambda: a.kernel.links()[0].state == "down")
        began = trio.current_time()
        with pytest.raises(NodeDown) as caught:
            await a.call("sink@b", "read")
        assert caught.value.outcome == "not sent"
        assert trio.current_time() == began
        a.network.heal()


FEW = {"outbox_messages": 10}


@virtual
async def test_a_full_outbox_makes_a_cast_wait_and_then_refuses_it():
    async with pair(actors={"sink": Sink}, config=FEW) as (a, _):
        await cut_off(a)
        for i in range(10):
            await a.cast("sink@b", "put", i)
        began = trio.current_time()
        with pytest.raises(OutboxFull):
            await a.cast("sink@b", "put", 10)
        assert trio.current_time() - began == pytest.approx(5)
        with pytest.raises(OutboxFull):
            a.cast_nowait("sink@b", "put", 10)
        a.network.heal()


@virtual
async def test_a_cast_that_waits_for_an_outbox_goes_on_when_it_has_room():
    async with pair(actors={"sink": Sink}, config=FEW) as (a, b):
        await cut_off(a)
        async with trio.open_nursery() as nursery:

            async def send():
                for i in range(25):
                    await a.cast("sink@b", "put", i)

            nursery.start_soon(send)
            await trio.sleep(1)
            a.network.heal()
        await until(lambda: statistics_of(b, "sink").handled == 25)
        assert await a.call("sink@b", "read") == list(range(25))


@virtual
async def test_a_full_outbox_counts_bytes_too():
    config = {"outbox_bytes": 10_000}
    async with pair(actors={"sink": Sink}, config=config) as (a, _):
        await cut_off(a)
        for _ in range(10):
            await a.cast("sink@b", "put", b"x" * 1000)
        with pytest.raises(OutboxFull, match="bytes"):
            a.cast_nowait("sink@b", "put", b"x")
        a.network.heal()


@virtual
async def test_the_policy_raise_refuses_at_once():
    config = {**FEW, "outbox_policy": "raise"}
    async with pair(actors={"sink": Sink}, config=config) as (a, _):
        await cut_off(a)
        for i in range(10):
            await a.cast("sink@b", "put", i)
        began = trio.current_time()
        with pytest.raises(OutboxFull):
            await a.cast("sink@b", "put", 10)
        with pytest.raises(OutboxFull):
            await a.call("sink@b", "read")
        assert trio.current_time() == began
        a.network.heal()


@virtual
async def test_the_policy_drop_oldest_keeps_the_newest_and_counts_the_others():
    config = {"outbox_messages": 1024, "outbox_policy": "drop_oldest"}
    async with pair(actors={"sink": Sink}, config=config) as (a, b):
        await cut_off(a)
        for i in range(1031):
            await a.cast("sink@b", "put", i)
        (link,) = a.kernel.links()
        assert (link.outbox, link.dropped) == (1024, 7)
        a.network.heal()
        await until(lambda: statistics_of(b, "sink").handled == 1024)
        assert await a.call("sink@b", "read") == list(range(7, 1031))


@virtual
async def test_as_many_casts_go_as_a_large_message_needs():
    config = {"outbox_bytes": 10_000, "outbox_policy": "drop_oldest"}
    async with pair(actors={"sink": Sink}, config=config) as (a, _):
        await cut_off(a)
        for size in [90] * 200 + [4_000] * 20:
            await a.cast("sink@b", "put", b"x" * size)
        assert link_of(a).outbox_bytes < 10_000 + 4_100
        dropped = link_of(a).dropped
        assert a.statistics().dropped == {"outbox_oldest": dropped}
        assert dropped + link_of(a).outbox == 220
        a.network.heal()


@virtual
async def test_the_policy_drop_oldest_never_drops_a_call():
    config = {"outbox_messages": 4, "outbox_policy": "drop_oldest"}
    async with pair(actors={"sink": Sink}, config=config) as (a, _):
        await cut_off(a)
        async with trio.open_nursery() as nursery:

            async def ask():
                assert await a.call("sink@b", "echo", 1) == 1

            for _ in range(3):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            for i in range(10):
                a.cast_nowait("sink@b", "put", i)
            a.network.heal()
        assert await a.call("sink@b", "read") == [9]


@virtual
async def test_a_call_waits_for_a_full_outbox_no_longer_than_it_would_for_an_answer():
    config = {"outbox_messages": 2, "down_after": 100.0}
    async with pair(actors={"sink": Sink}, config=config) as (a, _):
        await cut_off(a)
        for i in range(2):
            await a.cast("sink@b", "put", i)
        began = trio.current_time()
        with pytest.raises(CallTimeout, match="outbox"):
            await a.call("sink@b", "read", timeout=2)
        assert trio.current_time() - began == pytest.approx(2)
        a.network.heal()


@virtual
async def test_the_wait_for_room_counts_towards_the_patience_of_a_call():
    class Sleepy(Sink):
        @call
        async def doze(self):
            await trio.sleep(100)

    config = {"outbox_messages": 2, "down_after": 100.0}
    async with pair(actors={"sink": Sleepy}, config=config) as (a, _):
        await cut_off(a)
        for i in range(2):
            await a.cast("sink@b", "put", i)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def heal():
                await trio.sleep(2.5)
                a.network.heal()

            nursery.start_soon(heal)
            with pytest.raises(CallTimeout):
                await a.call("sink@b", "doze", timeout=4)
        assert trio.current_time() - began == pytest.approx(4, abs=0.1)


@virtual
async def test_a_call_at_the_full_outbox_of_a_node_that_is_down_fails_at_once():
    async with pair(actors={"sink": Sink}, config=FEW) as (a, _):
        await cut_off(a)
        for i in range(10):
            await a.cast("sink@b", "put", i)
        await until(lambda: a.kernel.links()[0].state == "down")
        began = trio.current_time()
        with pytest.raises(NodeDown):
            await a.call("sink@b", "read")
        assert trio.current_time() == began
        a.network.heal()


@virtual
async def test_a_sender_that_waited_on_a_busy_wire_queues_when_it_is_cut():
    """Only a live wire is a reason to wait with so little in the outbox."""
    async with pair(actors={"sink": Sink}) as (a, b):
        a.network.partition({"a"}, {"b"})
        sent = []

        async def send():
            for i in range(300):
                await a.cast("sink@b", "put", b"x" * 1000 + bytes([i % 256]))
                sent.append(i)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(1)
            assert len(sent) < 300
            a.network.cut("a", "b")
            await until(lambda: len(sent) == 300, seconds=1)
            a.network.heal()
        await until(lambda: statistics_of(b, "sink").handled == 300)


@virtual
async def test_a_cast_that_waits_when_its_link_is_dropped_uses_the_next_one():
    async with pair(actors={"sink": Sink}, config=FEW) as (a, b):
        await cut_off(a)
        for i in range(10):
            await a.cast("sink@b", "put", i)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.cast, "sink@b", "put", "survivor")
            await trio.testing.wait_all_tasks_blocked()
            await a.kernel.disconnect("b", force=True)
            a.network.heal()
        await until(lambda: statistics_of(b, "sink").handled == 1)
        assert await a.call("sink@b", "read") == ["survivor"]
        assert a.statistics().undelivered == {"b": 10}
        assert len(a.kernel.peers) == 1


@virtual
async def test_a_call_that_waits_when_its_link_is_dropped_uses_the_next_one():
    config = {"outbox_messages": 2, "down_after": 100.0}
    async with pair(actors={"sink": Sink}, config=config) as (a, _):
        await cut_off(a)
        for i in range(2):
            await a.cast("sink@b", "put", i)
        async with trio.open_nursery() as nursery:

            async def ask():
                assert await a.call("sink@b", "echo", 1) == 1

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await a.kernel.disconnect("b", force=True)
            a.network.heal()
        assert len(a.kernel.peers) == 1


@virtual
async def test_a_dropped_link_never_dials_again():
    """Whatever is still said to it: two of them would push each other out."""

    class Deferred(GenServer):
        mailbox = 1

        def __init__(self):
            self.callers = []

        @call
        async def ask(self):
            self.callers.append(self.caller)
            return later()

    async with pair(actors={"x": Deferred}) as (a, b):
        b.pause("x")
        a.cast_nowait("x@b", "y")
        a.cast_nowait("x@b", "y")
        await trio.sleep(1)
        old = b.kernel.peers["a"]
        b.kernel.drop(old, "for the test")
        await a.kernel.disconnect("b", force=True)
        b.resume("x")
        b._runtime.post_control(old, [10, "x"])
        await trio.sleep(10)
        assert old.connection is None
        assert b.kernel.links() == ()


@virtual
async def test_a_peer_that_does_not_take_its_answers_is_told_busy():
    config = {"outbox_bytes": 50_000, "window_bytes": 10_000, "inbound_calls": 10}
    async with pair(actors={"sink": SmallSink}, config=config) as (a, b):
        a.network.delay("a", "b", 0.2)
        outcomes, waiting = [], []

        async def ask():
            waiting.append(b.kernel.links()[0].outbox_bytes)
            try:
                outcomes.append(len(await a.call("sink@b", "mint", 5_000, timeout=60)))
            except MailboxFull as error:
                outcomes.append(str(error))

        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(ask)
                await trio.sleep(0.01)
        assert max(waiting) < 50_000 + 11 * 5_100
        assert set(outcomes) == {5_000, "sink@b mint: its answers to this node wait"}
        assert await a.call("sink@b", "mint", 1) == b"x"
