"""Whatever happens, nothing comes twice or out of turn, and what is kept comes."""

from __future__ import annotations

import trio

from clusterkit.core.topics import matches
from clusterkit.testing import simulate

from .rings import form

NAMES = "abc"
CHANNELS = ("k.a", "k.b")
PATTERNS = (*CHANNELS, "k.*", "*")
STEPS = 50


class World:
    """Three nodes that send and join, and what they may expect.

    Attributes:
        kept: What each keeps, by node and channel.
        logs: What those got that have joined, by node and pattern.
        former: What those got that have left.
    """

    def __init__(self, sim, nodes):
        self.sim = sim
        self.nodes = {node.name: node for node in nodes}
        self.kept = {}
        self.logs = {}
        self.former = []

    def join(self, name, pattern):
        log = self.logs[name, pattern] = []

        async def handle(message):
            if self.sim.rng.random() < 0.1:
                await trio.sleep(self.sim.rng.random())
            log.append(message)
            if self.sim.rng.random() < 0.05:
                raise ValueError("no matter")

        self.nodes[name].channels.join(pattern, handle, kept=True)

    async def disturb(self, number):
        """Do something, then wait a little."""
        rng = self.sim.rng
        name, channel, pattern = map(rng.choice, (NAMES, CHANNELS, PATTERNS))
        channels, place = self.nodes[name].channels, (name, pattern)
        does = rng.choice(("keep", "keep", "send", "join", "join", "leave", "forget"))
        does = rng.choice(("crash", "split")) if rng.random() < 0.15 else does
        if does == "keep":
            await channels.send(channel, number, keep=True)
            self.kept[name, channel] = number
        elif does == "send":
            await channels.send(channel, number)
        elif does == "join" and place not in self.logs:
            self.join(name, pattern)
        elif does == "leave" and channels.leave(pattern):
            self.former.append(self.logs.pop(place))
        elif does == "forget":
            channels.forget_kept(channel)
            self.kept.pop((name, channel), None)
        elif does == "crash":
            await self.crash(name)
        elif does == "split":
            self.sim.partition({name}, set(NAMES) - {name})
            await trio.sleep(rng.random() * rng.choice((1, 20)))
            self.sim.heal()
        await trio.sleep(rng.random() * rng.choice((0.01, 0.4, 3)))

    async def crash(self, name):
        rng = self.sim.rng
        await self.sim.crash(name, silent=rng.random() < 0.5)
        await trio.sleep(rng.random() * rng.choice((0.1, 3, 12)))
        self.nodes[name] = await self.sim.restart(name)
        self.former += [
            self.logs.pop((name, p)) for p in PATTERNS if (name, p) in self.logs
        ]
        for channel in CHANNELS:
            self.kept.pop((name, channel), None)

    def judge(self):
        for log in (*self.former, *self.logs.values()):
            got = [(message.node, message.value) for message in log]
            assert len(set(got)) == len(got), "something came twice"
            for name in NAMES:
                sent = [m.value for m in log if m.node == name and not m.is_kept]
                assert sent == sorted(sent), "something came out of turn"
        for (_, pattern), log in self.logs.items():
            for (node, channel), value in self.kept.items():
                if matches(pattern, channel):
                    assert value in [m.value for m in log if m.node == node]


def test_nothing_comes_twice_or_out_of_turn_and_what_is_kept_comes(sim_seed):
    async def main(sim):
        world = World(sim, await form(sim, NAMES, disk=True, on_exit="stay"))
        for number in range(1, STEPS):
            await world.disturb(number)
        await trio.sleep(60)
        world.judge()

    simulate(main, seed=sim_seed)
