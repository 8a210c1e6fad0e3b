"""Actors under chaos: calls end in one way, monitors fire once, nothing is left.

Users call and cancel at random while actors crash, stop and pause, links are
cut, and nodes are split; what must hold does not depend on any of it.
"""

from __future__ import annotations

from collections import Counter

import trio

from clusterkit import Config, Down, GenServer, Rejected, call, later
from clusterkit.errors import ClusterError, NoSuchActor
from clusterkit.testing import simulate

NODES, WORKERS = "abc", ("w1", "w2")
CALL_TIMEOUT = 3.0
SLACK = 0.1  # seconds that a call may take longer than its patience
EVENTS = {
    "quick": lambda rng: (rng.random(),),
    "slow": lambda rng: (rng.random() * 0.5,),
    "patient": lambda rng: (rng.random() * 5,),
    "beside": lambda rng: (rng.random() * 5,),
    "deferred": lambda rng: (rng.random(),),
    "crash": lambda rng: (),
    "crash_beside": lambda rng: (),
    "refuse": lambda rng: (),
    "leave": lambda rng: (),
    "nonsense": lambda rng: (),
    "crash_on": lambda rng: (1, 2, 3),
}


class Worker(GenServer):
    intensity = (1000, 1.0)

    async def init(self):
        await trio.sleep(0.01)

    @call
    async def quick(self, value):
        return value

    @call
    async def slow(self, seconds):
        await trio.sleep(seconds)

    @call(cancellable=True)
    async def patient(self, seconds):
        await trio.sleep(seconds)

    @call(concurrent=True)
    async def beside(self, seconds):
        await trio.sleep(seconds)

    @call
    async def deferred(self, seconds):
        self.send_after(seconds, self.caller)
        return later()

    async def handle_info(self, caller):
        caller.reply("at last")

    @call
    async def crash(self):
        raise ValueError("broken")

    @call(concurrent=True)
    async def crash_beside(self):
        await trio.sleep(0.01)
        raise ValueError("broken")

    @call
    async def refuse(self):
        raise Rejected("no")

    @call
    async def leave(self):
        self.exit()


class Watcher(GenServer):
    def __init__(self):
        self.asked = []
        self.downs = Counter()

    @call
    async def watch(self, target):
        self.asked.append(self.monitor(target))

    async def handle_info(self, message):
        if isinstance(message, Down):
            self.downs[message.monitor] += 1

    @call
    async def read(self):
        return self.asked, dict(self.downs)


class Chaos:
    """What goes on in one simulation, until `ends`."""

    def __init__(self, sim):
        self.sim = sim
        self.ends = sim.now + 20
        self.outcomes = Counter()

    @property
    def going(self):
        return self.sim.now < self.ends

    def target(self, *more):
        rng = self.sim.rng
        return f"{rng.choice([*WORKERS, *more])}@{rng.choice(NODES)}"

    async def use(self, node):
        """Call at random; see that no call outstays its time."""
        rng = self.sim.rng
        while self.going:
            event = rng.choice(list(EVENTS))
            timeout = rng.choice([0, 0.01, 0.1, 1, CALL_TIMEOUT, 10])
            limit = rng.choice([0.05, 0.5, 100, 100])
            began, outcome = self.sim.now, "cancelled"
            with trio.move_on_after(limit):
                try:
                    await node.call(
                        self.target("nobody"),
                        event,
                        *EVENTS[event](rng),
                        timeout=timeout,
                    )
                    outcome = "answered"
                except ClusterError as error:
                    outcome = type(error).__name__
            assert self.sim.now - began <= min(limit, timeout) + SLACK, event
            self.outcomes[outcome] += 1
            await trio.sleep(rng.random() * 0.05)

    async def watch(self, node):
        while self.going:
            await node.call("watcher", "watch", self.target("nobody"))
            await trio.sleep(self.sim.rng.random() * 0.2)

    async def disturb(self):
        sim, rng = self.sim, self.sim.rng
        while self.going:
            await trio.sleep(rng.random() * 0.5)
            a, b = rng.sample(NODES, 2)
            what = rng.randrange(6)
            if what < 2:
                sim.cut(a, b, half_open=what == 1)
            elif what == 2:
                sim.partition({a})
                await trio.sleep(rng.random() * 6)
                sim.heal()
            elif what == 3:
                await self.pause(sim.nodes[a])
            else:
                await self.replace(sim.nodes[a], rng.choice(WORKERS))
        sim.heal()

    async def pause(self, node):
        try:
            node.pause("w1")
            await trio.sleep(self.sim.rng.random())
            node.resume("w1")
        except NoSuchActor:
            self.outcomes["nobody to pause"] += 1

    async def replace(self, node, name):
        await node.stop(name)
        await node.start(name, Worker)

    async def settle(self):
        """End all that can still be waited for."""
        await trio.sleep(30)
        for node in self.sim.nodes.values():
            for name in WORKERS:
                await node.stop(name)
        await trio.sleep(15)


async def chaos(sim):
    config = Config(call_timeout=CALL_TIMEOUT)
    actors = {"watcher": Watcher} | dict.fromkeys(WORKERS, Worker)
    nodes = [await sim.start(name, actors=actors, config=config) for name in NODES]
    for node in nodes:
        for other in nodes:
            if node is not other:
                node.kernel.know(other.info)
    chaos = Chaos(sim)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chaos.disturb)
        for node in nodes:
            nursery.start_soon(chaos.watch, node)
            for _ in range(3):
                nursery.start_soon(chaos.use, node)
    await chaos.settle()
    for node in nodes:
        await judge(node)
    assert {"answered", "CallTimeout", "cancelled", "RemoteFault"} <= set(
        chaos.outcomes
    )


async def judge(node):
    asked, downs = await node.call("watcher", "read")
    assert downs == dict.fromkeys(asked, 1)
    runtime = node._runtime
    assert not runtime.calls.pending
    assert not any(runtime.calls._queues.values())
    assert not runtime._scopes
    assert not runtime.here.open_calls
    for link in node.kernel.peers.values():
        assert not link.open_calls
        assert link.interest == 0


def test_under_chaos_every_call_ends_and_nothing_is_left(sim_seed):
    simulate(chaos, seed=sim_seed)
