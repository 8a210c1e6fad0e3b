"""Full mailboxes on the same node: who waits, and who is refused."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.actors.sending import YIELD_EVERY
from clusterkit.errors import (
    CallTimeout,
    MailboxFull,
)
from tests.unit.nodes import (
    alone,
    virtual,
)
from tests.unit.servers import Sink, SmallSink


@virtual
async def test_a_cast_to_a_full_mailbox_waits_until_half_of_it_is_handled():
    async with alone() as node:
        ref = await node.start("sink", SmallSink)
        for i in range(8):
            await ref.cast(SmallSink.slow, i)
        began = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        await ref.cast(SmallSink.slow, 8)
        await ref.cast(SmallSink.slow, 9)
        waited = trio.current_time() - began
        assert 3 < waited < 5
        await trio.sleep(20)
        assert await ref.call(SmallSink.read) == list(range(10))


@virtual
async def test_a_slow_actor_lets_senders_go_on_before_its_mailbox_is_empty():
    class Slower(SmallSink):
        @cast
        async def put(self, value):
            await trio.sleep(0.9)

    async with alone(config={"busy_wait": 5.0}) as node:
        ref = await node.start("sink", Slower)
        for i in range(30):
            await ref.cast(Slower.put, i)


@virtual
async def test_a_cast_that_waits_too_long_says_that_the_mailbox_is_full():
    async with alone() as node:
        ref = await node.start("sink", SmallSink)
        node.pause("sink")
        for i in range(8):
            await ref.cast(SmallSink.put, i)
        began = trio.current_time()
        with pytest.raises(MailboxFull) as caught:
            await ref.cast(SmallSink.put, 8)
        assert trio.current_time() - began == pytest.approx(5)
        assert caught.value.event == "put"


@virtual
async def test_a_cancelled_cast_was_not_sent():
    async with alone() as node:
        ref = await node.start("sink", SmallSink)
        node.pause("sink")
        for i in range(8):
            await ref.cast(SmallSink.put, i)
        with trio.move_on_after(1):
            await ref.cast(SmallSink.put, "cancelled")
        node.resume("sink")
        await trio.sleep(0.1)
        assert await ref.call(SmallSink.read) == list(range(8))


@virtual
async def test_cast_nowait_and_call_refuse_a_full_mailbox_at_once():
    async with alone() as node:
        ref = await node.start("sink", SmallSink)
        node.pause("sink")
        for i in range(8):
            ref.cast_nowait(SmallSink.put, i)
        with pytest.raises(MailboxFull):
            ref.cast_nowait(SmallSink.put, 8)
        with pytest.raises(MailboxFull):
            await ref.call(SmallSink.read)


@virtual
async def test_queued_calls_whose_callers_gave_up_make_room():
    async with alone() as node:
        ref = await node.start("sink", SmallSink)
        node.pause("sink")
        for _ in range(8):
            with pytest.raises(CallTimeout):
                await ref.within(0.1).call(SmallSink.read)
        with pytest.raises(CallTimeout):
            await ref.within(0.1).call(SmallSink.read)
        node.resume("sink")
        assert await ref.call(SmallSink.read) == []


@virtual
async def test_an_actor_that_casts_to_its_own_full_mailbox_is_told_so():
    class Talking(GenServer):
        mailbox = 4

        @call
        async def talk(self):
            for _ in range(4):
                await self.node.cast(self.name, "nothing")
            with pytest.raises(MailboxFull):
                await self.node.cast(self.name, "nothing")
            return "alive"

    async with alone() as node:
        ref = await node.start("x", Talking)
        assert await ref.call(Talking.talk) == "alive"


@virtual
async def test_a_sender_of_casts_lets_others_run():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        turns = []

        async def other():
            while True:
                turns.append(1)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for i in range(20 * YIELD_EVERY):
                await ref.cast(Sink.put, i)
            nursery.cancel_scope.cancel()
        assert len(turns) >= 19


@virtual
async def test_every_cast_checks_for_cancellation():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        with trio.CancelScope() as scope:
            scope.cancel()
            await ref.cast(Sink.put, 1)
        assert await ref.call(Sink.read) == []
