"""How an actor crashes, and begins anew as far as its policy allows."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call
from clusterkit.errors import (
    ActorDown,
    ConfigError,
    NoSuchActor,
    RemoteFault,
)
from clusterkit.events import ActorGaveUp, ActorRestarted
from tests.unit.nodes import alone, hearing, pair, statistics_of, virtual
from tests.unit.servers import Fragile, Lives, crashed
from tests.waiting import until


class Transient(Fragile):
    restart = "transient"


class Temporary(Fragile):
    restart = "temporary"


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


@pytest.mark.parametrize(
    "setting",
    [
        {"restart": "always"},
        {"restart": ["permanent"]},
        {"mailbox": 0},
        {"mailbox": "many"},
        {"mailbox": 2.5},
        {"mailbox": None},
        {"intensity": 3},
        {"intensity": None},
        {"intensity": (3,)},
        {"intensity": (3, 5.0, 1)},
        {"intensity": (-1, 5.0)},
        {"intensity": (2.5, 5.0)},
        {"intensity": (3, 0)},
        {"intensity": (3, float("nan"))},
        {"intensity": ("3", "5")},
        {"intensity": "35"},
    ],
    ids=str,
)
def test_an_impossible_setting_is_refused_where_it_is_written(setting):
    (name,) = setting
    with pytest.raises(ConfigError, match=rf"Wrong\.{name}"):
        type("Wrong", (GenServer,), setting)


@virtual
async def test_an_impossible_setting_of_an_instance_is_refused_by_start():
    class Careless(GenServer):
        def __init__(self):
            self.intensity = 3

    async with alone() as node:
        with pytest.raises(ConfigError, match="intensity"):
            await node.start("x", Careless)


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
