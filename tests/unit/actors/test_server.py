"""What the author of an actor may rely on."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import (
    ActorDown,
    BadArguments,
    CallTimeout,
    ConfigError,
    NoSuchHandler,
)
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.unit.servers import Slow
from tests.waiting import until


@virtual
async def test_one_handler_runs_at_a_time_in_order_of_arrival():
    async with alone() as node:
        slow = await node.start("slow", Slow)
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(slow.call, Slow.work, name)
                await trio.testing.wait_all_tasks_blocked()
        log = await slow.call(Slow.read)
    assert log == [f"{n} {what}" for n in "abc" for what in ("begins", "ends")]


@virtual
async def test_a_hundred_calls_of_one_sender_are_handled_in_order():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b").within(1000)
        async with trio.open_nursery() as nursery:
            for i in range(100):
                nursery.start_soon(slow.call, Slow.work, i, 0.01)
                await trio.testing.wait_all_tasks_blocked()
        log = await slow.call(Slow.read)
    assert log == [f"{n} {what}" for n in range(100) for what in ("begins", "ends")]


@virtual
async def test_casts_and_calls_of_one_sender_keep_their_order():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b")
        for i in range(0, 100, 2):
            await slow.cast(Slow.note, i)
            slow.cast_nowait(Slow.note, i + 1)
        assert await slow.call(Slow.read) == list(range(100))


@virtual
async def test_concurrent_handlers_run_beside_each_other():
    async with alone() as node:
        slow = await node.start("slow", Slow)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(slow.call, Slow.beside, name)
        assert trio.current_time() - began == pytest.approx(1.0)


@virtual
async def test_a_concurrent_handler_does_not_hold_up_serial_ones():
    async with alone() as node:
        slow = await node.start("slow", Slow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow.call, Slow.beside, "long", 4.0)
            await trio.testing.wait_all_tasks_blocked()
            assert await slow.call(Slow.work, "short") == "short"
            assert await slow.call(Slow.read) == [
                "long begins",
                "short begins",
                "short ends",
            ]


@pytest.mark.parametrize("local", [True, False], ids=["local", "remote"])
@virtual
async def test_a_cancelled_caller_cancels_a_cancellable_handler(local):
    async with pair(actors={"slow": Slow}) as (a, b):
        slow = (b if local else a).ref(Slow, "slow", at="b")
        with trio.move_on_after(1):
            await slow.call(Slow.cancellable, "x", 100)
        await trio.sleep(0.1)
        assert await slow.call(Slow.read) == ["x begins", "x cancelled"]
        assert statistics_of(b, "slow").restarts == 0


@virtual
async def test_a_caller_that_times_out_cancels_a_cancellable_handler():
    async with pair(actors={"slow": Slow}) as (a, _):
        slow = a.ref(Slow, "slow", at="b")
        with pytest.raises(CallTimeout):
            await slow.within(1).call(Slow.cancellable, "x", 100)
        await trio.sleep(0.1)
        assert await slow.call(Slow.read) == ["x begins", "x cancelled"]


@virtual
async def test_a_caller_that_is_cut_off_cancels_a_concurrent_handler():
    async with alone() as node:
        slow = await node.start("slow", Slow)
        with trio.move_on_after(1):
            await slow.call(Slow.beside, "x", 100)
        await trio.sleep(200)
        assert await slow.call(Slow.read) == ["x begins"]


@virtual
async def test_a_plain_handler_runs_to_its_end_though_its_caller_gave_up():
    async with alone() as node:
        slow = await node.start("slow", Slow)
        with trio.move_on_after(1):
            await slow.call(Slow.work, "x", 3)
        assert await slow.call(Slow.read) == ["x begins", "x ends"]


@virtual
async def test_a_concurrent_handler_whose_caller_gave_up_first_does_not_begin():
    async with alone() as node:
        slow = await node.start("slow", Slow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow.call, Slow.work, "first", 1)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.5):
                await slow.call(Slow.beside, "x")
        assert "x begins" not in await slow.call(Slow.read)


@virtual
async def test_a_concurrent_handler_taken_but_not_begun_is_dropped_with_its_caller():
    class Forgetful(Slow):
        @cast
        async def forget(self):
            # The loop has taken the call before this cast; its task has not run.
            runtime = self._process.runtime
            (call_id,) = runtime.here.open_calls
            runtime.cancel(runtime.here, call_id)

    async with alone() as node:
        slow = await node.start("slow", Forgetful)
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(CallTimeout):
                    await slow.within(1).call(Slow.beside, "x")

            node.pause("slow")
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await slow.cast(Forgetful.forget)
            node.resume("slow")
        assert await slow.call(Slow.read) == []


@virtual
async def test_an_actor_knows_its_node_its_name_and_itself():
    class Knowing(GenServer):
        @call
        async def look(self):
            return [self.node, self.name, self.ref]

    async with alone() as node:
        ref = await node.start("me", Knowing)
        assert await ref.call(Knowing.look) == [node, "me", ref]


@virtual
async def test_exit_ends_the_actor_after_the_message():
    class Leaving(GenServer):
        restart = "temporary"
        reasons = []

        @call
        async def leave(self):
            self.exit()
            return "bye"

        async def terminate(self, reason):
            self.reasons.append(reason)

    async with alone() as node:
        ref = await node.start("x", Leaving)
        assert await ref.call(Leaving.leave) == "bye"
        await until(lambda: statistics_of(node, "x") is None)
        assert Leaving.reasons == ["normal"]


@virtual
async def test_calls_behind_an_exit_get_actor_down():
    class Leaving(GenServer):
        restart = "temporary"

        @call
        async def leave(self):
            await trio.sleep(1)
            self.exit()

        @call
        async def ask(self):
            return 1

    async with alone() as node:
        ref = await node.start("x", Leaving)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, Leaving.leave)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ActorDown):
                await ref.call(Leaving.ask)


@virtual
async def test_a_plain_server_takes_handlers_of_its_own():
    server, seen = GenServer(), []

    @server.on_call("hello")
    async def hello(name, greeting="hello"):
        return f"{greeting} {name}"

    @server.on_cast("see")
    async def see(thing):
        seen.append(thing)

    async with pair(actors={"foo": server}) as (a, b):
        assert await a.call("foo@b", "hello", "you") == "hello you"
        assert await b.call("foo", "hello", "you", greeting="hi") == "hi you"
        await a.cast("foo@b", "see", 1)
        await until(lambda: seen == [1])
        with pytest.raises(BadArguments):
            await a.call("foo@b", "hello")


@virtual
async def test_handlers_of_one_plain_server_are_not_anothers():
    one, two = GenServer(), GenServer()

    @one.on_call("hello")
    async def hello():
        return "one"

    async with alone() as node:
        await node.start("one", one)
        await node.start("two", two)
        assert await node.call("one", "hello") == "one"
        with pytest.raises(NoSuchHandler):
            await node.call("two", "hello")


@virtual
async def test_a_handler_may_be_added_while_the_actor_runs():
    server = GenServer()
    async with alone() as node:
        await node.start("foo", server)
        with pytest.raises(NoSuchHandler):
            await node.call("foo", "hello")

        @server.on_call("hello")
        async def hello():
            return "world"

        assert await node.call("foo", "hello") == "world"


@virtual
async def test_an_actor_may_give_itself_a_handler_while_it_runs():
    class Learning(GenServer):
        @call
        async def learn(self, event):
            self.on_call(event)(self.knowing)

        async def knowing(self):
            return "learned"

    async with alone() as node:
        await node.start("x", Learning)
        await node.call("x", "learn", "hello")
        assert await node.call("x", "hello") == "learned"


@pytest.mark.parametrize("event", ["", "init", "_private", "terminate", "handle_call"])
def test_on_call_refuses_the_actors_own_names(event):
    with pytest.raises(ConfigError):
        GenServer().on_call(event)


@virtual
async def test_an_idle_actor_does_not_keep_its_last_message_alive():
    import gc
    import weakref

    class Big:
        pass

    class Taking(GenServer):
        @call
        async def take(self, big):
            return None

    async with alone() as node:
        ref = await node.start("x", Taking)
        big = Big()
        gone = weakref.ref(big)
        await ref.call(Taking.take, big)
        del big
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        assert gone() is None
