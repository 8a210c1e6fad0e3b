"""The rules of takeover hold for real links, under random schedules.

Dials from both sides, cuts at any byte, half-open connections, walls that let
only one side dial, delays, losses, partitions, crashes and restarts: whatever
comes, the ledger finds every message delivered, or its sender told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from clusterkit.testing.sim import simulate

from .ledger import Ledger
from .rings import at

if TYPE_CHECKING:
    import random

FAULTS = {
    "cut": 6,
    "half_open": 2,
    "abort": 2,
    "wall": 2,
    "delay": 1,
    "loss": 1,
    "partition": 2,
    "restart": 2,
}
"""What may go wrong, with weights; each schedule has some of them only, for
what takes the absence of the others to show is found far sooner so."""


@dataclass
class Schedule:
    """One schedule for two nodes that both talk all the time."""

    ledger: Ledger
    rng: random.Random
    faults: list[str] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    steps: int = 40
    pause: float = 0.25

    def __post_init__(self):
        self.sim = self.ledger.sim
        self.faults = sorted(self.rng.sample(sorted(FAULTS), self.rng.randint(1, 8)))
        self.weights = [FAULTS[fault] for fault in self.faults]
        self.pause = self.rng.choice((0.01, 0.25, 1.0))

    async def run(self):
        async with trio.open_nursery() as self.talkers:
            for name in "ab":
                await self.ledger.start(name)
                self.talk(name)
            for _ in range(self.steps):
                await trio.sleep(self.rng.expovariate(1 / self.pause))
                (fault,) = self.rng.choices(self.faults, self.weights)
                await getattr(self, fault)(*self.rng.sample("ab", 2))
            self.sim.heal()
            for name, peer in ("ab", "ba"):
                self.sim.network.wall(name, peer, up=False)
        await self.ledger.settled()
        self.ledger.judge(lossless="restart" not in self.faults)

    def talk(self, name):
        """Talk for about as long as the schedule is, in two lines."""
        peer = "ab".replace(name, "")
        pause = 5 * self.steps * self.pause / 100
        for share in (0.0, 0.7):
            self.talkers.start_soon(
                partial(self.ledger.talk, name, peer, 100, calls=share, pause=pause)
            )

    async def cut(self, a, b):
        self.sim.cut(a, b)

    async def half_open(self, a, b):
        self.sim.cut(a, b, half_open=True)

    async def abort(self, a, b):
        self.sim.network.abort(a, b)

    async def wall(self, a, b):
        self.sim.network.wall(b, a, up=False)
        self.sim.network.wall(a, b, up=self.rng.random() < 0.7)

    async def delay(self, a, b):
        self.sim.delay(a, b, self.rng.random() * 0.05, spread=self.rng.random() * 0.05)

    async def loss(self, a, b):
        self.sim.loss(a, b, self.rng.choice((0, 0.02, 0.2)))

    async def partition(self, a, b):
        self.sim.partition({a}, {b})
        await trio.sleep(self.rng.random() * self.rng.choice((0.1, 1, 5)))
        self.sim.heal()

    async def restart(self, name, _):
        await self.ledger.crash(name, silent=self.rng.random() < 0.5)
        await trio.sleep(self.rng.random() * self.rng.choice((0.01, 0.1, 4)))
        await self.ledger.restart(name)
        self.talk(name)


def test_no_schedule_breaks_the_contract(sim_seed):
    async def main(sim):
        async with trio.open_nursery() as nursery:
            await Schedule(Ledger(sim, nursery), sim.rng).run()
            nursery.cancel_scope.cancel()

    for part in range(10):
        simulate(main, seed=f"{sim_seed}/{part}")


def test_two_processes_that_find_each_other_by_dialling_at_once_agree(sim_seed):
    """Neither knows the other, both dial, and the first words are not lost."""

    async def main(sim):
        async with trio.open_nursery() as nursery:
            ledger = Ledger(sim, nursery)
            async with trio.open_nursery() as starting:
                for name in "ab":
                    starting.start_soon(ledger.start, name)
            async with trio.open_nursery() as talkers:
                for name, peer in ("ab", "ba"):
                    talkers.start_soon(ledger.talk, name, peer, 50)
            await ledger.settled()
            ledger.judge(lossless=True)
            assert sim.nodes["a"].kernel.links()[0].reconnects <= 1
            nursery.cancel_scope.cancel()

    for part in range(10):
        simulate(main, seed=f"{sim_seed}/{part}")


def test_a_link_given_up_and_made_anew_loses_nothing_unreported(sim_seed):
    """Remove and insert again while messages are under way."""

    async def main(sim):
        async with trio.open_nursery() as nursery:
            ledger = Ledger(sim, nursery)
            for name in "ab":
                await ledger.start(name)
            a = sim.nodes["a"]
            async with trio.open_nursery() as talkers:
                for name, peer in ("ab", "ba"):
                    talk = partial(ledger.talk, name, peer, 300, pause=0.1)
                    talkers.start_soon(talk)
                for _ in range(10):
                    await a.gossip.insert(at("b"))
                    await trio.sleep(sim.rng.random())
                    await a.gossip.remove("b", force=sim.rng.random() < 0.7)
                    await trio.sleep(sim.rng.random())
            await ledger.settled()
            ledger.judge(given_up=True)
            nursery.cancel_scope.cancel()

    simulate(main, seed=sim_seed)
