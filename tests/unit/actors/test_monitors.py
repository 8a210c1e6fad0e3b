"""Monitors: one Down for each, whatever happens to the actor or its node."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit import Down, GenServer, call, cast
from clusterkit.errors import ConfigError, NodeDown, RemoteFault
from clusterkit.testing import MemoryNetwork
from clusterkit.wire import messages as m
from tests.unit.nodes import abandon, alone, on_network, pair, statistics_of, virtual
from tests.waiting import until


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


class Shared(Watcher):
    """Writes into a list that outlives it, from its first moment on."""

    restart = "permanent"

    def __init__(self, downs, *targets):
        self.downs = downs
        self.targets = targets

    async def init(self):
        self.numbers_now = [self.monitor(target) for target in self.targets]

    async def handle_info(self, message):
        self.downs.append((message, message.monitor in self.numbers_now))

    @call
    async def crash(self):
        raise KeyError("x")

    @call
    async def watch_node(self, name):
        return self.monitor_node(name)


def held(node):
    """What a node's monitors hold: ours, and others' on it."""
    monitors = node._runtime.monitors
    theirs = sum(len(watchers) for watchers in monitors._theirs.values())
    return len(monitors._ours), theirs


@virtual
async def test_monitors_go_with_the_actor_that_set_them():
    async with pair(actors={"x": Target}) as (a, b):
        await a.start("y", Target)
        for _ in range(100):
            ref = await a.start(None, Shared, [], "x@b", "y")
            await a.stop(ref.name)
        await trio.sleep(1)
        assert held(a) == held(b) == (0, 0)
        assert a.kernel.peers["b"].interest == 0
        monitors = (a._runtime.monitors, b._runtime.monitors)
        assert [m._of_process or m._of_origin or m._of_peer for m in monitors] == [
            {},
            {},
        ]


@virtual
async def test_a_restarted_actor_hears_only_of_its_own_monitors():
    async with pair(actors={"x": Target}) as (a, b):
        downs = []
        ref = await a.start("watcher", Shared, downs, "x@b")
        for _ in range(3):
            with pytest.raises(RemoteFault):
                await ref.call(Shared.crash)
        await trio.sleep(1)
        assert held(b) == (0, 1)
        await b.stop("x")
        await trio.sleep(1)
        assert [known for _, known in downs] == [True]


@virtual
async def test_an_actor_cannot_take_back_the_monitor_of_another():
    async with alone() as node:
        one = await node.start("one", Watcher)
        two = await node.start("two", Watcher)
        await node.start("x", Target)
        number = await one.call(Watcher.watch, "x")
        await two.call(Watcher.unwatch, number)
        await node.stop("x")
        assert await downs(one) == [("x", "shutdown")]


@virtual
async def test_a_monitor_takes_a_target_with_an_address():
    async with pair(actors={"x": Target}, connected=False) as (a, b):
        a.kernel.forget("b")
        watcher = await a.start("watcher", Watcher)
        await watcher.call(Watcher.watch, f"x@{b.address}")
        assert await downs(watcher) == []
        await b.stop("x")
        assert await downs(watcher) == [(f"x@{b.address}", "shutdown")]


@virtual
async def test_a_monitor_refuses_an_address_that_contradicts():
    class Careless(GenServer):
        @call
        async def watch(self):
            with pytest.raises(ConfigError, match="b is at"):
                self.monitor("x@b@elsewhere:1")

    async with pair() as (a, _):
        ref = await a.start("x", Careless)
        await ref.call(Careless.watch)


async def watching_node(node, name):
    heard = []
    watcher = await node.start("watcher", Shared, heard)
    number = await watcher.call(Shared.watch_node, name)
    return heard, number


@virtual
async def test_a_monitored_node_that_does_not_answer_is_down():
    async with pair() as (a, _b):
        heard, number = await watching_node(a, "b")
        began = trio.current_time()
        a.network.partition({"a"}, {"b"})
        await until(lambda: heard)
        assert heard[0][0] == Down(number, "@b", "noconnection")
        # 3 s of silence, then 2 s without a session.
        assert 3 < trio.current_time() - began < 6
        a.network.heal()
        await trio.sleep(20)
        assert len(heard) == 1
        assert held(a) == (0, 0)
        assert a.kernel.peers["b"].interest == 0


@virtual
async def test_a_short_cut_is_no_end_of_a_node():
    async with pair() as (a, _b):
        heard, _ = await watching_node(a, "b")
        a.network.cut("a", "b")
        await trio.sleep(20)
        assert heard == []


@virtual
async def test_a_monitored_node_that_returns_as_a_new_process_was_restarted():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b") as b:
            await a.kernel.connect(b.address)
            heard, number = await watching_node(a, "b")
            network.crash("b")
            abandon(b)
        await trio.sleep(0.01)  # a process takes its time to start
        async with on_network(network, "b"):
            await until(lambda: heard, 1.5)
            assert heard[0][0] == Down(number, "@b", "restarted")


@virtual
async def test_a_node_that_is_not_met_yet_is_monitored_when_it_is():
    async with pair(connected=False) as (a, _b):
        heard, _ = await watching_node(a, "b")
        await trio.sleep(5)
        assert a.kernel.is_connected("b")
        assert heard == []
        a.network.partition({"a"}, {"b"})
        await until(lambda: heard)
        a.network.heal()


@pytest.mark.parametrize("name", ["nowhere", "b"])
@virtual
async def test_a_node_out_of_reach_is_down_at_once(name):
    async with pair() as (a, _b):
        a.kernel.peers["b"].give_up("protocol")
        heard, number = await watching_node(a, name)
        await until(lambda: heard, 0.1)
        assert heard[0][0] == Down(number, f"@{name}", "noconnection")


@virtual
async def test_the_own_node_is_never_down():
    async with alone() as node:
        heard, _ = await watching_node(node, "a")
        await trio.sleep(10)
        assert heard == []


@virtual
async def test_a_node_that_has_no_name_is_refused():
    class Careless(GenServer):
        @call
        async def watch(self):
            for name in ("", "b@", "x@b@c:1", "a b"):
                with pytest.raises(ConfigError):
                    self.monitor_node(name)

    async with alone() as node:
        ref = await node.start("x", Careless)
        await ref.call(Careless.watch)


@virtual
async def test_a_monitor_of_a_node_can_be_taken_back():
    class Undecided(Watcher):
        @call
        async def waver(self):
            self.demonitor(self.monitor_node("b"))

    async with pair() as (a, _b):
        watcher = await a.start("watcher", Undecided)
        await watcher.call(Undecided.waver)
        assert held(a) == (0, 0)
        assert a.kernel.peers["b"].interest == 0
        a.network.partition({"a"}, {"b"})
        await trio.sleep(10)
        a.network.heal()
        assert await downs(watcher) == []


@virtual
async def test_a_down_of_a_restarted_node_comes_between_its_lives():
    class Hearing(Shared):
        @cast
        async def hear(self, word):
            self.downs.append(word)

    class Speaking(GenServer):
        async def init(self):
            self.send_after(0.01, None)

        async def handle_info(self, message):
            for _ in range(50):
                await self.node.cast("watcher@a", "hear", self.node.incarnation)

    network, heard = MemoryNetwork(Random(0)), []
    async with on_network(network, "a") as a:
        await a.start("watcher", Hearing, heard)
        seeds = [a.address]
        async with on_network(network, "b", seeds=seeds) as b:
            await until(lambda: a.kernel.is_connected("b"))
            await a.call("watcher", "watch_node", "b")
            await b.start("speaker", Speaking)
            await until(lambda: len(heard) == 50)
            network.crash("b")
            abandon(b)
        await trio.sleep(0.01)  # a process takes its time to start
        async with on_network(network, "b", seeds=seeds) as b:
            await until(lambda: b.kernel.is_connected("a"))
            await b.start("speaker", Speaking)
            await until(lambda: len(heard) == 101)
        assert [isinstance(one, tuple) for one in heard].index(True) == 50
