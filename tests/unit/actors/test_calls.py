"""Calls: how long they wait, and the one way in which each ends."""

from __future__ import annotations

import math

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.actors.calls import MOST_QUEUES
from clusterkit.errors import (
    CallingSelf,
    CallTimeout,
    ConfigError,
    NodeUnknown,
    NoSuchActor,
)
from tests.unit.nodes import alone, pair, statistics_of, virtual


class Slow(GenServer):
    def __init__(self):
        self.ran = []

    @call
    async def sleep(self, seconds, name=None):
        self.ran.append(name)
        await trio.sleep(seconds)
        return name

    @call
    async def read(self):
        return self.ran

    @call
    async def never(self):
        self.ran.append(self.caller)
        return later()

    @cast
    async def doze(self, seconds):
        await trio.sleep(seconds)


@pytest.mark.parametrize("target", ["slow", "slow@b"])
@virtual
async def test_a_call_times_out_after_five_seconds(target):
    async with pair(actors={"slow": Slow}) as (a, b):
        node = b if target == "slow" else a
        began = trio.current_time()
        with pytest.raises(CallTimeout) as caught:
            await node.call(target, "sleep", 100)
        assert trio.current_time() - began == pytest.approx(5, abs=0.01)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.to == "slow@b"
        assert caught.value.event == "sleep"
        assert caught.value.call_id > 0


@virtual
async def test_the_default_timeout_is_configured():
    async with alone(config={"call_timeout": 0.5}) as node:
        await node.start("slow", Slow)
        began = trio.current_time()
        with pytest.raises(CallTimeout):
            await node.call("slow", "sleep", 100)
        assert trio.current_time() - began == pytest.approx(0.5)


@virtual
async def test_within_changes_the_patience_of_one_reference():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b")
        began = trio.current_time()
        with pytest.raises(CallTimeout):
            await slow.within(0.25).call(Slow.sleep, 100)
        assert trio.current_time() - began == pytest.approx(0.25)
        assert slow.within(0.25) == slow


@virtual
async def test_a_longer_patience_waits_longer():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b")
        assert await slow.within(60).call(Slow.sleep, 50, "done") == "done"


@virtual
async def test_infinite_patience_has_no_deadline():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b").within(math.inf)
        assert await slow.call(Slow.sleep, 500, "done") == "done"


@virtual
async def test_even_a_patience_of_aeons_can_be_sent():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b").within(1e300)
        assert await slow.call(Slow.sleep, 1, "done") == "done"


@virtual
async def test_without_patience_a_call_ends_at_once_and_leaves_nothing():
    async with pair(actors={"slow": Slow}) as (a, b):
        began = trio.current_time()
        with pytest.raises(CallTimeout):
            await a.call("slow@b", "sleep", 1, timeout=0)
        with pytest.raises(CallTimeout):
            await b.call("slow", "sleep", 1, timeout=0)
        assert trio.current_time() - began < 0.01
        assert a.statistics().pending_calls == b.statistics().pending_calls == 0
        await trio.sleep(10)
        assert not a._runtime.calls._queues


@pytest.mark.parametrize("timeout", [-1, math.nan])
@virtual
async def test_an_impossible_timeout_is_refused(timeout):
    async with alone() as node:
        await node.start("slow", Slow)
        with pytest.raises(ConfigError):
            await node.call("slow", "read", timeout=timeout)


@virtual
async def test_a_surrounding_scope_that_is_shorter_raises_its_own_cancellation():
    async with alone() as node:
        await node.start("slow", Slow)
        with trio.move_on_after(1) as scope:
            await node.call("slow", "sleep", 100)
        assert scope.cancelled_caught
        assert node.statistics().pending_calls == 0


@virtual
async def test_a_users_own_timeout_does_not_swallow_ours():
    async with alone() as node:
        await node.start("slow", Slow)
        with pytest.raises(CallTimeout), trio.move_on_after(50):
            await node.call("slow", "sleep", 100)


@virtual
async def test_timeouts_of_all_lengths_fire_in_their_order():
    async with pair(actors={"slow": Slow}) as (a, _):
        ended = []

        async def ask(seconds):
            with pytest.raises(CallTimeout):
                await a.call("slow@b", "sleep", 100, timeout=seconds)
            ended.append((seconds, trio.current_time() - began))

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for seconds in (3, 1, 2, 0.5, 2.5, 1):
                nursery.start_soon(ask, seconds)
        assert [seconds for seconds, _ in ended] == [0.5, 1, 1, 2, 2.5, 3]
        for seconds, elapsed in ended:
            assert elapsed == pytest.approx(seconds, abs=0.01)


@virtual
async def test_an_answered_call_leaves_no_deadline_behind():
    async with pair(actors={"slow": Slow}) as (a, _b):
        for _ in range(100):
            await a.call("slow@b", "read")
        calls = a._runtime.calls
        assert not calls.pending
        assert not any(calls._queues.values())


@virtual
async def test_timeouts_that_are_all_different_leave_nothing_behind():
    async with pair(actors={"slow": Slow}) as (a, b):
        for n in range(1000):
            await a.call("slow@b", "read", timeout=100 + n / 7)
        assert len(a._runtime.calls._queues) <= MOST_QUEUES
        assert not b._runtime.here.open_calls


@virtual
async def test_a_late_reply_is_dropped_and_counted():
    async with pair(actors={"slow": Slow}) as (a, b):
        with pytest.raises(CallTimeout):
            await a.call("slow@b", "sleep", 2, timeout=1)
        await trio.sleep(5)
        assert a.statistics().late_replies + b.statistics().late_replies == 1
        assert await a.call("slow@b", "read") == [None]


