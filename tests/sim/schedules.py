"""Random schedules of faults between two nodes that talk, judged by the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import random

    from .ledger import Ledger

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
    messages: int = 100
    """In each line of a talker."""
    large: float = 0.0
    """The share of messages that take several frames' worth of bytes."""

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
        pause = 5 * self.steps * self.pause / self.messages
        for share in (0.0, 0.7):
            talk = partial(self.ledger.talk, calls=share, pause=pause, large=self.large)
            self.talkers.start_soon(talk, name, peer, self.messages)

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
