"""Streams in the hands of those who use them as they should not."""

from __future__ import annotations

import math
from threading import Thread

import pytest
import trio

from clusterkit import GenServer, Stream, stream
from clusterkit.errors import ClusterError, ConfigError
from tests.unit.nodes import alone, pair, virtual
from tests.unit.streams import EVERYWHERE, PLACES, Files, at_rest, files_of
from tests.waiting import until


class Keeper(GenServer):
    """Goes on with streams after their end, and notes what comes of that."""

    def __init__(self, nursery):
        self.nursery = nursery
        self.log = []

    @stream
    async def leave_to_others(self, both: Stream):
        self.nursery.start_soon(self.noting, "reader", self.read, both)
        self.nursery.start_soon(self.noting, "sender", self.pour, both)
        await trio.sleep(1)

    @stream
    async def read_shielded(self, incoming: Stream):
        with trio.CancelScope(shield=True):
            await self.noting("reader", self.read, incoming)

    @stream
    async def pour_shielded(self, out: Stream):
        with trio.CancelScope(shield=True):
            await self.noting("sender", self.pour, out)

    @stream
    async def read_at_the_end(self, incoming: Stream):
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await self.noting("reader", self.read, incoming)

    async def noting(self, who, work, s):
        try:
            await work(s)
        except Exception as error:
            self.log.append(f"{who} {type(error).__name__}")
        else:
            self.log.append(f"{who} ends")

    async def read(self, s):
        async for _ in s:
            pass

    async def pour(self, s):
        while True:
            await s.send(bytes(10_000))


NODES = {"here": (alone, "a"), "there": (pair, "b")}
ON_EITHER = pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)


async def keep(nodes, event, seconds):
    """Leave a stream of endless patience to a `Keeper`; return its notes."""
    place, host = nodes
    async with trio.open_nursery() as nursery:
        keeper = Keeper(nursery)
        async with place(actors={"keeper": lambda: keeper}) as made:
            a = made if place is alone else made[0]
            ref = a.ref(Keeper, "keeper", at=host).within(math.inf)
            async with ref.stream(event):
                await trio.sleep(seconds)
            await trio.sleep(1)
            found = sorted(keeper.log)
        nursery.cancel_scope.cancel()
    return found


@ON_EITHER
@virtual
async def test_who_still_uses_the_stream_of_a_handler_that_has_returned_is_told(nodes):
    found = await keep(nodes, Keeper.leave_to_others, 2)
    assert found == ["reader StreamClosed", "sender StreamClosed"]


SHIELDED = {
    "reading": (Keeper.read_shielded, "reader StreamClosed"),
    "sending": (Keeper.pour_shielded, "sender StreamClosed"),
    "at the end": (Keeper.read_at_the_end, "reader StreamClosed"),
}


@pytest.mark.parametrize(("event", "end"), SHIELDED.values(), ids=SHIELDED)
@ON_EITHER
@virtual
async def test_a_handler_that_cannot_be_cancelled_does_not_wait_for_ever(
    nodes, event, end
):
    assert await keep(nodes, event, 1) == [end]


NO_ERRORS = {
    "nothing": None,
    "text": "broken",
    "a class": ValueError,
    "an exit": KeyboardInterrupt(),
}


@pytest.mark.parametrize("error", NO_ERRORS.values(), ids=NO_ERRORS)
@EVERYWHERE
@virtual
async def test_a_stream_fails_with_an_exception_only(place, error):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.write) as s:
            with pytest.raises(TypeError, match="fails with an exception"):
                s.fail(error)
            await s.send(1)
            assert await s.finish() == [1]
        await until(lambda: at_rest(nodes))


BEFORE = {"end": Stream.end, "fail": lambda s: s.fail(ValueError("early"))}


@pytest.mark.parametrize("end", BEFORE.values(), ids=BEFORE)
@EVERYWHERE
@virtual
async def test_a_stream_is_not_ended_before_it_is_open(place, end):
    async with place() as nodes:
        s = files_of(nodes).stream(Files.write)
        with pytest.raises(RuntimeError, match="within its `async with` block"):
            end(s)
        async with s:
            await s.send(1)
            assert await s.finish() == [1]
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_any_memoryview_is_bytes(place):
    every_other = memoryview(bytes(range(100)))[::2]
    table = memoryview(bytes(range(100))).cast("B", shape=[10, 10])
    async with place() as nodes, files_of(nodes).stream(Files.collect) as s:
        await s.send(every_other)
        await s.send(table)
        assert await s.finish() == bytes(range(0, 100, 2)) + bytes(range(100))


NO_LIMITS = {"nothing": None, "text": "10", "less": -1, "no number": math.nan}


@pytest.mark.parametrize("limit", NO_LIMITS.values(), ids=NO_LIMITS)
@virtual
async def test_a_limit_that_is_none_costs_nothing_of_what_came(limit):
    async with (
        PLACES["there"]() as nodes,
        files_of(nodes).stream(Files.read, b"all of it") as s,
    ):
        with pytest.raises(ConfigError, match="limit"):
            await s.collect(limit)
        assert await s.collect(math.inf) == b"all of it"


def in_a_thread(function, *args):
    """Call it in another thread; return what it raised."""
    raised = []

    def run():
        try:
            function(*args)
        except Exception as error:
            raised.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


async def iterate(s):
    return await anext(s)


FROM_ELSEWHERE = {
    "end": lambda s: s.end(),
    "fail": lambda s: s.fail(ValueError("broken")),
    "send": lambda s: trio.run(s.send, b"x"),
    "receive": lambda s: trio.run(iterate, s),
    "result": lambda s: trio.run(s.result),
    "finish": lambda s: trio.run(s.finish),
    "leave": lambda s: trio.run(s.__aexit__, None, None, None),
}


@pytest.mark.parametrize("use", FROM_ELSEWHERE.values(), ids=FROM_ELSEWHERE)
@EVERYWHERE
@virtual
async def test_a_stream_is_refused_to_other_threads_and_unharmed(place, use):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.write) as s:
            await trio.sleep(1)
            error = in_a_thread(use, s)
            assert isinstance(error, ClusterError)
            assert "thread" in str(error)
            await s.send(1)
            assert await s.finish() == [1]
        await until(lambda: at_rest(nodes))
