"""Many actors at once: multi_call, abcast, ping."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call
from clusterkit.errors import (
    CallTimeout,
    ConfigError,
    MailboxFull,
    NodeUnknown,
    NotAllReached,
)
from tests.unit.nodes import alone, pair, virtual
from tests.unit.servers import SmallSink
from tests.waiting import until


@virtual
async def test_multi_call_answers_in_the_order_of_the_nodes_and_keeps_failures():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        await a.start("sink", SmallSink)
        answers = await a.multi_call(
            ["b", "a", "nowhere", "b"], "sink", SmallSink.echo, 7, timeout=1
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
    async with pair(actors={"sink": SmallSink}) as (a, b):
        await a.start("sink", SmallSink)
        await a.meet(b.address)
        answers = await a.multi_call(None, "sink", "echo", 1)
        assert sorted(answer.node for answer in answers) == ["a", "b"]


@virtual
async def test_abcast_delivers_once_to_each():
    async with pair(actors={"sink": SmallSink}) as (a, _b):
        await a.start("sink", SmallSink)
        await a.abcast(["a", "b"], "sink", "put", 1)
        assert await a.call("sink", "read") == [1]
        assert await a.call("sink@b", "read") == [1]


@virtual
async def test_abcast_reaches_all_that_can_be_reached_and_names_the_others():
    async with pair(actors={"sink": SmallSink}) as (a, b):
        await a.start("sink", SmallSink)
        b.pause("sink")
        for i in range(8):
            await a.cast("sink@b", "put", i)
        await until(lambda: b.statistics().actors[-1].mailbox == 8)
        await a.cast("sink@b", "put", 8)
        await until(lambda: a.kernel.peers["b"].choked)
        began = trio.current_time()
        with pytest.raises(NotAllReached, match=r"nowhere.*b@other:1") as caught:
            await a.abcast(["nowhere", "b", "b@other:1", "a"], "sink", "put", 9)
        assert trio.current_time() - began == pytest.approx(5)
        failures = caught.value.failures
        assert list(failures) == ["nowhere", "b", "b@other:1"]
        assert [type(error) for error in failures.values()] == [
            NodeUnknown,
            MailboxFull,
            ConfigError,
        ]
        assert await a.call("sink", "read") == [9]
        b.resume("sink")


@virtual
async def test_a_choked_node_delays_no_other_of_an_abcast():
    async with (
        pair(actors={"sink": SmallSink}) as (a, b),
        trio.open_nursery() as nursery,
    ):
        await a.start("sink", SmallSink)
        b.pause("sink")
        for i in range(9):
            a.cast_nowait("sink@b", "put", i)
        await until(lambda: a.kernel.peers["b"].choked)
        nursery.start_soon(a.abcast, ["b", "a"], "sink", "put", "all")
        await trio.sleep(1)
        assert await a.call("sink", "read") == ["all"]
        b.resume("sink")
        await trio.sleep(1)
        assert await a.call("sink@b", "read") == [*range(9), "all"]


@virtual
async def test_two_abcasts_arrive_everywhere_in_order():
    class Sink(SmallSink):
        mailbox = 8192

    async with pair(actors={"sink": Sink}) as (a, _b):
        await a.start("sink", Sink)
        for i in range(100):
            await a.abcast(["a", "b"], "sink", "put", i)
        for target in ("sink", "sink@b"):
            assert await a.call(target, "read") == list(range(100))


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
