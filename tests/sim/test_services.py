"""Services: who offers what, what is needed, and what is set up before it counts."""

from __future__ import annotations

import logging

import pytest
import trio

from clusterkit import GenServer
from clusterkit.cluster.services import Service
from clusterkit.errors import ConfigError, EncodeError, MessageTooLarge, NodeDown
from clusterkit.events import (
    ServiceChanged,
    ServiceDown,
    ServiceFailed,
    ServicesNotReady,
    ServicesReady,
    ServiceUp,
)
from clusterkit.testing import simulate

from .rings import at, form, listening, until

KINDS = (
    ServiceUp,
    ServiceChanged,
    ServiceDown,
    ServiceFailed,
    ServicesReady,
    ServicesNotReady,
)


def test_a_needed_service_is_there_once_a_member_offers_it(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        async with listening(a, *KINDS) as heard:
            a.services.need("db")
            assert not a.services.is_ready
            assert a.services.missing == ("db",)
            b.services.advertise("other", 1)
            await trio.sleep(1)
            assert not a.services.is_ready
            b.services.advertise("db", {"port": 5432})
            with trio.fail_after(0.5):
                there = await a.services.ready()
            assert there == {"db": (Service("db", "b", {"port": 5432}),)}
            assert a.services.is_ready
            assert a.services.names() == ("db", "other")
            await until(lambda: ServicesReady() in heard)
        assert heard == [
            ServiceUp("other", "b", 1),
            ServiceUp("db", "b", {"port": 5432}),
            ServicesReady(),
        ]
        assert c.services.is_ready  # it needs nothing
        assert await c.services.ready() == {}

    simulate(main, seed=sim_seed)


def test_a_service_that_is_there_already_is_enough_for_a_late_need(sim_seed):
    async def main(sim):
        a, b, _ = await form(sim, "abc")
        b.services.advertise("db")
        await until(lambda: a.services.all("db"))
        async with listening(a, *KINDS) as heard:
            a.services.need("db")
            assert a.services.is_ready
        assert heard == [ServicesReady()]

    simulate(main, seed=sim_seed)


def test_a_node_may_offer_several_and_use_its_own(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        a.services.advertise("queue", 1)
        a.services.advertise("web", 2)
        a.services.need("queue", "web")
        assert a.services.is_ready
        await until(lambda: b.services.names() == ("queue", "web"), 0.5)

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("how", ["withdraw", "crash", "stop", "remove"])
def test_the_last_provider_lost_is_told_once_and_so_is_the_next(sim_seed, how):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        a.services.need("db", "queue")
        for name in ("db", "queue"):
            b.services.advertise(name)
        await a.services.ready()
        async with listening(a, *KINDS) as heard:
            if how == "withdraw":
                assert b.services.withdraw("db")
                assert b.services.withdraw("queue")
                assert not b.services.withdraw("queue")
            elif how == "crash":
                await sim.crash("b")
            elif how == "stop":
                await sim.stop("b")
            else:
                await a.gossip.remove("b")
            await until(lambda: set(a.services.missing) == {"db", "queue"}, 10)
            c.services.advertise("db")
            c.services.advertise("queue")
            await until(lambda: ServicesReady() in heard)
        assert heard == [
            ServiceDown("db", "b"),
            ServicesNotReady(("db",)),
            ServiceDown("queue", "b"),
            ServiceUp("db", "c", None),
            ServiceUp("queue", "c", None),
            ServicesReady(),
        ]

    simulate(main, seed=sim_seed)


def test_what_a_provider_says_anew_is_told(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        with pytest.raises(ConfigError, match="advertises no 'db'"):
            b.services.update("db", 2)
        b.services.advertise("db", 1)
        await until(lambda: a.services.all("db"))
        async with listening(a, *KINDS) as heard:
            b.services.update("db", 2)
            await until(lambda: a.services.all("db") == (Service("db", "b", 2),), 0.5)
            b.services.advertise("db", 2)
            await trio.sleep(1)
        assert heard == [ServiceChanged("db", "b", 2)]

    simulate(main, seed=sim_seed)


def test_hooks_run_in_order_before_a_provider_counts(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        ran = []

        def hook(label):
            async def run(service):
                ran.append((label, service.node, service.info))
                await trio.sleep(1)

            return run

        a.services.setup("db", hook(1))
        a.services.setup("db", hook(2))
        b.services.advertise("db", "x")
        began = sim.now
        await a.services.ready()
        assert 1.99 < sim.now - began < 2.5
        assert ran == [(1, "b", "x"), (2, "b", "x")]

    simulate(main, seed=sim_seed)


def test_a_late_hook_runs_for_those_that_are_there(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        a.services.need("db")
        b.services.advertise("db", "x")
        await a.services.ready()
        ran = []

        async def hook(service):
            await trio.sleep(1)
            ran.append(service)

        async with listening(a, *KINDS) as heard:
            a.services.setup("db", hook)
            assert not a.services.is_ready
            await until(lambda: len(heard) == 2)
        assert ran == [Service("db", "b", "x")]
        assert heard == [ServicesNotReady(("db",)), ServicesReady()]

    simulate(main, seed=sim_seed)


def test_a_hook_that_fails_is_run_again_and_its_provider_does_not_count(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        tries = []

        async def hook(service):
            tries.append((service.node, sim.now))
            if service.node == "b" and len(tries) < 4:
                raise OSError("not yet")

        a.services.setup("db", hook)
        async with listening(a, *KINDS) as heard:
            b.services.advertise("db")
            await until(lambda: tries)
            assert a.services.all("db") == ()
            c.services.advertise("db")
            await until(lambda: a.services.is_ready)
            assert [s.node for s in a.services.all("db")] == ["c"]  # kept apart
            await until(lambda: len(a.services.all("db")) == 2, 20)
        assert heard == [
            ServiceFailed("db", "b", "OSError: not yet"),
            ServiceUp("db", "c", None),
            ServicesReady(),
            ServiceFailed("db", "b", "OSError: not yet"),
            ServiceUp("db", "b", None),
        ]
        at_b = [when for node, when in tries if node == "b"]
        assert at_b[1] - at_b[0] == pytest.approx(1)
        assert at_b[2] - at_b[1] == pytest.approx(2)

    simulate(main, seed=sim_seed)


def test_a_provider_that_goes_while_it_is_set_up_never_counts(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        ended = []

        async def hook(_):
            try:
                await trio.sleep(100)
            finally:
                ended.append(sim.now)

        a.services.setup("db", hook)
        async with listening(a, *KINDS) as heard:
            b.services.advertise("db")
            await trio.sleep(1)
            b.services.withdraw("db")
            await until(lambda: ended, 0.5)
            await trio.sleep(5)
        assert heard == []

    simulate(main, seed=sim_seed)


def test_what_a_provider_said_counts_until_what_it_says_is_set_up(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        seen = []

        async def hook(service):
            await trio.sleep(1)
            if service.info == "bad":
                raise ValueError("bad")
            seen.append(service.info)

        a.services.setup("db", hook)
        b.services.advertise("db", 1)
        await a.services.ready()
        async with listening(a, *KINDS) as heard:
            b.services.update("db", 2)
            await trio.sleep(0.5)
            assert a.services.is_ready
            assert a.services.all("db")[0].info == 1
            b.services.update("db", 3)  # the hook of 2 is given up
            await until(lambda: a.services.all("db")[0].info == 3)
            b.services.update("db", "bad")
            await until(lambda: not a.services.is_ready)
        assert seen == [1, 3]
        assert heard == [
            ServiceChanged("db", "b", 3),
            ServiceFailed("db", "b", "ValueError: bad"),
            ServiceDown("db", "b"),
            ServicesNotReady(("db",)),
        ]

    simulate(main, seed=sim_seed)


def test_a_restarted_provider_is_set_up_again(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=True)
        sim.nodes["b"].services.advertise("db", 1)
        ran = []

        async def hook(service):
            ran.append(service.info)

        a.services.setup("db", hook)
        await a.services.ready()
        await sim.crash("b")
        await until(lambda: not a.services.is_ready, 10)
        b = await sim.restart("b")
        b.services.advertise("db", 2)
        await a.services.ready()
        assert ran == [1, 2]

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("name", [None, "", "a b", "-x", 5, "x" * 101])
def test_a_service_has_a_name(name):
    async def main(sim):
        a = await sim.start("a")
        for use in (a.services.advertise, a.services.need, a.services.withdraw):
            with pytest.raises(ConfigError, match="name"):
                use(name)

    simulate(main)


def test_what_cannot_travel_is_not_advertised():
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(EncodeError):
            a.services.advertise("db", object())
        with pytest.raises(MessageTooLarge):
            a.services.advertise("db", "x" * 40_000)
        assert a.services.names() == ()
        assert repr(a.services) == "<Services needed=[] missing=[]>"

    simulate(main)


def test_a_hook_for_one_that_is_there_comes_before_it_is_ready(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        b.services.advertise("db")
        await until(lambda: a.services.all("db"))

        async def hook(_):
            await trio.sleep(1)

        async with listening(a, *KINDS) as heard:
            a.services.setup("db", hook)
            await trio.sleep(0.5)
            assert heard == []
            await until(lambda: heard)
        assert heard == [ServicesReady()]

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("how", ["shutdown", "stop", "crash"])
def test_nobody_waits_for_services_of_a_node_that_has_ended(how):
    async def main(sim):
        a = await sim.start("a")
        a.services.need("db", "cache")
        told = []

        async def wait():
            with pytest.raises(NodeDown, match="db, cache") as caught:
                await a.services.ready()
            told.append(caught.value.outcome)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(1)
            assert told == []
            await (a.shutdown() if how == "shutdown" else getattr(sim, how)("a"))
        await wait()
        assert told == ["not sent"] * 2

    simulate(main)


class Early(GenServer):
    """Waits for what no node can have met."""

    async def init(self):
        self.node.services.need("db")
        with trio.move_on_after(60):
            await self.node.services.ready()


class Late(Early):
    """Has what it needs."""

    async def init(self):
        self.node.services.advertise("db")
        await super().init()


def test_who_waits_before_the_node_meets_anybody_is_told(caplog):
    async def main(sim):
        await sim.start("a", actors={"late": Late})
        assert not caplog.records
        b = await sim.start("b", actors={"early": Early}, seeds=[at("a")])
        await b.services.ready()

    with caplog.at_level(logging.WARNING):
        simulate(main)
    (said,) = [r.getMessage() for r in caplog.records if "too_early" in r.getMessage()]
    assert "missing=db" in said
    assert "node.start" in said


def test_all_names_are_needed_or_none():
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(ConfigError, match="service name 'no name'"):
            a.services.need("db", "no name")
        assert a.services.missing == ()

    simulate(main)


@pytest.mark.parametrize("hook", [None, 5, "hook"])
def test_what_cannot_be_called_is_no_hook(hook):
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(ConfigError, match="a hook is an async function"):
            a.services.setup("db", hook)
        assert a.services.is_ready

    simulate(main)


def test_what_ready_returns_is_there():
    async def main(sim):
        a = await sim.start("a")
        a.services.need("db")

        async def use():
            assert (await a.services.ready())["db"]

        for _ in range(20):
            a.services.advertise("db")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(use)
                await trio.lowlevel.checkpoint()
                a.services.withdraw("db")
                await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()

    simulate(main)


def test_a_provider_that_is_back_at_once_with_the_same_is_set_up_again(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        ran = []

        async def hook(service):
            ran.append(service.info)

        b.services.advertise("db", "url")
        a.services.setup("db", hook)
        await a.services.ready()
        async with listening(a, *KINDS) as heard:
            await sim.crash("b")
            b = await sim.restart("b")
            b.services.advertise("db", "url")
            await until(lambda: len(ran) == 2)
            await trio.sleep(1)
        assert heard == [
            ServiceDown("db", "b"),
            ServicesNotReady(("db",)),
            ServiceUp("db", "b", "url"),
            ServicesReady(),
        ]

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_service.", ["info", 1]),
        ("_service.a b", ["info", 1]),
        ("_service." + "x" * 101, ["info", 1]),
        ("_service.db", []),
        ("_service.db", ["info"]),
        ("_service.db", ["info", "1"]),
        ("_service.db", {}),
    ],
    ids=["empty", "blank", "long", "nothing", "no life", "text", "map"],
)
def test_what_is_no_service_is_none(key, value):
    async def main(sim):
        a, b = await form(sim, "ab")
        b.services.advertise("other")
        b.services._announcements.announce(key, value)
        await until(lambda: key in a.state.keys("b"))
        assert a.services.names() == ("other",)

    simulate(main)


@pytest.mark.parametrize("how", ["update", "withdraw", "restart"])
def test_a_hook_is_over_before_it_runs_again_for_the_same_node(sim_seed, how):
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        running, others, seen = [], [], []

        async def hook(service):
            others.extend(running)
            running.append(service.info)
            try:
                await trio.sleep(1)
                seen.append(service.info)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.5)
                running.remove(service.info)

        a.services.setup("db", hook)
        b.services.advertise("db", 1)
        await trio.sleep(0.5)
        if how == "withdraw":
            b.services.withdraw("db")
            await trio.sleep(0.2)
        elif how == "restart":
            await sim.crash("b")
            b = await sim.restart("b")
        b.services.advertise("db", 2)
        await a.services.ready()
        assert seen == [2]
        assert others == []

    simulate(main, seed=sim_seed)
