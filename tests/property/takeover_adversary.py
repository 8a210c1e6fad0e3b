"""Random schedules over the takeover model: everything that can happen.

The invariant: the adversary only does what networks, timers and operators do.
It delivers late, cuts, restarts and gives up; it never forges or reorders
within one connection, which the seal and TCP forbid.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, TypeVar

from .takeover_handshake import Dial
from .takeover_world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .takeover_rules import Rules

T = TypeVar("T")

COMMON = {
    "deliver": 50,
    "write": 8,
    "dial": 8,
    "prove": 8,
    "send": 6,
    "answer": 4,
    "stop_waiting": 2,
    "abandon": 1,
    "believe_dead": 0.5,
}
"""What goes on in every schedule, with weights."""

FAULTS = ("cut", "restart", "give_up", "go_down", "stall", "turn_reach")
"""What may go wrong, with a weight per schedule that is often 0: what takes
the absence of other faults to show is found far sooner so (Groce et al., *Swarm
Testing*, ISSTA 2012)."""


class Adversary:
    """Drives one world through one schedule."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        weights = dict(COMMON)
        for name in FAULTS:
            weights[name] = rng.choice((0, 0.3, 1, 3))
        weights["flow"] = weights["stall"]
        self.names, self.weights = list(weights), list(weights.values())

    def run(self, steps: int) -> None:
        for name in self.rng.choices(self.names, self.weights, k=steps):
            getattr(self, "_" + name)()
            if len(self.world.ends) > 40:
                self.world.sweep()

    def _one(self, found: Iterable[T]) -> Iterable[T]:
        """One of those that can take part in this step, or none."""
        found = list(found)
        return [self.rng.choice(found)] if found else []

    def _deliver(self) -> None:
        ends = self.world.ends
        for end in self._one(e for e in ends if e.inbox and not e.is_stalled):
            self.world.deliver(end)

    def _stall(self) -> None:
        for end in self._one(e for e in self.world.ends if not e.is_stalled):
            end.is_stalled = True

    def _flow(self) -> None:
        for end in self._one(e for e in self.world.ends if e.is_stalled):
            end.is_stalled = False

    def _cut(self) -> None:
        for end in self._one(e for e in self.world.ends if e.is_open):
            self.world.note("cut", end.process.name, end.other.process.name)
            for side in (end, end.other):
                keep, tell = self.rng.choice((0, 1, 9)), self.rng.random() < 0.6
                side.cut(keep, tell=tell)

    def _write(self) -> None:
        sessions = [link.session for link in self.world.links() if link.session]
        for session in self._one(sessions):
            session.write(self.rng.randint(0, 3))

    def _believe_dead(self) -> None:
        for link in self._one(ln for ln in self.world.links() if ln.session):
            self.world.note(link.process.name, "believes its session dead")
            link.detach()

    def _send(self) -> None:
        for link in self._one(self.world.links()):
            link.send(self.rng.choice(("call", "cast")))

    def _answer(self) -> None:
        processes = self.world.processes.values()
        for process in self._one(p for p in processes if p.running):
            process.answer(self.rng.randrange(len(process.running)))

    def _dial(self) -> None:
        for link in self._one(ln for ln in self.world.links() if ln.may_dial):
            self.world.note(link.process.name, "dials", link.peer)
            Dial(link)

    def _dials(self) -> list[Dial]:
        return [link.dial for link in self.world.links() if link.dial]

    def _prove(self) -> None:
        for dial in self._one(d for d in self._dials() if d.is_challenged):
            self.world.note(dial.link.process.name, "proves")
            dial.prove()

    def _abandon(self) -> None:
        for dial in self._one(self._dials()):
            self.world.note(dial.link.process.name, "abandons its dial")
            dial.abandon()

    def _stop_waiting(self) -> None:
        for link in self._one(ln for ln in self.world.links() if ln.awaits_inbound):
            link.stop_waiting()

    def _go_down(self) -> None:
        for link in self._one(ln for ln in self.world.links() if not ln.session):
            self.world.note(link.process.name, "is down for", link.peer)
            link.go_down()

    def _give_up(self) -> None:
        for link in self._one(self.world.links()):
            self.world.note(link.process.name, "gives up its link to", link.peer)
            link.process.give_up(link.peer)

    def _restart(self) -> None:
        for name in self._one(self.world.processes):
            self.world.note("restart of", name)
            self.world.restart(name)

    def _turn_reach(self) -> None:
        for pair in self._one(self.world.reachable):
            self.world.reachable[pair] = not self.world.reachable[pair]


def run_schedule(
    seed: int, rules: Rules, names: str = "ab", *, trace: bool = False
) -> World:
    """Run and judge one schedule, with every pair reachable one way at its end.

    What is under way from abandoned connections is delivered in the stable
    times too: a Proof may come when everything else has long been settled.
    """
    rng = random.Random(seed)
    world = World(names, rules, trace=trace)
    Adversary(world, rng).run(rng.choice((100, 200, 400)))
    for one, other in itertools.combinations(names, 2):
        ways = rng.choice(((True, True), (True, False), (False, True)))
        world.reachable[one, other], world.reachable[other, one] = ways
    world.note("-- stable")
    world.settle(rng)
    world.journal.close()
    return world
