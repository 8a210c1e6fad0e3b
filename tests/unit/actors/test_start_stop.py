"""How an actor begins, rests and ends."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import (
    ActorDown,
    ConfigError,
    NameTaken,
    NoSuchActor,
)
from tests.unit.nodes import alone, statistics_of, virtual
from tests.unit.servers import Fragile, Lives
from tests.waiting import until


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
        await ref.call(Suicidal.end)
        await until(lambda: statistics_of(node, "x") is None)


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
