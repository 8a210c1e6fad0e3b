"""A stop waits for what an actor has under way; the end of a node, so long."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.cluster.command_server import CommandServer
from clusterkit.errors import ActorDown, NodeDown, RemoteFault
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import alone, on_network, pair, statistics_of, virtual


class Working(GenServer):
    """Has work under way when it is stopped."""

    def __init__(self, log=None):
        self.log = log if log is not None else []
        self.waiting = []

    async def terminate(self, reason):
        self.log.append(f"terminate {reason}")

    async def handle_info(self, message):
        self.waiting.pop().reply(message)

    @call(concurrent=True)
    async def work(self, seconds):
        await trio.sleep(seconds)
        self.log.append("worked")
        return "done"

    @cast(concurrent=True)
    async def begin(self, seconds):
        await trio.sleep(seconds)
        self.log.append("worked")

    @call
    async def promise(self):
        self.waiting.append(self.caller)
        return later()

    @call
    async def promise_after(self, seconds):
        self.send_after(seconds, "in time")
        return await self.promise()

    @cast
    async def keep(self, value):
        self.waiting.pop().reply(value)

    @call
    async def leave(self):
        self.exit()

    @cast
    async def crash(self):
        raise ValueError("broken")

    @cast
    async def hang(self):
        await trio.sleep_forever()

    @cast
    async def toil(self, seconds):
        await trio.sleep(seconds)
        self.log.append("toiled")

    @call
    async def ping(self):
        return "pong"

    @call(concurrent=True)
    async def stop_myself(self):
        await self.node.stop(self.name)
        return "soon"


async def outcome(ref, handler, *args, into):
    try:
        into.append(await ref.within(500).call(handler, *args))
    except (ActorDown, NodeDown, RemoteFault) as error:
        into.append(type(error))


@virtual
async def test_a_stop_waits_for_concurrent_handlers_before_terminate():
    async with alone() as node, trio.open_nursery() as nursery:
        log, answers = [], []
        ref = await node.start("x", Working, log)
        await ref.cast(Working.begin, 2)
        nursery.start_soon(lambda: outcome(ref, Working.work, 3, into=answers))
        await trio.sleep(1)
        await node.stop("x")
        await trio.testing.wait_all_tasks_blocked()
        assert answers == ["done"]
        assert log == ["worked", "worked", "terminate shutdown"]


@virtual
async def test_a_stop_waits_for_promised_answers():
    async with pair(actors={"x": Working}) as (a, b), trio.open_nursery() as nursery:
        ref, answers = a.ref(Working, "x", at="b"), []
        nursery.start_soon(lambda: outcome(ref, Working.promise, into=answers))
        await trio.sleep(1)
        caller = b._runtime.local("x").server.waiting[0]
        nursery.start_soon(b.stop, "x")
        await trio.sleep(3)
        assert statistics_of(b, "x") is not None
        caller.reply("kept")
        await trio.sleep(0.1)
        assert answers == ["kept"]
        assert statistics_of(b, "x") is None


@pytest.mark.parametrize("how", ["cast", "timer"])
@virtual
async def test_what_a_promise_depends_on_is_handled_while_the_actor_stops(how):
    async with alone() as node, trio.open_nursery() as nursery:
        ref, answers = await node.start("x", Working), []
        event = Working.promise_after if how == "timer" else Working.promise
        args = (3,) if how == "timer" else ()
        nursery.start_soon(lambda: outcome(ref, event, *args, into=answers))
        await trio.sleep(1)
        nursery.start_soon(node.stop, "x")
        await trio.sleep(1)
        if how == "cast":
            await ref.cast(Working.keep, "in time")
        await trio.sleep(2)
        assert answers == ["in time"]
        assert statistics_of(node, "x") is None


@virtual
async def test_an_actor_that_stops_takes_no_more_calls():
    async with alone() as node, trio.open_nursery() as nursery:
        ref = await node.start("x", Working)
        await ref.cast(Working.begin, 5)
        await trio.sleep(1)
        nursery.start_soon(node.stop, "x")
        await trio.sleep(1)
        began = trio.current_time()
        for _ in range(3):
            with pytest.raises(ActorDown):
                await ref.call(Working.ping)
        assert trio.current_time() - began < 0.1
        assert statistics_of(node, "x") is not None


@virtual
async def test_a_stop_waits_no_longer_than_the_drain_time():
    async with alone(config={"drain_timeout": 4.0}) as node:
        async with trio.open_nursery() as nursery:
            log, answers = [], []
            ref = await node.start("x", Working, log)
            nursery.start_soon(lambda: outcome(ref, Working.work, 1000, into=answers))
            nursery.start_soon(lambda: outcome(ref, Working.promise, into=answers))
            await trio.sleep(1)
            began = trio.current_time()
            await node.stop("x")
            assert trio.current_time() - began == pytest.approx(4)
            await trio.testing.wait_all_tasks_blocked()
            assert answers == [ActorDown, ActorDown]
            assert log == ["terminate shutdown"]


@virtual
async def test_a_serial_handler_runs_to_its_end_beyond_the_drain_time():
    async with alone(config={"drain_timeout": 4.0}) as node:
        log = []
        ref = await node.start("x", Working, log)
        await ref.cast(Working.begin, 2)
        await ref.cast(Working.toil, 20)
        await trio.sleep(1)
        await node.stop("x")
        assert log == ["worked", "toiled", "terminate shutdown"]


@virtual
async def test_a_caller_that_gives_up_is_not_waited_for():
    async with pair(actors={"x": Working}) as (a, b), trio.open_nursery() as nursery:
        ref = a.ref(Working, "x", at="b")
        for event, args in ((Working.promise, ()), (Working.work, (1000,))):
            nursery.start_soon(lambda e=event, s=args: outcome(ref, e, *s, into=[]))
        await trio.sleep(1)
        began = trio.current_time()
        nursery.cancel_scope.deadline = began + 2
        with trio.CancelScope(shield=True):
            await b.stop("x")
            assert trio.current_time() - began == pytest.approx(2, abs=0.1)


@virtual
async def test_a_crash_cuts_what_runs_beside_at_once():
    async with alone() as node, trio.open_nursery() as nursery:
        log, answers = [], []
        ref = await node.start("x", Working, log)
        nursery.start_soon(lambda: outcome(ref, Working.work, 1000, into=answers))
        await trio.sleep(1)
        await ref.cast(Working.crash)
        await trio.sleep(1)
        assert answers == [ActorDown]
        assert log == ["terminate ValueError"]


@virtual
async def test_a_crash_while_it_stops_ends_the_wait():
    async with alone() as node, trio.open_nursery() as nursery:
        log, answers = [], []
        ref = await node.start("x", Working, log)
        nursery.start_soon(lambda: outcome(ref, Working.work, 1000, into=answers))
        await trio.sleep(1)
        nursery.start_soon(node.stop, "x")
        await trio.sleep(1)
        await ref.cast(Working.crash)
        await trio.sleep(1)
        assert answers == [ActorDown]
        assert log == ["terminate ValueError"]
        assert statistics_of(node, "x") is None


@virtual
async def test_an_exit_waits_for_concurrent_handlers_and_breaks_promises():
    async with alone() as node, trio.open_nursery() as nursery:
        log, answers = [], []
        ref = await node.start("x", Working, log)
        nursery.start_soon(lambda: outcome(ref, Working.promise, into=answers))
        await ref.cast(Working.begin, 3)
        await trio.sleep(1)
        await ref.call(Working.leave)
        assert log == []
        await trio.sleep(3)
        assert answers == [ActorDown]
        assert log == ["worked", "terminate normal"]
        assert await ref.call(Working.ping) == "pong"
        await node.stop("x")


@virtual
async def test_an_actor_stopped_from_a_concurrent_handler_answers_it():
    async with alone() as node:
        ref = await node.start("x", Working)
        began = trio.current_time()
        assert await ref.call(Working.stop_myself) == "soon"
        await trio.testing.wait_all_tasks_blocked()
        assert statistics_of(node, "x") is None
        assert trio.current_time() == began


@virtual
async def test_an_actor_that_stops_at_once_when_it_owes_nothing():
    async with alone() as node:
        ref = await node.start("x", Working)
        assert await ref.call(Working.work, 1) == "done"
        began = trio.current_time()
        await node.stop("x")
        assert trio.current_time() == began


@virtual
async def test_a_tool_that_watches_does_not_hold_up_the_end_of_its_node():
    class Brief(Working):
        _lingers = CommandServer._lingers

    async with alone() as node, trio.open_nursery() as nursery:
        answers, ref = [], await node.start("x", Brief)
        nursery.start_soon(lambda: outcome(ref, Working.work, 1000, into=answers))
        await trio.sleep(1)
        await node.stop("x")
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [ActorDown]
        assert trio.current_time() < 1.1


@virtual
async def test_leaving_the_block_lets_concurrent_handlers_end():
    network, log, answers = MemoryNetwork(Random(0)), [], []
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        async with on_network(network, "b") as b:
            await b.start("x", Working, log)
            await a.kernel.connect(b.address)
            ref = a.ref(Working, "x", at="b")
            nursery.start_soon(lambda: outcome(ref, Working.work, 3, into=answers))
            await trio.sleep(1)
        assert log == ["worked", "terminate shutdown"]
        assert answers == ["done"]


@virtual
async def test_an_actor_that_hangs_keeps_no_other_from_its_end():
    logs = {name: [] for name in ("one", "stuck", "two", "hung", "three")}
    async with alone(config={"drain_timeout": 10.0}) as node:
        for name, log in logs.items():
            await node.start(name, Working, log)
        await node.cast("stuck", "hang")
        await node.cast("hung", "hang")
        await node.cast("two", "toil", 3)
        await trio.sleep(1)
        began = trio.current_time()
    assert trio.current_time() - began <= 10
    assert logs == {
        "one": ["terminate shutdown"],
        "stuck": [],
        "two": ["toiled", "terminate shutdown"],
        "hung": [],
        "three": ["terminate shutdown"],
    }


@virtual
async def test_an_actor_can_use_those_that_were_started_before_it_to_its_end():
    class Front(Working):
        @cast
        async def ask_behind(self):
            await trio.sleep(1)
            self.log.append(await self.node.call("behind", "ping"))

    log = []
    async with alone() as node:
        await node.start("behind", Working)
        await node.start("front", Front, log)
        await node.cast("front", "ask_behind")
        await node.cast("front", "ask_behind")
    assert log == ["pong", "pong", "terminate shutdown"]


@virtual
async def test_who_called_an_actor_that_is_cut_is_told():
    network, answers = MemoryNetwork(Random(0)), []
    config = {"drain_timeout": 5.0}
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        async with on_network(network, "b", config=config) as b:
            await b.start("x", Working)
            await a.kernel.connect(b.address)
            ref = a.ref(Working, "x", at="b")
            await ref.cast(Working.hang)
            nursery.start_soon(lambda: outcome(ref, Working.ping, into=answers))
            await trio.sleep(1)
            began = trio.current_time()
        assert trio.current_time() - began <= 5
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [ActorDown]


@virtual
async def test_an_actor_started_while_the_node_stops_is_stopped_too():
    log = []

    class Parting(GenServer):
        async def terminate(self, reason):
            await self.node.start("late", Working, log)

    async with alone() as node:
        await node.start("x", Parting)
    assert log == ["terminate shutdown"]


@pytest.mark.parametrize("waits_for", ["start", "stop"])
@virtual
async def test_who_waits_outside_the_block_hears_that_the_node_has_ended(waits_for):
    class Endless(GenServer):
        async def init(self):
            if waits_for == "start":
                await trio.sleep_forever()

        async def terminate(self, reason):
            await trio.sleep_forever()

    ended = []

    async def wait(node):
        one = (node.start, "y", Endless) if waits_for == "start" else (node.stop, "x")
        with pytest.raises(NodeDown, match="this node has ended"):
            await one[0](*one[1:])
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        async with alone(config={"drain_timeout": 3.0}) as node:
            if waits_for == "stop":
                await node.start("x", Endless)
            nursery.start_soon(wait, node)
            await trio.sleep(1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(ended) == 1


@virtual
async def test_a_call_on_a_node_that_has_ended_is_an_error():
    async with alone() as node:
        ref = await node.start("x", Working)
    with pytest.raises(NodeDown, match="this node has ended"):
        await ref.call(Working.ping)


@pytest.mark.parametrize("event", ["end", "end_beside"])
@virtual
async def test_an_actor_may_end_its_own_node(event):
    class Ending(Working):
        @call
        async def end(self):
            await self.node.shutdown()

        @call(concurrent=True)
        async def end_beside(self):
            await self.node.shutdown()

    log = []
    async with alone() as node:
        await node.start("first", Working, log)
        await node.start("x", Ending)
        await node.start("last", Working, log)
        began = trio.current_time()
        await node.call("x", event)
    assert trio.current_time() - began < 0.1
    assert log == ["terminate shutdown"] * 2


@virtual
async def test_a_stop_during_an_init_that_nobody_waits_for_any_more_ends():
    class Stubborn(GenServer):
        async def init(self):
            with trio.CancelScope(shield=True):
                await trio.sleep(5)

    starting = trio.CancelScope()

    async def start(node):
        with starting:
            await node.start("x", Stubborn)

    async with alone() as node, trio.open_nursery() as nursery:
        nursery.start_soon(start, node)
        await trio.sleep(1)
        nursery.start_soon(node.stop, "x")
        await trio.sleep(1)
        starting.cancel()
        await trio.sleep(5)
        assert statistics_of(node, "x") is None
