"""Values on their way to an actor: what travels, and what is refused at once."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
import trio

from clusterkit import ActorRef, GenServer, call, register
from clusterkit.errors import (
    BadArguments,
    ConfigError,
    EncodeError,
    MessageTooLarge,
    NodeUnknown,
    RemoteFault,
)
from clusterkit.events import Undelivered
from clusterkit.testing import MemoryNetwork
from clusterkit.wire import extensions, messages as m
from tests.unit.nodes import (
    alone,
    cut_off,
    hearing,
    on_network,
    pair,
    statistics_of,
    virtual,
)
from tests.unit.servers import Sink, SmallSink


class Minting(SmallSink):
    @call
    async def mint(self, what):
        return {"object": object(), "huge": b"x" * 2_000_000, "bits": 2**70}[what]

    @call(concurrent=True)
    async def mint_beside(self, what):
        return object()


@virtual
async def test_arguments_are_passed_by_reference_locally():
    async with alone() as node:
        ref = await node.start("sink", SmallSink)
        value = object()
        assert await ref.call(SmallSink.echo, value) is value


@virtual
async def test_a_test_may_ask_that_local_messages_travel_too():
    async with alone(copy_local=True) as node:
        ref = await node.start("sink", SmallSink)
        value = [1, [2]]
        answer = await ref.call(SmallSink.echo, value)
        assert answer == value
        assert answer is not value
        with pytest.raises(EncodeError):
            await ref.call(SmallSink.echo, object())
        with pytest.raises(EncodeError):
            await ref.cast(SmallSink.put, object())
        assert node.statistics().pending_calls == 0


@virtual
async def test_a_reference_travels_and_works_where_it_arrives():
    class Book(GenServer):
        @call
        async def ask(self, ref, value):
            assert isinstance(ref, ActorRef)
            return [await ref.call(SmallSink.echo, value), ref]

    async with pair(actors={"book": Book}) as (a, _):
        sink = await a.start("sink", SmallSink)
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
    async with pair(actors={"sink": SmallSink}) as (a, b):
        sink = a.ref(SmallSink, "sink", at="b")
        with pytest.raises(EncodeError, match=path):
            await sink.call(SmallSink.echo, value)
        with pytest.raises(EncodeError, match=path):
            await sink.cast(SmallSink.put, value)
        with pytest.raises(EncodeError, match=path):
            sink.cast_nowait(SmallSink.put, value)
        assert a.statistics().pending_calls == 0
        assert a.kernel.peers["b"].interest == 0
        await trio.sleep(1)
        assert statistics_of(b, "sink").handled == 0


@virtual
async def test_a_keyword_that_cannot_travel_is_named_too():
    async with pair(actors={"sink": SmallSink}) as (a, _):
        with pytest.raises(EncodeError, match=r"kwargs.*value"):
            await a.call("sink@b", "echo", value=object())


@virtual
async def test_one_bad_argument_does_not_spoil_the_next_message():
    async with pair(actors={"sink": SmallSink}) as (a, _):
        with pytest.raises(EncodeError):
            await a.cast("sink@b", "put", ["good", object()])
        await a.cast("sink@b", "put", "next")
        assert await a.call("sink@b", "read") == ["next"]


@virtual
async def test_a_message_over_the_limit_is_refused_where_it_is_sent():
    async with pair(actors={"sink": SmallSink}, config={"max_message": 100_000}) as (
        a,
        _,
    ):
        sink = a.ref(SmallSink, "sink", at="b")
        with pytest.raises(MessageTooLarge, match="100000"):
            await sink.call(SmallSink.size, b"x" * 100_000)
        with pytest.raises(MessageTooLarge):
            await sink.cast(SmallSink.put, b"x" * 100_000)
        assert await sink.call(SmallSink.size, b"x" * 99_000) == 99_000


@virtual
async def test_the_limit_is_the_one_the_peer_announced():
    network = MemoryNetwork(Random(0))
    small = {"max_message": 50_000}
    async with (
        on_network(network, "b", actors={"sink": SmallSink}, config=small) as b,
        on_network(network, "a", actors={"sink": SmallSink}) as a,
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
    async with pair(actors={"sink": SmallSink}) as (a, b):
        link, calls = a.kernel.peers["b"], a._runtime.calls
        pending = calls.open(77, link, "sink", "echo", 5.0, trio.current_time())
        link.post(of_an_unknown_class(a.kernel.codec, m.CALL, pending.id), m.CALL, 0)
        link.wake()
        with pytest.raises(BadArguments, match="unheard-of"):
            await calls.wait(pending)
        assert await a.call("sink@b", "echo", 1) == 1
        assert b.statistics().rejected == {}
        assert b.kernel.links()[0].reconnects == 0


@virtual
async def test_a_cast_with_a_value_that_cannot_be_built_there_is_dropped():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        link = a.kernel.peers["b"]
        link.post(of_an_unknown_class(a.kernel.codec, m.CAST), m.CAST, "sink")
        await a.cast("sink@b", "put", "next")
        assert await a.call("sink@b", "read") == ["next"]
        assert b.kernel.links()[0].reconnects == 0


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
    async with pair(actors={"sink": SmallSink}, connected=False) as (a, _b):
        a.kernel.forget("b")
        with pytest.raises(NodeUnknown):
            await a.call("sink@b", "read")
        assert await a.call("sink@b@b:7022", "read") == []
        assert await a.call("sink@b", "read") == []
        with pytest.raises(ConfigError, match="7023"):
            await a.call("sink@b@b:7023", "read")


@virtual
async def test_undelivered_casts_are_counted_per_actor():
    async with pair(actors={"sink": Sink}) as (a, _b):
        await cut_off(a)
        for i in range(3):
            await a.cast("sink@b", "put", i)
        await a.cast("other@b", "put", 0)
        await a.cast("_ring@b", "gossip", "ring", [])  # which it says again
        async with hearing(a, Undelivered) as heard:
            await a.kernel.disconnect("b", force=True)
        assert sorted(heard, key=repr) == [
            Undelivered("b", "other", 1),
            Undelivered("b", "sink", 3),
        ]
        assert a.statistics().undelivered == {"b": 4}


@virtual
async def test_an_error_whose_very_name_cannot_travel_is_told_all_the_same():
    name = "Long" * 1_100

    class Odd(SmallSink):
        @call
        async def fail(self):
            raise type(name, (Exception,), {})

    async with pair(actors={"odd": Odd}, config={"max_message": 4096}) as (a, _):
        with pytest.raises(RemoteFault) as caught:
            await a.call("odd@b", "fail")
        assert caught.value.type == "Unsendable"
        assert await a.call("_node@b", "ping") == "pong"


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("there", ["a", "b"])
@virtual
async def test_a_cast_that_raises_cancelled_was_not_sent(there, size):
    async with pair(actors={"sink": Sink}) as (a, _):
        await a.start("sink", Sink)
        sink = a.ref(Sink, "sink", at=there)
        said = 0

        async def talk():
            nonlocal said
            while True:
                await sink.cast(Sink.put, bytes(size))
                said += 1

        async def talk_for(turns):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(talk)
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()

        for turns in range(1, 6):
            await talk_for(turns)
            assert len(await sink.call(Sink.sizes)) == said
        assert said
