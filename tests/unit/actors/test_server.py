"""What the author of an actor may rely on."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.errors import (
    ActorDown,
    BadArguments,
    CallTimeout,
    ConfigError,
    NoSuchHandler,
    RemoteFault,
)
from tests.unit.nodes import alone, pair, statistics_of, until, virtual


class Slow(GenServer):
    """Notes when each handler begins and ends."""

    def __init__(self):
        self.log = []

    @call
    async def work(self, name, seconds=1.0):
        self.log.append(f"{name} begins")
        await trio.sleep(seconds)
        self.log.append(f"{name} ends")
        return name

    @call(concurrent=True)
    async def beside(self, name, seconds=1.0):
        self.log.append(f"{name} begins")
        await trio.sleep(seconds)
        self.log.append(f"{name} ends")
        return name

    @call(cancellable=True)
    async def cancellable(self, name, seconds=1.0):
        self.log.append(f"{name} begins")
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.log.append(f"{name} cancelled")
            raise
        self.log.append(f"{name} ends")
        return name

    @cast
    async def note(self, name):
        self.log.append(name)

    @call
    async def read(self):
        return list(self.log)


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
    async with alone() as node:
        slow = await node.start("slow", Slow)
        await slow.call(Slow.read)
        async with trio.open_nursery() as nursery:

            async def give_up():
                with trio.CancelScope() as scope:
                    nursery.start_soon(cancel_when_taken, scope)
                    await slow.call(Slow.beside, "x")

            async def cancel_when_taken(scope):
                # Between the loop's taking the call and the handler's task.
                while node._runtime.local("slow").mailbox.queue:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                scope.cancel()

            nursery.start_soon(give_up)
        await trio.sleep(1)
        log = await slow.call(Slow.read)
        assert log == [] or log == ["x begins"]


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
async def test_an_answer_that_cannot_travel_is_told_to_the_caller_at_once():
    """Also if the handler survives it, and does nothing more."""

    class Odd(GenServer):
        @call
        async def ask(self):
            caller = self.caller
            self.send_after(1, caller)
            return later()

        async def handle_info(self, caller):
            with pytest.raises(Exception, match="cannot send"):
                caller.reply(object())

    async with pair(actors={"odd": Odd}) as (a, b):
        began = trio.current_time()
        with pytest.raises(RemoteFault, match="EncodeError"):
            await a.call("odd@b", "ask")
        assert trio.current_time() - began < 1.01
        assert statistics_of(b, "odd").restarts == 0


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
async def test_an_actor_knows_its_node_its_name_and_itself():
    class Knowing(GenServer):
        @call
        async def look(self):
            return [self.node, self.name, self.ref]

    async with alone() as node:
        ref = await node.start("me", Knowing)
        assert await ref.call(Knowing.look) == [node, "me", ref]


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


@virtual
async def test_a_timer_comes_to_handle_info():
    class Timed(GenServer):
        def __init__(self, times):
            self.times = times

        async def init(self):
            self.send_after(2, "two")
            self.send_after(1, "one")

        async def handle_info(self, message):
            self.times.append((message, trio.current_time()))

    async with alone() as node:
        times = []
        began = trio.current_time()
        await node.start("timed", Timed, times)
        await until(lambda: len(times) == 2)
        assert [name for name, _ in times] == ["one", "two"]
        assert [at - began for _, at in times] == pytest.approx([1, 2])


@virtual
async def test_a_timer_taken_back_does_not_come():
    class Timed(GenServer):
        def __init__(self):
            self.got = []

        async def init(self):
            self.send_after(1, "never")()
            self.send_after(2, "second")

        async def handle_info(self, message):
            self.got.append(message)

        @call
        async def read(self):
            return self.got

    async with alone() as node:
        ref = await node.start("timed", Timed)
        await trio.sleep(3)
        assert await ref.call(Timed.read) == ["second"]


@virtual
async def test_a_timer_dies_with_the_life_it_was_set_in():
    class Timed(GenServer):
        lives = 0

        async def init(self):
            Timed.lives += 1
            if Timed.lives == 1:
                self.send_after(5, "of the first life")

        async def handle_info(self, message):
            raise AssertionError(message)

        @cast
        async def crash(self):
            raise ValueError

    async with alone() as node:
        ref = await node.start("timed", Timed)
        await ref.cast(Timed.crash)
        await trio.sleep(10)
        assert statistics_of(node, "timed").restarts == 1


@virtual
async def test_a_timer_of_an_actor_that_ended_leaves_no_task():
    class Timed(GenServer):
        async def init(self):
            self.send_after(1e6, "much later")

    async with alone() as node:
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(5):
            await node.start("timed", Timed)
            await node.stop("timed")
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.parametrize("seconds", [-1, float("nan")])
@virtual
async def test_a_timer_in_the_past_is_refused_where_it_is_set(seconds):
    class Timed(GenServer):
        @call
        async def set(self, seconds):
            with pytest.raises(ConfigError):
                self.send_after(seconds, "x")

    async with alone() as node:
        ref = await node.start("timed", Timed)
        await ref.call(Timed.set, seconds)
        await trio.sleep(1)
        assert await node.call("timed", "set", seconds) is None


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
