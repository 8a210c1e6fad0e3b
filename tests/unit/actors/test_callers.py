"""Callers: who they are, and how they are answered later."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.errors import (
    CallTimeout,
    RemoteFault,
)
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.waiting import until


class Deferring(GenServer):
    """Answers when it is told to."""

    def __init__(self):
        self.callers = []

    @call
    async def ask(self):
        self.callers.append(self.caller)
        return later()

    @call(concurrent=True)
    async def ask_beside(self):
        self.callers.append(self.caller)
        return later()

    @call
    async def answer(self, value):
        self.callers.pop(0).reply(value)

    @call
    async def at_once(self, value, returned=None):
        self.caller.reply(value)
        return returned


async def asked(ref, handler, *args, into, key):
    into[key] = await ref.call(handler, *args)


@virtual
async def test_a_handler_may_answer_later():
    async with pair(actors={"later": Deferring}) as (a, _):
        ref, answers = a.ref(Deferring, "later", at="b"), {}
        async with trio.open_nursery() as nursery:
            for key in ("one", "two"):
                nursery.start_soon(
                    lambda key=key: asked(ref, Deferring.ask, into=answers, key=key)
                )
                await trio.testing.wait_all_tasks_blocked()
            assert answers == {}
            await ref.call(Deferring.answer, 1)
            await ref.call(Deferring.answer, 2)
        assert answers == {"one": 1, "two": 2}


@virtual
async def test_a_concurrent_handler_may_answer_later():
    async with alone() as node:
        ref, answers = await node.start("later", Deferring), {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: asked(ref, Deferring.ask_beside, into=answers, key=0)
            )
            await trio.testing.wait_all_tasks_blocked()
            await ref.call(Deferring.answer, "now")
        assert answers == {0: "now"}


@virtual
async def test_a_handler_may_answer_before_it_returns():
    async with pair(actors={"later": Deferring}) as (a, b):
        ref = a.ref(Deferring, "later", at="b")
        assert await ref.call(Deferring.at_once, 7) == 7
        assert statistics_of(b, "later").restarts == 0


@virtual
async def test_answering_twice_is_an_error():
    class Twice(GenServer):
        @call
        async def ask(self):
            caller = self.caller
            caller.reply(1)
            with pytest.raises(RuntimeError, match="answered already"):
                caller.reply(2)

    async with alone() as node:
        twice = await node.start("twice", Twice)
        assert await twice.call(Twice.ask) == 1


@virtual
async def test_a_handler_that_answers_and_returns_a_value_crashes():
    async with alone() as node:
        ref = await node.start("later", Deferring)
        assert await ref.call(Deferring.at_once, 7, returned=8) == 7
        await until(lambda: statistics_of(node, "later").restarts == 1)


@virtual
async def test_a_cast_cannot_be_answered():
    refused = []

    class Answering(GenServer):
        @cast
        async def take(self):
            with pytest.raises(RuntimeError, match="cast") as caught:
                self.caller.reply(1)
            refused.append(caught)

    async with pair(actors={"x": Answering}) as (a, b):
        await a.cast("x@b", "take")
        await b.cast("x", "take")
        await until(lambda: len(refused) == 2)


@virtual
async def test_there_is_no_caller_when_no_call_or_cast_is_handled():
    found = []

    class Asking(GenServer):
        async def handle_info(self, message):
            with pytest.raises(RuntimeError, match="no call or cast"):
                self.caller  # noqa: B018
            found.append(message)

    async with alone() as node:
        await node.start("x", Asking)
        node._runtime.local("x").tell("info")
        await until(lambda: found)


@virtual
async def test_the_caller_names_its_node():
    class Who(GenServer):
        @call
        async def serial(self):
            return self.caller.node

        @call(concurrent=True)
        async def beside(self):
            return self.caller.node

        @cast
        async def by_cast(self, nodes):
            nodes.append(self.caller.node)

    async with pair(actors={"who": Who}) as (a, b):
        assert await a.call("who@b", "serial") == "a"
        assert await a.call("who@b", "beside") == "a"
        assert await b.call("who", "serial") == "b"
        nodes = []
        await b.cast("who", "by_cast", nodes)
        await until(lambda: nodes == ["b"])


@virtual
async def test_a_late_answer_to_a_caller_that_gave_up_is_dropped_and_counted():
    async with alone() as node:
        ref = await node.start("later", Deferring)
        with pytest.raises(CallTimeout):
            await ref.within(1).call(Deferring.ask)
        await ref.call(Deferring.answer, "too late")
        assert node.statistics().late_replies == 1


@virtual
async def test_a_later_answer_leaves_at_once():
    class Slow(GenServer):
        @call
        async def ask(self):
            self.send_after(0.3, self.caller)
            return later()

        async def handle_info(self, caller):
            caller.reply("soon")

    async with pair(actors={"slow": Slow}) as (a, _):
        began = trio.current_time()
        assert await a.call("slow@b", "ask") == "soon"
        assert trio.current_time() - began < 0.31  # long before the next Ping


@virtual
async def test_an_answer_that_cannot_travel_is_told_to_the_caller_at_once():
    """Also if the handler survives it, and does nothing more."""

    class Odd(GenServer):
        @call
        async def ask(self):
            caller = self.caller
            self.send_after(0.3, caller)
            return later()

        async def handle_info(self, caller):
            with pytest.raises(Exception, match="cannot send"):
                caller.reply(object())

    async with pair(actors={"odd": Odd}) as (a, b):
        began = trio.current_time()
        with pytest.raises(RemoteFault, match="EncodeError"):
            await a.call("odd@b", "ask")
        assert trio.current_time() - began < 0.31  # long before the next Ping
        assert statistics_of(b, "odd").restarts == 0
