"""Whatever a handler raises, its node and the other actors live on."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call
from clusterkit.errors import (
    ActorDown,
    RemoteFault,
)
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.unit.servers import Fragile, crashed
from tests.waiting import until


@virtual
async def test_the_crashing_call_gets_the_type_and_text_of_the_error():
    async with pair(actors={"x": Fragile}) as (a, _):
        with pytest.raises(RemoteFault) as caught:
            await a.call("x@b", "crash")
        assert (caught.value.type, caught.value.message) == ("ValueError", "broken")
        assert (caught.value.to, caught.value.event) == ("x@b", "crash")


@virtual
async def test_a_remote_fault_tells_nothing_of_the_callees_stack():
    async with pair(actors={"x": Fragile}) as (a, b):
        for node, name in ((a, "x@b"), (b, "x")):
            with pytest.raises(RemoteFault) as caught:
                await node.call(name, "crash")
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
            assert __file__ not in repr(vars(caught.value))


class Unspeakable(Exception):
    """An error that nobody can print."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unspeakable(), "its text raised RuntimeError"),
        (ValueError("\ud800"), r"\ud800"),
        (ValueError("x" * 20_000_000), "xxxx"),
        (ValueError(object()), "object"),
        (ExceptionGroup("several", [ValueError(1), KeyError(2)]), "several"),
        (SystemError("ours"), "ours"),
    ],
    ids=lambda value: type(value).__name__,
)
@virtual
async def test_no_error_of_a_handler_takes_the_node_down(error, text, caplog):
    class Raising(GenServer):
        @call
        async def serial(self):
            raise error

        @call(concurrent=True)
        async def beside(self):
            raise error

    async with pair(actors={"x": Raising}) as (a, b):
        for event in ("serial", "beside"):
            with pytest.raises(RemoteFault) as caught:
                await a.call("x@b", event)
            assert caught.value.type == type(error).__name__
            assert text in caught.value.message
        assert await a.ping("b") == "pong"
        await until(lambda: statistics_of(b, "x").restarts == 2)
    assert len(caplog.text.encode()) < 100_000  # nor its log


@virtual
async def test_a_crash_of_a_concurrent_handler_ends_its_neighbours_too():
    class Beside(GenServer):
        @call(concurrent=True)
        async def wait(self):
            await trio.sleep(100)

        @call(concurrent=True)
        async def crash(self):
            raise ValueError

        @call
        async def ping(self):
            return "pong"

    async with pair(actors={"x": Beside}) as (a, b):
        async with trio.open_nursery() as nursery:

            async def wait():
                with pytest.raises(ActorDown):
                    await a.call("x@b", "wait")

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RemoteFault):
                await a.call("x@b", "crash")
        assert await a.call("x@b", "ping") == "pong"
        assert statistics_of(b, "x").restarts == 1


class MessyEnd(GenServer):
    """Crashes while it is being cancelled, with a cancellation beside it."""

    reasons = []

    @call(concurrent=True)
    async def beside(self):
        await self._mess()

    @call
    async def serial(self):
        await self._mess()

    async def terminate(self, reason):
        self.reasons.append(reason)

    async def _mess(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("at the worst of times")


@virtual
async def test_a_handler_that_crashes_while_its_actor_is_stopped_changes_nothing():
    async with alone(config={"drain_timeout": 1.0}) as node:
        ref = await node.start("x", MessyEnd)
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(ActorDown):
                    await ref.call(MessyEnd.beside)

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            MessyEnd.reasons.clear()
            await node.stop("x")
            assert MessyEnd.reasons == ["shutdown"]
        await node.start("x", Fragile)
        assert await node.call("x", "add") == 1


@virtual
async def test_a_handler_that_crashes_while_its_node_ends_does_not_reach_the_user():
    async with alone(config={"drain_timeout": 1.0}) as node, trio.open_nursery() as n:
        await node.start("x", MessyEnd)
        await node.cast("x", "nothing")
        for event in ("beside", "serial"):

            async def ask(event=event):
                with pytest.raises((ActorDown, trio.Cancelled)):
                    await node.call("x", event)

            n.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        n.cancel_scope.cancel()


@virtual
async def test_a_crash_of_one_actor_leaves_the_others_alone():
    async with alone() as node:
        one, two = await node.start("one", Fragile), await node.start("two", Fragile)
        await two.call(Fragile.add, 5)
        await crashed(one, 4)
        assert await two.call(Fragile.add) == 6


@virtual
async def test_a_crash_in_handle_info_restarts_the_actor():
    class Nervous(GenServer):
        async def handle_info(self, message):
            raise ValueError(message)

    async with alone() as node:
        await node.start("x", Nervous)
        node._runtime.local("x").tell("boo")
        await until(lambda: statistics_of(node, "x").restarts == 1)


@virtual
async def test_an_actor_started_by_a_concurrent_handler_has_callers_of_its_own():
    class Child(GenServer):
        @call
        async def who(self):
            return self.caller.node

    class Parent(GenServer):
        @call(concurrent=True)
        async def beget(self):
            await self.node.start("child", Child)
            return await self.node.call("child", "who")

    async with pair(actors={"parent": Parent}) as (a, _):
        assert await a.call("parent@b", "beget") == "b"
        assert await a.call("child@b", "who") == "a"
