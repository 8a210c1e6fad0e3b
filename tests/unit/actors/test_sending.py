"""What a sender meets: full mailboxes, full outboxes, values that cannot travel."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random

import pytest
import trio

from clusterkit import ActorRef, GenServer, call, cast, later, register
from clusterkit.errors import (
    BadArguments,
    CallTimeout,
    ConfigError,
    EncodeError,
    MailboxFull,
    MessageTooLarge,
    NodeDown,
    NodeUnknown,
    OutboxFull,
    RemoteFault,
)
from clusterkit.events import Refused, Undelivered
from clusterkit.testing import MemoryNetwork
from clusterkit.wire import extensions, messages as m
from tests.unit.nodes import (
    alone,
    hearing,
    on_network,
    pair,
    statistics_of,
    until,
    virtual,
)


class Sink(GenServer):
    mailbox = 8

    def __init__(self):
        self.got = []

    @cast
    async def put(self, value):
        self.got.append(value)

    @cast
    async def slow(self, value):
        await trio.sleep(0.9)
        self.got.append(value)

    @call
    async def read(self):
        return self.got

    @call
    async def echo(self, value):
        return value

    @call
    async def size(self, data):
        return len(data)


class Wide(Sink):
    mailbox = 8192


class Minting(Sink):
    @call
    async def mint(self, what):
        return {"object": object(), "huge": b"x" * 2_000_000, "bits": 2**70}[what]

    @call(concurrent=True)
    async def mint_beside(self, what):
        return object()


@virtual
async def test_a_cast_to_a_full_mailbox_waits_until_half_of_it_is_handled():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        for i in range(8):
            await ref.cast(Sink.slow, i)
        began = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        await ref.cast(Sink.slow, 8)
        await ref.cast(Sink.slow, 9)
        waited = trio.current_time() - began
        assert 3 < waited < 5
        await trio.sleep(20)
        assert await ref.call(Sink.read) == list(range(10))


@virtual
async def test_a_slow_actor_lets_senders_go_on_before_its_mailbox_is_empty():
    class Slower(Sink):
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
        ref = await node.start("sink", Sink)
        node.pause("sink")
        for i in range(8):
            await ref.cast(Sink.put, i)
        began = trio.current_time()
        with pytest.raises(MailboxFull) as caught:
            await ref.cast(Sink.put, 8)
        assert trio.current_time() - began == pytest.approx(5)
        assert caught.value.event == "put"


@virtual
async def test_a_cancelled_cast_was_not_sent():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        node.pause("sink")
        for i in range(8):
            await ref.cast(Sink.put, i)
        with trio.move_on_after(1):
            await ref.cast(Sink.put, "cancelled")
        node.resume("sink")
        await trio.sleep(0.1)
        assert await ref.call(Sink.read) == list(range(8))


@virtual
async def test_cast_nowait_and_call_refuse_a_full_mailbox_at_once():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        node.pause("sink")
        for i in range(8):
            ref.cast_nowait(Sink.put, i)
        with pytest.raises(MailboxFull):
            ref.cast_nowait(Sink.put, 8)
        with pytest.raises(MailboxFull):
            await ref.call(Sink.read)


@virtual
async def test_queued_calls_whose_callers_gave_up_make_room():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        node.pause("sink")
        for _ in range(8):
            with pytest.raises(CallTimeout):
                await ref.within(0.1).call(Sink.read)
        with pytest.raises(CallTimeout):
            await ref.within(0.1).call(Sink.read)
        node.resume("sink")
        assert await ref.call(Sink.read) == []


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
        ref = await node.start("sink", Wide)
        turns = []

        async def other():
            while True:
                turns.append(1)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for i in range(6400):
                await ref.cast(Wide.put, i)
            nursery.cancel_scope.cancel()
        assert len(turns) >= 90


@virtual
async def test_every_cast_checks_for_cancellation():
    async with alone() as node:
        ref = await node.start("sink", Wide)
        with trio.CancelScope() as scope:
            scope.cancel()
            await ref.cast(Wide.put, 1)
        assert await ref.call(Wide.read) == []


@virtual
async def test_arguments_are_passed_by_reference_locally():
    async with alone() as node:
        ref = await node.start("sink", Sink)
        value = object()
        assert await ref.call(Sink.echo, value) is value


@virtual
async def test_a_test_may_ask_that_local_messages_travel_too():
    async with alone(copy_local=True) as node:
        ref = await node.start("sink", Sink)
        value = [1, [2]]
        answer = await ref.call(Sink.echo, value)
        assert answer == value
        assert answer is not value
        with pytest.raises(EncodeError):
            await ref.call(Sink.echo, object())
        with pytest.raises(EncodeError):
            await ref.cast(Sink.put, object())
        assert node.statistics().pending_calls == 0


@virtual
async def test_a_reference_travels_and_works_where_it_arrives():
    class Book(GenServer):
        @call
        async def ask(self, ref, value):
            assert isinstance(ref, ActorRef)
            return [await ref.call(Sink.echo, value), ref]

    async with pair(actors={"book": Book}) as (a, _):
        sink = await a.start("sink", Sink)
        assert await a.call("book@b", "ask", sink, 5) == [5, sink]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), r"args\[0\]: object"),
        ([1, {"k": {1, object()}}], r"args\[0\]\[1\]\['k'\]"),
        (2**70, r"args\[0\]: an integer"),
        ({(1, 2): 3}, r"args\[0\]: key"),
    ],
)
@virtual
async def test_what_cannot_travel_is_named_by_its_path_before_anything_is_sent(
    value, path
):
    async with pair(actors={"sink": Sink}) as (a, b):
        sink = a.ref(Sink, "sink", at="b")
        with pytest.raises(EncodeError, match=path):
            await sink.call(Sink.echo, value)
        with pytest.raises(EncodeError, match=path):
            await sink.cast(Sink.put, value)
        with pytest.raises(EncodeError, match=path):
            sink.cast_nowait(Sink.put, value)
        assert a.statistics().pending_calls == 0
        assert a.kernel.peers["b"].interest == 0
        await trio.sleep(1)
        assert statistics_of(b, "sink").handled == 0


@virtual
async def test_a_keyword_that_cannot_travel_is_named_too():
    async with pair(actors={"sink": Sink}) as (a, _):
        with pytest.raises(EncodeError, match=r"kwargs.*value"):
            await a.call("sink@b", "echo", value=object())


@virtual
async def test_one_bad_argument_does_not_spoil_the_next_message():
    async with pair(actors={"sink": Sink}) as (a, _):
        with pytest.raises(EncodeError):
            await a.cast("sink@b", "put", ["good", object()])
        await a.cast("sink@b", "put", "next")
        assert await a.call("sink@b", "read") == ["next"]


@virtual
async def test_a_message_over_the_limit_is_refused_where_it_is_sent():
    async with pair(actors={"sink": Sink}, config={"max_message": 100_000}) as (a, _):
        sink = a.ref(Sink, "sink", at="b")
        with pytest.raises(MessageTooLarge, match="100000"):
            await sink.call(Sink.size, b"x" * 100_000)
        with pytest.raises(MessageTooLarge):
            await sink.cast(Sink.put, b"x" * 100_000)
        assert await sink.call(Sink.size, b"x" * 99_000) == 99_000


@virtual
async def test_the_limit_is_the_one_the_peer_announced():
    network = MemoryNetwork(Random(0))
    small = {"max_message": 50_000}
    async with (
        on_network(network, "b", actors={"sink": Sink}, config=small) as b,
        on_network(network, "a", actors={"sink": Sink}) as a,
    ):
        await a.kernel.connect(b.address)
        with pytest.raises(MessageTooLarge, match="50000"):
            await a.call("sink@b", "size", b"x" * 60_000)
        with pytest.raises(MessageTooLarge, match="50000"):
            await b.call("sink@a", "size", b"x" * 60_000)


@pytest.mark.parametrize(
    ("what", "error"),
    [("object", "EncodeError"), ("bits", "EncodeError"), ("huge", "MessageTooLarge")],
)
@virtual
async def test_an_answer_that_cannot_travel_costs_the_caller_not_the_actor(what, error):
    config = {"max_message": 1_000_000}
    async with pair(actors={"mint": Minting}, config=config) as (a, b):
        with pytest.raises(RemoteFault) as caught:
            await a.call("mint@b", "mint", what)
        assert caught.value.type == error
        assert await a.call("mint@b", "echo", 1) == 1
        assert statistics_of(b, "mint").restarts == 0


@virtual
async def test_neither_does_the_answer_of_a_concurrent_handler():
    async with pair(actors={"mint": Minting}) as (a, b):
        with pytest.raises(RemoteFault, match="EncodeError"):
            await a.call("mint@b", "mint_beside", 1)
        assert statistics_of(b, "mint").restarts == 0


def of_an_unknown_class(codec, kind, number=0):
    """A record with a dataclass that the receiver does not know."""

    @register(name="unheard-of")
    @dataclass
    class Unknown:
        value: int

    fields = [kind, "sink", "echo" if kind == m.CALL else "put", [Unknown(1)], None]
    try:
        return codec.encode([*fields, number, 0])
    finally:
        del extensions._registered["unheard-of"], extensions._names[Unknown]


@virtual
async def test_a_call_with_a_value_that_cannot_be_built_there_is_answered():
    async with pair(actors={"sink": Sink}) as (a, b):
        link, calls = a.kernel.peers["b"], a._runtime.calls
        pending = calls.open(link, "sink@b", "echo", 5.0, trio.current_time())
        link.post(of_an_unknown_class(a.kernel.codec, m.CALL, pending.id), m.CALL, 0)
        link.wake()
        with pytest.raises(BadArguments, match="unheard-of"):
            await calls.wait(pending)
        assert await a.call("sink@b", "echo", 1) == 1
        assert b.statistics().rejected == {}
        assert b.kernel.links()[0].reconnects == 0


@virtual
async def test_a_cast_with_a_value_that_cannot_be_built_there_is_dropped():
    async with pair(actors={"sink": Sink}) as (a, b):
        link = a.kernel.peers["b"]
        link.post(of_an_unknown_class(a.kernel.codec, m.CAST), m.CAST, "sink")
        await a.cast("sink@b", "put", "next")
        assert await a.call("sink@b", "read") == ["next"]
        assert b.kernel.links()[0].reconnects == 0


@virtual
async def test_casts_to_a_node_that_is_away_wait_for_it():
    async with pair(actors={"sink": Wide}) as (a, b):
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
    async with pair(actors={"sink": Sink}) as (a, _):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        await until(lambda: a.kernel.links()[0].state == "down")
        began = trio.current_time()
        with pytest.raises(NodeDown) as caught:
            await a.call("sink@b", "read")
        assert caught.value.outcome == "not sent"
        assert trio.current_time() == began
        a.network.heal()


async def cut_off(a):
    a.network.partition({"a"}, {"b"})
    a.network.cut("a", "b")
    await trio.sleep(0.1)


FEW = {"outbox_messages": 10}


@virtual
async def test_a_full_outbox_makes_a_cast_wait_and_then_refuses_it():
    async with pair(actors={"sink": Wide}, config=FEW) as (a, _):
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
    async with pair(actors={"sink": Wide}, config=FEW) as (a, b):
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
    async with pair(actors={"sink": Wide}, config=config) as (a, _):
        await cut_off(a)
        for _ in range(10):
            await a.cast("sink@b", "put", b"x" * 1000)
        with pytest.raises(OutboxFull, match="bytes"):
            a.cast_nowait("sink@b", "put", b"x")
        a.network.heal()


@virtual
async def test_the_policy_raise_refuses_at_once():
    config = {**FEW, "outbox_policy": "raise"}
    async with pair(actors={"sink": Wide}, config=config) as (a, _):
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
    async with pair(actors={"sink": Wide}, config=config) as (a, b):
        await cut_off(a)
        for i in range(1031):
            await a.cast("sink@b", "put", i)
        (link,) = a.kernel.links()
        assert (link.outbox, link.dropped) == (1024, 7)
        a.network.heal()
        await until(lambda: statistics_of(b, "sink").handled == 1024)
        assert await a.call("sink@b", "read") == list(range(7, 1031))


@virtual
async def test_the_policy_drop_oldest_never_drops_a_call():
    config = {"outbox_messages": 4, "outbox_policy": "drop_oldest"}
    async with pair(actors={"sink": Wide}, config=config) as (a, _):
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
    async with pair(actors={"sink": Wide}, config=config) as (a, _):
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
    class Sleepy(Wide):
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
    async with pair(actors={"sink": Wide}, config=FEW) as (a, _):
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
    async with pair(actors={"sink": Wide}) as (a, b):
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
    async with pair(actors={"sink": Wide}, config=FEW) as (a, b):
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
async def test_a_paused_actor_chokes_its_senders_and_loses_nothing():
    async with pair(actors={"sink": Wide}) as (a, b):
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
    async with pair(actors={"sink": Sink}) as (a, b):
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
    async with pair(actors={"sink": Sink, "other": Sink}) as (a, b):
        b.pause("sink")
        for i in range(9):
            a.cast_nowait("sink@b", "put", i)
        await trio.sleep(0.1)
        assert await a.call("other@b", "echo", 1) == 1
        await a.cast("other@b", "put", 2)
        assert await a.call("other@b", "read") == [2]


@virtual
async def test_a_call_at_twice_the_mark_is_answered_busy():
    async with pair(actors={"sink": Sink}) as (a, b):
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
    async with pair(actors={"sink": Sink}) as (a, b):
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
    async with pair(actors={"sink": Wide}, config=config) as (a, b):
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
    async with pair(actors={"sink": Sink}) as (a, b):
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


@virtual
async def test_a_cast_to_an_unknown_node_is_refused():
    async with alone() as node:
        with pytest.raises(NodeUnknown):
            await node.cast("x@nowhere", "y")
        with pytest.raises(NodeUnknown):
            node.cast_nowait("x@nowhere", "y")


@virtual
async def test_a_cast_to_an_unknown_actor_is_lost_quietly():
    async with pair() as (a, b):
        await a.cast("nobody@b", "x")
        await b.cast("nobody", "x")
        assert await a.ping("b") == "pong"


@virtual
async def test_an_address_in_a_target_is_learned():
    async with pair(actors={"sink": Sink}, connected=False) as (a, _b):
        a.kernel.forget("b")
        with pytest.raises(NodeUnknown):
            await a.call("sink@b", "read")
        assert await a.call("sink@b@b:7022", "read") == []
        assert await a.call("sink@b", "read") == []
        with pytest.raises(ConfigError, match="7023"):
            await a.call("sink@b@b:7023", "read")


@virtual
async def test_multi_call_answers_in_the_order_of_the_nodes_and_keeps_failures():
    async with pair(actors={"sink": Sink}) as (a, b):
        await a.start("sink", Sink)
        answers = await a.multi_call(
            ["b", "a", "nowhere", "b"], "sink", Sink.echo, 7, timeout=1
        )
        assert [(answer.node, answer.ok, answer.value) for answer in answers] == [
            ("b", True, 7),
            ("a", True, 7),
            ("nowhere", False, None),
            ("b", True, 7),
        ]
        assert isinstance(answers[2].error, NodeUnknown)
        b.pause("sink")
        answers = await a.multi_call(["b", "a"], "sink", "echo", 8, timeout=1)
        assert isinstance(answers[0].error, CallTimeout)
        assert answers[1].value == 8


@virtual
async def test_multi_call_waits_for_all_at_once():
    class Slow(GenServer):
        @call(concurrent=True)
        async def work(self):
            await trio.sleep(1)
            return self.node.name

    async with pair(actors={"slow": Slow}) as (a, _):
        await a.start("slow", Slow)
        began = trio.current_time()
        answers = await a.multi_call(["a", "b", "a"], "slow", "work")
        assert [answer.value for answer in answers] == ["a", "b", "a"]
        assert trio.current_time() - began == pytest.approx(1, abs=0.01)


@virtual
async def test_multi_call_without_nodes_asks_the_members_of_the_ring():
    async with pair(actors={"sink": Sink}) as (a, b):
        await a.start("sink", Sink)
        await a.meet(b.address)
        answers = await a.multi_call(None, "sink", "echo", 1)
        assert sorted(answer.node for answer in answers) == ["a", "b"]


@virtual
async def test_abcast_delivers_once_to_each():
    async with pair(actors={"sink": Sink}) as (a, _b):
        await a.start("sink", Sink)
        await a.abcast(["a", "b"], "sink", "put", 1)
        assert await a.call("sink", "read") == [1]
        assert await a.call("sink@b", "read") == [1]


@virtual
async def test_ping_answers_pong():
    async with pair() as (a, b):
        assert await a.ping("b") == "pong"
        assert await b.ping("a") == "pong"


@virtual
async def test_a_node_pings_itself_without_traffic():
    async with alone() as node:
        assert await node.ping("a") == "pong"
        assert node.kernel.links() == ()


@virtual
async def test_ping_of_an_unknown_or_silent_node_is_an_error():
    async with pair() as (a, _):
        with pytest.raises(NodeUnknown):
            await a.ping("nowhere")
        a.network.partition({"a"}, {"b"})
        with pytest.raises(CallTimeout):
            await a.ping("b", timeout=1)
        a.network.heal()


@virtual
async def test_undelivered_casts_are_counted_per_actor():
    async with pair(actors={"sink": Wide}) as (a, _b):
        await cut_off(a)
        for i in range(3):
            await a.cast("sink@b", "put", i)
        await a.cast("other@b", "put", 0)
        async with hearing(a, Undelivered) as heard:
            await a.kernel.disconnect("b", force=True)
        assert sorted(heard, key=repr) == [
            Undelivered("b", "other", 1),
            Undelivered("b", "sink", 3),
        ]
        assert a.statistics().undelivered == {"b": 4}
