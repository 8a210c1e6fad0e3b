"""How an actor begins, ends, crashes, and begins anew."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import (
    ActorDown,
    ConfigError,
    NameTaken,
    NoSuchActor,
    RemoteFault,
)
from clusterkit.events import ActorGaveUp, ActorRestarted
from tests.unit.nodes import alone, hearing, pair, statistics_of, until, virtual


class Fragile(GenServer):
    """Crashes on demand, and notes its lives."""

    def __init__(self, start=0):
        self.value = start

    @call
    async def add(self, n=1):
        self.value += n
        return self.value

    @call
    async def crash(self, error=ValueError):
        raise error("broken")

    @cast
    async def break_down(self):
        raise ValueError("broken")

    @call
    async def leave(self):
        self.exit()

    @call
    async def sleep(self, seconds):
        await trio.sleep(seconds)


class Transient(Fragile):
    restart = "transient"


class Temporary(Fragile):
    restart = "temporary"


class Lives(GenServer):
    """Writes down what happens to it, in a list that outlives it."""

    def __init__(self, log, *, failing=()):
        self.log = log
        self.failing = failing
        self.log.append("__init__")

    async def init(self):
        self.log.append("init")
        if "init" in self.failing:
            raise ValueError("no init")

    async def terminate(self, reason):
        self.log.append(f"terminate {reason}")
        if "terminate" in self.failing:
            raise ValueError("no end")

    @call
    async def crash(self):
        raise KeyError("gone")

    @call
    async def ping(self):
        return "pong"


async def crashed(ref, times=1):
    for _ in range(times):
        with pytest.raises((RemoteFault, ActorDown)):
            await ref.call(Fragile.crash)


@virtual
async def test_start_returns_when_init_has():
    class Patient(GenServer):
        ready = False

        async def init(self):
            await trio.sleep(3)
            Patient.ready = True

    async with alone() as node:
        await node.start("x", Patient)
        assert Patient.ready


@virtual
async def test_start_passes_its_arguments_to_the_constructor():
    class Taking(GenServer):
        def __init__(self, a, *, b):
            self.both = [a, b]

        @call
        async def read(self):
            return self.both

    async with alone() as node:
        ref = await node.start("x", Taking, 1, b=2)
        assert await ref.call(Taking.read) == [1, 2]


@virtual
async def test_an_error_in_init_is_the_error_of_start_and_frees_the_name():
    async with alone() as node:
        with pytest.raises(ValueError, match="no init"):
            await node.start("x", Lives, [], failing=["init"])
        await node.start("x", Lives, [])


@virtual
async def test_an_error_in_the_constructor_is_the_error_of_start():
    class Failing(GenServer):
        def __init__(self):
            raise KeyError("never")

    async with alone() as node:
        with pytest.raises(KeyError):
            await node.start("x", Failing)
        await node.start("x", Fragile)


@virtual
async def test_an_actor_whose_first_init_fails_is_not_restarted():
    log = []
    async with alone() as node:
        with pytest.raises(ValueError, match="no init"):
            await node.start("x", Lives, log, failing=["init"])
    assert log == ["__init__", "init"]


@virtual
async def test_a_start_cancelled_during_init_ends_the_actor():
    class Endless(GenServer):
        async def init(self):
            await trio.sleep_forever()

    async with alone() as node:
        with trio.move_on_after(1):
            await node.start("x", Endless)
        await trio.testing.wait_all_tasks_blocked()
        await node.start("x", Fragile)


@virtual
async def test_an_actor_whose_start_was_cancelled_is_not_restarted():
    log = []

    class Stubborn(Lives):
        async def init(self):
            with trio.CancelScope(shield=True):
                await trio.sleep(5)

    async with alone() as node:
        with trio.move_on_after(1):
            await node.start("x", Stubborn, log)
        await trio.sleep(10)
        assert statistics_of(node, "x") is None
    assert log == ["__init__", "terminate shutdown"]


@virtual
async def test_messages_that_came_during_init_are_handled_after_it():
    class Slow(GenServer):
        async def init(self):
            await trio.sleep(1)
            self.log = ["init"]

        @cast
        async def note(self):
            self.log.append("note")

        @call
        async def read(self):
            return self.log

    async with alone() as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.start, "x", Slow)
        await trio.sleep(0.5)
        await node.cast("x", "note")
        assert await node.call("x", "read") == ["init", "note"]


@virtual
async def test_a_name_is_held_by_one_actor():
    async with alone() as node:
        await node.start("x", Fragile)
        with pytest.raises(NameTaken):
            await node.start("x", Fragile)
        assert await node.call("x", "add") == 1


@virtual
async def test_a_name_is_made_up_if_none_is_given():
    async with alone() as node:
        one, two = await node.start(None, Fragile, 10), await node.start(None, Fragile)
        assert one.name != two.name
        assert await one.call(Fragile.add) == 11


@virtual
async def test_a_name_that_is_made_up_is_not_one_that_is_taken():
    async with alone() as node:
        for i in range(1, 50):
            await node.start(f"actor-{i}", Fragile)
        ref = await node.start(None, Fragile)
        assert await ref.call(Fragile.add) == 1


@pytest.mark.parametrize("name", ["", "_mine", "a b", "x" * 129, "é", 5])
@virtual
async def test_names_that_no_actor_may_have_are_refused(name):
    async with alone() as node:
        with pytest.raises(ConfigError):
            await node.start(name, Fragile)


@virtual
async def test_what_builds_no_actor_is_refused():
    async with alone() as node:
        with pytest.raises(ConfigError, match="GenServer"):
            await node.start("x", lambda: 5)
        await node.start("x", Fragile)


@virtual
async def test_one_instance_runs_under_one_name():
    server = GenServer()
    async with alone() as node:
        await node.start("x", server)
        with pytest.raises(ConfigError, match="'x'"):
            await node.start("y", server)
        await node.stop("x")
        await node.start("y", server)


@virtual
async def test_stop_frees_the_name_and_start_takes_it_again():
    async with alone() as node:
        for start in (1, 5):
            ref = await node.start("x", Fragile, start)
            assert await ref.call(Fragile.add) == start + 1
            await node.stop("x")
            with pytest.raises(NoSuchActor):
                await ref.call(Fragile.add)


@virtual
async def test_stop_lets_the_actor_handle_what_waits():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        answers = []

        async def ask():
            answers.append(await ref.call(Fragile.add))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, Fragile.sleep, 1)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(3):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await node.stop("x")
        assert sorted(answers) == [1, 2, 3]


@virtual
async def test_what_comes_after_stop_is_answered_with_actor_down():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, Fragile.sleep, 1)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(node.stop, "x")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ActorDown):
                await ref.call(Fragile.add)


@virtual
async def test_two_stops_end_together():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, Fragile.sleep, 1)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(node.stop, "x")
            nursery.start_soon(node.stop, "x")
        assert statistics_of(node, "x") is None


@virtual
async def test_stopping_an_unknown_actor_does_nothing():
    async with alone() as node:
        await node.stop("nobody")


@virtual
async def test_an_actor_may_stop_itself():
    class Suicidal(GenServer):
        @call
        async def end(self):
            await self.node.stop(self.name)
            return "soon"

    async with alone() as node:
        ref = await node.start("x", Suicidal)
        assert await ref.call(Suicidal.end) == "soon"
        await until(lambda: statistics_of(node, "x") is None)


@virtual
async def test_an_actor_may_stop_itself_from_a_concurrent_handler():
    class Suicidal(GenServer):
        @call(concurrent=True)
        async def end(self):
            await self.node.stop(self.name)

    async with alone() as node:
        ref = await node.start("x", Suicidal)
        with pytest.raises(ActorDown):
            await ref.call(Suicidal.end)
        assert statistics_of(node, "x") is None


@virtual
async def test_a_paused_actor_keeps_messages_and_handles_them_after_resume():
    async with alone() as node:
        ref, answers = await node.start("x", Fragile), []

        async def ask():
            answers.append(await ref.call(Fragile.add))

        node.pause("x")
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await trio.sleep(1)
            assert answers == []
            assert statistics_of(node, "x").state == "paused"
            assert statistics_of(node, "x").mailbox == 3
            node.resume("x")
        assert sorted(answers) == [1, 2, 3]


@virtual
async def test_resume_twice_handles_each_message_once():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        node.pause("x")
        node.resume("x")
        node.resume("x")
        assert [await ref.call(Fragile.add) for _ in range(3)] == [1, 2, 3]


@virtual
async def test_a_paused_actor_can_be_stopped():
    async with alone() as node:
        await node.start("x", Fragile)
        node.pause("x")
        await node.stop("x")
        assert statistics_of(node, "x") is None


@virtual
async def test_pausing_an_unknown_actor_is_an_error():
    async with alone() as node:
        with pytest.raises(NoSuchActor):
            node.pause("nobody")
        with pytest.raises(NoSuchActor):
            node.resume("nobody")


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


@virtual
async def test_a_crash_restarts_the_actor_fresh_under_its_name():
    async with pair(actors={"x": Fragile}) as (a, b):
        assert await a.call("x@b", "add", 5) == 5
        async with hearing(b, ActorRestarted) as heard:
            with pytest.raises(RemoteFault):
                await a.call("x@b", "crash")
            assert await a.call("x@b", "add") == 1
        assert heard == [ActorRestarted("x", "ValueError: broken")]
        assert statistics_of(b, "x").restarts == 1


@virtual
async def test_a_restart_passes_the_same_arguments_again():
    async with alone() as node:
        ref = await node.start("x", Fragile, 41)
        await crashed(ref)
        assert await ref.call(Fragile.add) == 42


@virtual
async def test_calls_queued_behind_a_crash_get_actor_down():
    async with pair(actors={"x": Fragile}) as (a, _):
        errors = []

        async def ask(event):
            try:
                await a.call("x@b", event)
            except Exception as error:
                errors.append((event, type(error)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.call, "x@b", "sleep", 1)
            await trio.testing.wait_all_tasks_blocked()
            for event in ("crash", "add", "add"):
                nursery.start_soon(ask, event)
                await trio.testing.wait_all_tasks_blocked()
        assert sorted(errors, key=str) == [
            ("add", ActorDown),
            ("add", ActorDown),
            ("crash", RemoteFault),
        ]


@virtual
async def test_casts_queued_behind_a_crash_are_counted():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        for _ in range(4):
            ref.cast_nowait(Fragile.break_down)
        await until(lambda: statistics_of(node, "x").restarts == 1)
        assert statistics_of(node, "x").dropped == 3


@virtual
async def test_messages_handled_before_a_crash_are_counted():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        for _ in range(4):
            await ref.call(Fragile.add)
        await crashed(ref)
        await until(lambda: statistics_of(node, "x").restarts == 1)
        assert statistics_of(node, "x").handled == 5


@virtual
async def test_more_crashes_than_the_intensity_allows_give_the_actor_up():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        async with hearing(node, ActorGaveUp) as heard:
            await crashed(ref, 4)
            await until(lambda: statistics_of(node, "x") is None)
        assert heard == [ActorGaveUp("x", "ValueError: broken")]
        with pytest.raises(NoSuchActor):
            await ref.call(Fragile.add)
        await node.start("x", Fragile)


@virtual
async def test_crashes_further_apart_than_the_intensity_never_give_up():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        for _ in range(20):
            await crashed(ref)
            await trio.sleep(2)
        assert await ref.call(Fragile.add) == 1


@virtual
async def test_the_intensity_is_a_class_attribute():
    class Delicate(Fragile):
        intensity = (0, 5.0)

    async with alone() as node:
        ref = await node.start("x", Delicate)
        await crashed(ref)
        await until(lambda: statistics_of(node, "x") is None)


@virtual
async def test_a_permanent_actor_begins_anew_after_exit():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        await ref.call(Fragile.add, 7)
        async with hearing(node, ActorRestarted) as heard:
            await ref.call(Fragile.leave)
            assert await ref.call(Fragile.add) == 1
        assert heard == [ActorRestarted("x", "normal")]


@virtual
async def test_a_permanent_actor_that_exits_too_often_is_given_up_loudly():
    class Leaving(GenServer):
        async def init(self):
            self.exit()

    async with alone() as node:
        async with hearing(node, ActorGaveUp) as heard:
            await node.start("x", Leaving)
            await until(lambda: statistics_of(node, "x") is None)
        assert heard == [ActorGaveUp("x", "normal")]


@virtual
async def test_a_transient_actor_is_restarted_after_a_crash_only():
    async with alone() as node:
        ref = await node.start("x", Transient)
        await crashed(ref)
        assert await ref.call(Transient.add) == 1
        async with hearing(node, ActorGaveUp) as heard:
            await ref.call(Transient.leave)
            await until(lambda: statistics_of(node, "x") is None)
        assert heard == []


@virtual
async def test_a_temporary_actor_is_never_restarted():
    async with alone() as node:
        for end in (Temporary.crash, Temporary.leave):
            ref = await node.start("x", Temporary)
            with (
                pytest.raises(RemoteFault)
                if end is Temporary.crash
                else trio.move_on_after(1)
            ):
                await ref.call(end)
            await until(lambda: statistics_of(node, "x") is None)


@virtual
async def test_a_temporary_actor_that_crashes_is_given_up_loudly():
    async with alone() as node:
        ref = await node.start("x", Temporary)
        async with hearing(node, ActorGaveUp, ActorRestarted) as heard:
            await crashed(ref)
            await until(lambda: statistics_of(node, "x") is None)
        assert heard == [ActorGaveUp("x", "ValueError: broken")]


@virtual
async def test_an_instance_cannot_be_rebuilt_so_it_is_temporary():
    server = GenServer()

    @server.on_call("crash")
    async def crash():
        raise ValueError

    async with alone() as node:
        await node.start("x", server)
        with pytest.raises(RemoteFault):
            await node.call("x", "crash")
        await until(lambda: statistics_of(node, "x") is None)


def test_an_unknown_restart_policy_is_refused_where_it_is_written():
    with pytest.raises(ConfigError, match="always"):
        type("Wrong", (GenServer,), {"restart": "always"})


@virtual
async def test_terminate_learns_why_the_actor_ends():
    for how, reason in (("stop", "shutdown"), ("crash", "KeyError")):
        log = []
        async with alone() as node:
            ref = await node.start("x", Lives, log)
            if how == "stop":
                await node.stop("x")
            else:
                with pytest.raises(RemoteFault):
                    await ref.call(Lives.crash)
                await ref.call(Lives.ping)
            assert log[2] == f"terminate {reason}"


@virtual
async def test_leaving_the_block_terminates_every_actor():
    log = []
    async with alone() as node:
        await node.start("x", Lives, log)
    assert log == ["__init__", "init", "terminate shutdown"]


@virtual
async def test_actors_end_in_the_reverse_order_of_their_start():
    order = []

    class Ending(GenServer):
        async def terminate(self, reason):
            order.append(self.name)

    async with alone() as node:
        for name in "abc":
            await node.start(name, Ending)
    assert order == ["c", "b", "a"]


@virtual
async def test_a_crash_in_terminate_changes_nothing():
    log = []
    async with alone() as node:
        ref = await node.start("x", Lives, log, failing=["terminate"])
        with pytest.raises(RemoteFault):
            await ref.call(Lives.crash)
        assert await ref.call(Lives.ping) == "pong"
        await node.stop("x")
        assert statistics_of(node, "x") is None


@virtual
async def test_an_init_that_fails_on_restart_is_tried_until_the_intensity_is_used_up():
    log = []
    failing = []
    async with alone() as node:
        ref = await node.start("x", Lives, log, failing=failing)
        failing.append("init")
        async with hearing(node, ActorGaveUp) as heard:
            with pytest.raises(RemoteFault):
                await ref.call(Lives.crash)
            await until(lambda: statistics_of(node, "x") is None)
        assert heard == [ActorGaveUp("x", "ValueError: no init")]
    assert log.count("init") == 1 + 3


@virtual
async def test_a_constructor_that_fails_on_restart_is_tried_again():
    built = []

    class Moody(Fragile):
        def __init__(self):
            built.append(len(built))
            if len(built) == 2:
                raise OSError("not now")
            super().__init__()

    async with alone() as node:
        ref = await node.start("x", Moody)
        await crashed(ref)
        assert await ref.call(Moody.add) == 1
        assert len(built) == 3


@virtual
async def test_a_constructor_that_keeps_failing_gives_the_actor_up():
    built = []

    class Once(Fragile):
        def __init__(self):
            built.append(1)
            if len(built) > 1:
                raise OSError("never again")
            super().__init__()

    async with alone() as node:
        ref = await node.start("x", Once)
        async with hearing(node, ActorGaveUp) as heard:
            await crashed(ref)
            await until(lambda: statistics_of(node, "x") is None)
        assert heard == [ActorGaveUp("x", "OSError: never again")]


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
async def test_no_error_of_a_handler_takes_the_node_down(error, text):
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

    @call(concurrent=True)
    async def beside(self):
        await self._mess()

    @call
    async def serial(self):
        await self._mess()

    async def _mess(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("at the worst of times")


@virtual
async def test_a_handler_that_crashes_while_its_actor_is_stopped_changes_nothing():
    async with alone() as node:
        ref = await node.start("x", MessyEnd)
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(ActorDown):
                    await ref.call(MessyEnd.beside)

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await node.stop("x")
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


@virtual
async def test_actors_given_to_the_node_run_before_it_accepts_anybody():
    class Early(GenServer):
        async def init(self):
            await trio.sleep(2)

        @call
        async def ping(self):
            return "pong"

    async with pair(actors={"early": Early}) as (a, _):
        assert await a.call("early@b", "ping") == "pong"


@virtual
async def test_the_statistics_describe_an_actor():
    async with alone() as node:
        ref = await node.start("x", Fragile)
        await ref.call(Fragile.add)
        await trio.testing.wait_all_tasks_blocked()
        found = statistics_of(node, "x")
        assert (found.name, found.type, found.state) == ("x", "Fragile", "running")
        assert (found.mailbox, found.handled, found.dropped, found.restarts) == (
            0,
            1,
            0,
            0,
        )


@virtual
async def test_an_actor_that_is_being_restarted_says_so():
    class Slow(Fragile):
        lives = 0

        async def init(self):
            Slow.lives += 1
            if Slow.lives > 1:
                await trio.sleep(10)

    async with alone() as node:
        ref = await node.start("x", Slow)
        await crashed(ref)
        await trio.sleep(1)
        assert statistics_of(node, "x").state == "restarting"
        await trio.sleep(10)
        assert statistics_of(node, "x").state == "running"
