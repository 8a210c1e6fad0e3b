"""Monitors: one Down for each, whatever happens to the actor or its node."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import ConfigError, NodeDown, RemoteFault
from clusterkit.wire import messages as m
from tests.unit.nodes import alone, pair, statistics_of, until, virtual


class Watcher(GenServer):
    restart = "temporary"

    def __init__(self):
        self.downs = []

    async def handle_info(self, message):
        self.downs.append(message)

    @call
    async def watch(self, target):
        return self.monitor(target)

    @call
    async def unwatch(self, number):
        self.demonitor(number)

    @call
    async def read(self):
        return [(down.target, down.reason) for down in self.downs]

    @call
    async def numbers(self):
        return [down.monitor for down in self.downs]


class Target(GenServer):
    restart = "temporary"

    @call
    async def crash(self):
        raise KeyError("x")

    @call
    async def leave(self):
        self.exit()

    @call
    async def ping(self):
        return "pong"


class Lasting(Target):
    restart = "permanent"


async def downs(watcher):
    await trio.sleep(0.1)
    return await watcher.call(Watcher.read)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@pytest.mark.parametrize(
    ("end", "reason"),
    [("crash", "KeyError"), ("leave", "normal"), ("stop", "shutdown")],
)
@virtual
async def test_a_monitor_tells_why_the_actor_ended(remote, end, reason):
    async with pair(actors={"x": Target}) as (a, b):
        watcher = await (a if remote else b).start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@b")
        assert await downs(watcher) == []
        if end == "stop":
            await b.stop("x")
        else:
            with pytest.raises(RemoteFault) if end == "crash" else trio.CancelScope():
                await b.call("x", end)
        assert await downs(watcher) == [("x@b", reason)]


@virtual
async def test_a_down_carries_the_number_that_monitor_returned():
    async with alone() as node:
        watcher = await node.start("watcher", Watcher)
        await node.start("x", Target)
        numbers = [await watcher.call(Watcher.watch, "x") for _ in range(3)]
        assert len(set(numbers)) == 3
        await node.stop("x")
        await trio.sleep(0.1)
        assert sorted(await watcher.call(Watcher.numbers)) == sorted(numbers)


@virtual
async def test_a_reference_can_be_monitored():
    async with alone() as node:
        watcher = await node.start("watcher", Watcher)
        ref = await node.start("x", Target)
        await watcher.call(Watcher.watch, ref)
        await node.stop("x")
        assert await downs(watcher) == [("x@a", "shutdown")]


@virtual
async def test_a_restart_ends_the_life_that_was_monitored():
    async with pair(actors={"x": Lasting}) as (a, b):
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@b")
        for _ in range(2):
            with pytest.raises(RemoteFault):
                await b.call("x", "crash")
        assert await downs(watcher) == [("x@b", "KeyError")]


@pytest.mark.parametrize("target", ["nobody", "nobody@a", "nobody@b"])
@virtual
async def test_an_actor_that_does_not_exist_is_down_at_once(target):
    async with pair() as (a, _):
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, target)
        assert await downs(watcher) == [(target, "noproc")]


@virtual
async def test_an_actor_of_an_unknown_node_is_out_of_reach_at_once():
    async with alone() as node:
        watcher = await node.start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@nowhere")
        assert await downs(watcher) == [("x@nowhere", "noconnection")]


@virtual
async def test_what_is_no_target_is_refused():
    class Careless(GenServer):
        @call
        async def watch(self):
            with pytest.raises(ConfigError):
                self.monitor("@b")

    async with alone() as node:
        ref = await node.start("x", Careless)
        await ref.call(Careless.watch)


@virtual
async def test_a_monitor_taken_back_does_not_come():
    async with pair(actors={"x": Target}) as (a, b):
        watcher = await a.start("watcher", Watcher)
        number = await watcher.call(Watcher.watch, "x@b")
        await watcher.call(Watcher.watch, "x@b")
        await watcher.call(Watcher.unwatch, number)
        await watcher.call(Watcher.unwatch, 999)
        await trio.sleep(0.1)
        await b.stop("x")
        assert await downs(watcher) == [("x@b", "shutdown")]
        assert not b._runtime.monitors._theirs


@virtual
async def test_a_down_comes_when_the_node_of_the_actor_does_not_answer():
    async with pair(actors={"x": Target}) as (a, _b):
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@b")
        began = trio.current_time()
        a.network.partition({"a"}, {"b"})
        downs = a._runtime.local("watcher").server.downs
        await until(lambda: downs)
        assert downs[0].reason == "noconnection"
        # 3 s of silence, then 2 s without a session.
        assert 3 < trio.current_time() - began < 6
        a.network.heal()


@virtual
async def test_a_down_from_another_node_than_the_one_asked_is_ignored():
    async with pair(actors={"x": Target}) as (a, b):
        watcher = await a.start("watcher", Watcher)
        number = await watcher.call(Watcher.watch, "x@b")
        stranger = a.kernel.link_to("stranger")
        a._runtime.delivery.deliver(stranger, [[m.DOWN, number, "forged"]], 10)
        assert await downs(watcher) == []
        await b.stop("x")
        assert await downs(watcher) == [("x@b", "shutdown")]


@virtual
async def test_a_short_cut_fires_no_monitor():
    async with pair(actors={"x": Target}) as (a, b):
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@b")
        a.network.cut("a", "b")
        await trio.sleep(10)
        assert await downs(watcher) == []
        await b.stop("x")
        assert await downs(watcher) == [("x@b", "shutdown")]


@virtual
async def test_a_down_comes_after_everything_the_actor_sent_before():
    class Hearing(Watcher):
        @cast
        async def hear(self, number):
            self.downs.append(number)

    class Speaking(Target):
        @call
        async def speak_and_leave(self, ref):
            for number in range(100):
                await ref.cast(Hearing.hear, number)
            self.exit()

    async with pair(actors={"x": Speaking}) as (a, _):
        ref = await a.start("hearing", Hearing)
        await ref.call(Watcher.watch, "x@b")
        await a.call("x@b", "speak_and_leave", ref)
        heard = a._runtime.local("hearing").server.downs
        await until(lambda: len(heard) == 101)
        assert heard[:100] == list(range(100))
        assert heard[100].reason == "normal"


@virtual
async def test_a_monitor_of_a_node_that_is_down_fires_at_once():
    async with pair(actors={"x": Target}) as (a, _):
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@b")
        a.network.partition({"a"}, {"b"})
        await until(lambda: a.kernel.links()[0].state == "down")
        began = trio.current_time()
        await watcher.call(Watcher.watch, "x@b")
        assert await downs(watcher) == [("x@b", "noconnection")] * 2
        assert trio.current_time() - began < 1
        a.network.heal()


@virtual
async def test_a_monitor_of_a_node_that_was_given_up_fires_at_once():
    async with pair(actors={"x": Target}) as (a, _):
        watcher = await a.start("watcher", Watcher)
        a.kernel.peers["b"].give_up("protocol")
        await watcher.call(Watcher.watch, "x@b")
        assert await downs(watcher) == [("x@b", "noconnection")]


@virtual
async def test_a_monitor_dials_a_node_that_was_down_when_last_tried():
    async with pair(actors={"x": Target}, connected=False) as (a, b):
        watcher = await a.start("watcher", Watcher)
        a.network.partition({"a"}, {"b"})
        with pytest.raises(NodeDown):
            await a.call("x@b", "ping")
        a.network.heal()
        await trio.sleep(20)
        await watcher.call(Watcher.watch, "x@b")
        assert await downs(watcher) == []
        await b.stop("x")
        assert await downs(watcher) == [("x@b", "shutdown")]


@virtual
async def test_what_a_dead_peer_monitored_is_forgotten_when_it_returns_anew():
    async with pair(actors={"x": Target}) as (a, b):
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, "x@b")
        await until(lambda: b._runtime.monitors._theirs)
        a.kernel.drop(a.kernel.peers["b"], "for the test")
        assert await downs(watcher) == [("x@b", "noconnection")]
        await a.kernel.connect(b.address)
        assert not b._runtime.monitors._theirs


@virtual
async def test_an_actor_that_ended_gets_no_down():
    async with alone() as node:
        watcher = await node.start("watcher", Watcher)
        await node.start("x", Target)
        await watcher.call(Watcher.watch, "x")
        await node.stop("watcher")
        await node.stop("x")
        assert statistics_of(node, "watcher") is None
