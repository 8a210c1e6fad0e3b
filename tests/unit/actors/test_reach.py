"""What of an actor can be called from outside, and with what."""

from __future__ import annotations

import pytest

from clusterkit import GenServer, call, cast
from clusterkit.errors import (
    BadArguments,
    NoSuchHandler,
)
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.unit.servers import Slow
from tests.waiting import until


class Fallback(GenServer):
    def __init__(self):
        self.casts = []

    async def handle_call(self, event, args, kwargs):
        return [event, args, kwargs]

    async def handle_cast(self, event, args, kwargs):
        self.casts.append([event, args, kwargs])

    @call
    async def read(self):
        return self.casts


@virtual
async def test_handle_call_answers_what_no_handler_does():
    async with pair(actors={"x": Fallback}) as (a, _):
        answer = await a.call("x@b", "anything", 1, key=2)
        assert answer == ["anything", [1], {"key": 2}]


@virtual
async def test_handle_cast_takes_what_no_handler_does():
    async with pair(actors={"x": Fallback}) as (a, _):
        await a.cast("x@b", "anything", 1, key=2)
        assert await a.call("x@b", "read") == [["anything", [1], {"key": 2}]]


@virtual
async def test_an_unknown_call_is_refused_and_the_actor_lives_on():
    async with pair(actors={"slow": Slow}) as (a, b):
        with pytest.raises(NoSuchHandler) as caught:
            await a.call("slow@b", "nonsense")
        assert (caught.value.to, caught.value.event) == ("slow@b", "nonsense")
        assert statistics_of(b, "slow").restarts == 0


@virtual
async def test_an_unknown_cast_is_counted_and_the_actor_lives_on():
    async with pair(actors={"slow": Slow}) as (a, b):
        await a.cast("slow@b", "nonsense")
        await until(lambda: statistics_of(b, "slow").dropped == 1)
        assert statistics_of(b, "slow").restarts == 0


UNREACHABLE = ["init", "terminate", "handle_info", "exit", "_process", "__init__"]


@pytest.mark.parametrize("event", [*UNREACHABLE, "handle_call", "caller", "name"])
@virtual
async def test_a_peer_cannot_call_what_is_the_actors_own(event):
    async with pair(actors={"x": Fallback}) as (a, _):
        with pytest.raises(NoSuchHandler):
            await a.call("x@b", event)


@pytest.mark.parametrize("event", UNREACHABLE)
@virtual
async def test_a_peer_cannot_cast_to_what_is_the_actors_own(event):
    async with pair(actors={"x": Fallback}) as (a, b):
        await a.cast("x@b", event)
        assert await a.call("x@b", "read") == []
        assert statistics_of(b, "x").dropped == 1


@virtual
async def test_a_method_without_a_mark_cannot_be_called():
    class Plain(GenServer):
        async def helper(self):
            return "reached"

    async with alone() as node:
        await node.start("x", Plain)
        with pytest.raises(NoSuchHandler):
            await node.call("x", "helper")


@virtual
async def test_a_cast_handler_cannot_be_called():
    async with alone() as node:
        await node.start("slow", Slow)
        with pytest.raises(NoSuchHandler, match="is a cast"):
            await node.call("slow", "note", 1)


@virtual
async def test_a_cast_to_a_call_handler_is_dropped_and_counted():
    async with alone() as node:
        await node.start("slow", Slow)
        await node.cast("slow", "work", "x")
        await until(lambda: statistics_of(node, "slow").dropped == 1)
        assert await node.call("slow", "read") == []


class Picky(GenServer):
    @call
    async def take(self, a, b=2, *, c=3):
        return [a, b, c]

    @call
    async def needs(self, *, key):
        return key

    @call
    async def many(self, *args, **kwargs):
        return [list(args), kwargs]

    @cast
    async def put(self, a):
        raise AssertionError("never with wrong arguments")


@pytest.mark.parametrize(
    ("event", "args", "kwargs"),
    [
        ("take", (), {}),
        ("take", (1, 2, 3), {}),
        ("take", (1,), {"a": 1}),
        ("take", (1,), {"d": 1}),
        ("take", (1,), {"self": 1}),
        ("needs", (), {}),
        ("needs", (1,), {}),
    ],
)
@virtual
async def test_wrong_arguments_are_refused_before_the_handler_runs(event, args, kwargs):
    async with pair(actors={"x": Picky}) as (a, b):
        with pytest.raises(BadArguments):
            await a.call("x@b", event, *args, **kwargs)
        assert statistics_of(b, "x").restarts == 0


@pytest.mark.parametrize(
    ("event", "args", "kwargs", "answer"),
    [
        ("take", (1,), {}, [1, 2, 3]),
        ("take", (1, 4), {}, [1, 4, 3]),
        ("take", (), {"a": 5, "c": 6}, [5, 2, 6]),
        ("needs", (), {"key": "k"}, "k"),
        ("many", (1, 2), {"x": 3}, [[1, 2], {"x": 3}]),
        ("many", (), {}, [[], {}]),
    ],
)
@virtual
async def test_positional_and_keyword_arguments_travel(event, args, kwargs, answer):
    async with pair(actors={"x": Picky}) as (a, b):
        assert await a.call("x@b", event, *args, **kwargs) == answer
        assert await b.call("x", event, *args, **kwargs) == answer


@virtual
async def test_a_cast_with_wrong_arguments_is_dropped_and_counted():
    async with pair(actors={"x": Picky}) as (a, b):
        await a.cast("x@b", "put")
        await a.cast("x@b", "put", 1, 2)
        await a.cast("x@b", "put", b=1)
        await until(lambda: statistics_of(b, "x").dropped == 3)
        assert statistics_of(b, "x").restarts == 0


@virtual
async def test_an_inherited_handler_can_be_called():
    class Faster(Slow):
        @call
        async def quick(self):
            return "quick"

    async with alone() as node:
        ref = await node.start("x", Faster)
        assert await ref.call(Slow.work, "inherited") == "inherited"
        assert await ref.call(Faster.quick) == "quick"


@virtual
async def test_an_overriding_handler_takes_the_place_of_the_inherited_one():
    class Other(Slow):
        @call
        async def work(self, name, seconds=0.0):
            return "other"

    async with alone() as node:
        ref = await node.start("x", Other)
        assert await ref.call(Slow.work, "x") == "other"


@virtual
async def test_a_handler_overridden_by_a_plain_method_is_out_of_reach():
    class Closed(Slow):
        async def work(self, name, seconds=0.0):
            return "plain"

    async with alone() as node:
        await node.start("x", Closed)
        with pytest.raises(NoSuchHandler):
            await node.call("x", "work", "x")