@virtual
async def test_a_reply_that_crosses_its_cancellation_is_counted_at_the_caller():
    async with pair(actors={"slow": Slow}) as (a, b):
        a.network.delay("a", "b", 0.1)
        with pytest.raises(CallTimeout):
            await a.call("slow@b", "sleep", 0.05, timeout=0.2)
        await trio.sleep(1)
        assert a.statistics().late_replies == 1
        assert b.statistics().late_replies == 0


@virtual
async def test_a_late_reply_is_never_anothers():
    async with pair(actors={"slow": Slow}) as (a, _):
        a.network.delay("a", "b", 0.1)
        for i in range(20):
            with pytest.raises(CallTimeout):
                await a.call("slow@b", "sleep", 0, f"old {i}", timeout=0.15)
            assert await a.call("slow@b", "sleep", 0, f"new {i}") == f"new {i}"


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
@pytest.mark.parametrize("target", ["slow", "slow@b"])
@virtual
async def test_a_queued_call_whose_caller_gave_up_does_not_run(target, how):
    async with pair(actors={"slow": Slow}) as (a, b), trio.open_nursery() as nursery:
        node = b if target == "slow" else a
        nursery.start_soon(node.call, target, "sleep", 2, "first")
        await trio.testing.wait_all_tasks_blocked()
        if how == "timeout":
            with pytest.raises(CallTimeout):
                await node.call(target, "sleep", 0, "second", timeout=1)
        else:
            with trio.move_on_after(1):
                await node.call(target, "sleep", 0, "second")
        assert await node.call(target, "read") == ["first"]


@virtual
async def test_a_call_that_was_not_sent_is_taken_back():
    async with pair(actors={"slow": Slow}) as (a, b):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        with trio.move_on_after(0.5):
            await a.call("slow@b", "sleep", 0, "unsent")
        a.network.heal()
        await trio.sleep(5)
        assert await a.call("slow@b", "read") == []
        assert b.statistics().late_replies == 0


@virtual
async def test_a_call_whose_budget_is_spent_on_the_way_does_not_run():
    """Even if its Cancel never comes."""
    async with pair(actors={"slow": Slow}) as (a, b):
        b._runtime.cancel = lambda *args: None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.call, "slow@b", "sleep", 3, "first")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(CallTimeout):
                await a.call("slow@b", "sleep", 0, "second", timeout=1)
        assert await a.call("slow@b", "read") == ["first"]
        del b._runtime.cancel
        assert not b.kernel.peers["a"].open_calls


@virtual
async def test_an_actor_that_does_not_exist_is_named_at_once():
    async with pair() as (a, b):
        began = trio.current_time()
        for node, target in ((a, "nobody@b"), (b, "nobody")):
            with pytest.raises(NoSuchActor, match="no actor 'nobody' runs on b"):
                await node.call(target, "x")
        assert trio.current_time() - began < 0.1


@virtual
async def test_a_node_nobody_knows_is_named_at_once():
    async with alone() as node:
        with pytest.raises(NodeUnknown, match="nowhere"):
            await node.call("x@nowhere", "x")


@virtual
async def test_a_serial_handler_that_calls_its_own_actor_is_told_so():
    class Reflexive(GenServer):
        @call
        async def loop(self, name):
            with pytest.raises(CallingSelf):
                await self.node.call(name, "ping")
            return "alive"

        @call(concurrent=True)
        async def beside(self):
            return await self.node.call(self.name, "ping")

        @call
        async def ping(self):
            return "pong"

    async with alone() as node:
        await node.start("x", Reflexive)
        assert await node.call("x", "loop", "x") == "alive"
        assert await node.call("x", "loop", "x@a") == "alive"
        assert await node.call("x", "beside") == "pong"


@virtual
async def test_an_init_that_calls_its_own_actor_is_told_so():
    class Reflexive(GenServer):
        async def init(self):
            await self.node.call(self.name, "ping")

    async with alone() as node:
        with pytest.raises(CallingSelf):
            await node.start("x", Reflexive)


@virtual
async def test_an_answer_from_another_node_than_the_one_called_is_ignored():
    """And counted; the genuine one still ends the call."""
    async with pair(actors={"slow": Slow}) as (a, _):
        a.network.delay("a", "b", 0.1)
        answers = []

        async def ask():
            answers.append(await a.call("slow@b", "sleep", 0, "genuine"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            (call_id,) = a._runtime.calls.pending
            stranger = a.kernel.link_to("stranger")
            a._runtime.delivery.deliver(stranger, [[3, call_id, "forged"]], 10)
            a._runtime.delivery.deliver(stranger, [[4, call_id, "down", [""]]], 10)
        assert answers == ["genuine"]
        assert a.statistics().late_replies == 2


@virtual
async def test_ten_thousand_calls_have_distinct_numbers():
    async with alone() as node:
        await node.start("slow", Slow)
        seen = set()

        class Noting(dict):
            def __setitem__(self, key, value):
                seen.add(key)
                super().__setitem__(key, value)

        node._runtime.calls.pending = Noting()
        for _ in range(10_000):
            await node.call("slow", "read")
        assert len(seen) == 10_000


@pytest.mark.parametrize("target", ["slow@b", "slow@a"])
@virtual
async def test_a_call_from_a_cancelled_scope_is_not_sent(target):
    async with pair(actors={"slow": Slow}) as (a, b):
        await a.start("slow", Slow)
        before = [statistics_of(n, "slow").handled for n in (a, b)]
        with trio.CancelScope() as scope:
            scope.cancel()
            await a.call(target, "read")
        assert scope.cancelled_caught
        await trio.sleep(1)
        assert [statistics_of(n, "slow").handled for n in (a, b)] == before
        assert a.statistics().pending_calls == 0
