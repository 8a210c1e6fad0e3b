"""Whatever providers do, in the end those count that are there, by what they said last."""

from __future__ import annotations

from collections import Counter

import trio

from clusterkit.events import (
    ServiceChanged,
    ServiceDown,
    ServicesNotReady,
    ServicesReady,
    ServiceUp,
)
from clusterkit.testing import simulate

from .rings import form, listening, until

NAMES = "abcd"
OFFERED = ("cache", "db")
TURNS = (ServicesReady, ServicesNotReady)
STEPS = 40


class World:
    """Four nodes, of which `a` needs what all of them offer, and what is true of them.

    Attributes:
        said: What each node says of a service, by service and node.
        set_up: What each hook has come to its end with.
    """

    def __init__(self, sim, nodes):
        self.sim = sim
        self.nodes = {node.name: node for node in nodes}
        self.said = {}
        self.set_up = {}
        self._running = Counter()
        self._hooks = Counter()

    def add_hook(self, name):
        """Have providers set up by one more hook, which takes its time, and fails."""
        number = self._hooks[name]
        self._hooks[name] += 1

        async def hook(service):
            place = service.name, service.node
            self._running[place] += 1
            assert self._running[place] == 1, "two hooks at once for one provider"
            try:
                await trio.sleep(0.6 * self.sim.rng.random())
                if self.sim.rng.random() < 0.25:
                    raise ValueError("another time")
                self.set_up[(*place, number)] = service.info
            finally:
                self._running[place] -= 1

        self.nodes["a"].services.setup(name, hook)

    async def disturb(self, number):
        """Do something, then wait a little."""
        rng = self.sim.rng
        name, service = rng.choice(NAMES), rng.choice(OFFERED)
        does = rng.choice(
            ("advertise", "advertise", "withdraw", "crash", "split", "hook")
        )
        if does == "advertise":
            self.nodes[name].services.advertise(service, number)
            self.said[service, name] = number
        elif does == "withdraw":
            self.nodes[name].services.withdraw(service)
            self.said.pop((service, name), None)
        elif does == "crash" and name != "a":
            await self.crash(name)
        elif does == "split":
            await self.split(set(rng.sample(NAMES, 2)))
        elif does == "hook" and self._hooks[service] < 3:
            self.add_hook(service)
        await trio.sleep(rng.random() * rng.choice((0.02, 0.5, 3)))

    async def crash(self, name):
        rng = self.sim.rng
        await self.sim.crash(name, silent=rng.random() < 0.5)
        await trio.sleep(rng.random() * rng.choice((0.1, 3, 15)))
        self.nodes[name] = await self.sim.restart(name)
        for service in OFFERED:
            self.said.pop((service, name), None)

    async def split(self, some):
        self.sim.partition(some, set(NAMES) - some)
        await trio.sleep(self.sim.rng.random() * self.sim.rng.choice((1, 20)))
        self.sim.heal()

    def is_known(self):
        """Say whether `a` knows all that is true, each provider having been set up."""
        services = self.nodes["a"].services
        known = {
            (name, one.node): one.info for name in OFFERED for one in services.all(name)
        }
        return known == self.said and all(
            self.set_up.get((*place, number)) == info
            for place, info in known.items()
            for number in range(self._hooks[place[0]])
        )


def follow(heard):
    """Return who counts by what was told; each was told in its turn."""
    there = {}
    for event in heard:
        place = getattr(event, "name", None), getattr(event, "peer", None)
        if isinstance(event, ServiceUp | ServiceChanged):
            assert isinstance(event, ServiceChanged) == (place in there), event
            there[place] = event.info
        elif isinstance(event, ServiceDown):
            del there[place]
    return there


def test_in_the_end_providers_count_by_what_they_said_last(sim_seed):
    async def main(sim):
        world = World(sim, await form(sim, NAMES, disk=True, on_exit="stay"))
        services = world.nodes["a"].services
        kinds = (ServiceUp, ServiceChanged, ServiceDown, *TURNS)
        async with listening(world.nodes["a"], *kinds) as heard:
            for name in OFFERED:
                world.add_hook(name)
            for number in range(STEPS):
                await world.disturb(number)
            await until(world.is_known, 200)
            await trio.sleep(1)
        assert follow(heard) == world.said
        turns = [type(event) for event in heard if isinstance(event, TURNS)]
        assert turns[0::2] == [ServicesReady] * len(turns[0::2])
        assert turns[1::2] == [ServicesNotReady] * len(turns[1::2])
        assert len(turns) % 2 == services.is_ready

    simulate(main, seed=sim_seed)
