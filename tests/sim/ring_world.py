"""Random schedules of operators and disasters over real nodes of rings.

The same judge that watches over the model of membership watches here: it looks
at every node after every step of its state machine, and at what is on the disk
of those that are down. The invariant: the world breaks only what a network, a
machine or an operator breaks, and tells the judge of every answered operation.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import trio

from clusterkit.cluster.ring_file import decode
from clusterkit.core.membership import Membership
from clusterkit.core.ring_step import Step
from clusterkit.errors import ClusterError
from clusterkit.testing.sim import PORT

from ..property.membership_judge import Judge, Op  # noqa: TID252
from .rings import at

OPERATIONS = (
    "insert", "insert", "remove", "leave", "meet", "meet", "update", "update",
)  # fmt: skip
DISASTERS = ("crash", "restart", "restart", "partition", "heal", "cut", "move", "wipe")


@dataclass(frozen=True)
class Weather:
    """What happens in one schedule, and how often."""

    names: str
    steps: int
    pause: float
    disasters: tuple[str, ...]

    @classmethod
    def draw(cls, rng):
        some = rng.sample(DISASTERS, rng.randint(1, len(DISASTERS)))
        return cls(
            names="abcdefgh"[: rng.randint(3, 8)],
            steps=rng.choice((20, 40, 60)),
            pause=rng.choice((0.05, 0.5, 2.0)),
            disasters=tuple(some),
        )


class Seen:
    """A node as the judge sees it: its memory while it runs, else its disk."""

    def __init__(self, sim, name):
        self.sim, self.name = sim, name
        self._key: tuple | None = None

    def look(self):
        """Take note of where the node stands; say whether that is news."""
        standing = self._standing()
        key = (standing.state, tuple(standing.left.items()), tuple(standing.owed))
        if self._key is not None and all(map(_same, key, self._key)):
            return False
        self._key = key
        self.ids = standing.state.ring_ids
        self._registers = pairs(standing.state)
        self.left = {i: parting.stamp for i, parting in standing.left.items()}
        self._owes = [(s.ring_ids, pairs(s)) for s in standing.owed.values()]
        return True

    def lists(self):
        return {name for name, (member, _) in self._registers.items() if member.present}

    def registers(self):
        return self._registers

    def owes(self):
        return self._owes

    def _standing(self):
        node = self.sim.nodes.get(self.name)
        if node is not None:
            return node.gossip._membership._standing
        content = self.sim.disk(self.name).files.get(f"/state/{self.name}")
        if content is None:  # wiped, and not yet started again
            return Membership(at("nobody"), incarnation=0, rng=Random(0))._standing
        _, plain = decode(content, "")
        rng, now = Random(0), plain["saved_at"]
        return Membership.restore(plain, at(self.name), rng=rng, now=now)._standing


def _same(one, other):
    return one is other or one == other


def pairs(state):
    return {n: (entry.member, entry.record) for n, entry in state.entries.items()}


class World:
    """Nodes with disks, on hosts of their own, and what happens to them."""

    def __init__(self, sim):
        self.sim, self.rng = sim, sim.rng
        self.weather = Weather.draw(sim.rng)
        self.judge = Judge({n: Seen(sim, n) for n in self.weather.names}, set())
        self.down, self.nodes = self.judge.down, self.judge.nodes
        self.unsure: set[str] = set()
        self.tasks: dict[str, list[trio.CancelScope]] = {}
        self.step = 0

    async def run(self):
        for name in self.weather.names:
            await self.sim.start(name, disk=True)
        self._look()
        with self._watched():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._operators)
                nursery.start_soon(self._operators)
                nursery.start_soon(self._disasters)
            await self._calm_down()
        self.judge.judge(fair=False, only_met=False)
        self._judge_links()
        assert not self.judge.faults, "\n".join(map(str, self.judge.faults[:9]))

    @contextmanager
    def _watched(self):
        """Have the judge look after every step of every node."""
        finish = Step.finish

        def finish_and_look(step):
            effects = finish(step)
            self._look()
            return effects

        Step.finish = finish_and_look
        try:
            yield
        finally:
            Step.finish = finish

    def _look(self, *, wiped=False):
        news = [node.look() for node in self.nodes.values()]
        if any(news):
            self.step += 1
            self.judge.account(wiped=wiped)

    # Operators.

    async def _operators(self):
        for _ in range(self.weather.steps):
            await trio.sleep(self.rng.expovariate(1 / self.weather.pause))
            running = sorted(self.sim.nodes)
            if running:
                await self._operate(self.rng.choice(running))

    async def _operate(self, by):
        kind = self.rng.choice(OPERATIONS)
        name = by if kind == "leave" else self.rng.choice(self.weather.names)
        if kind != "leave" and name == by:
            return
        node, here = self.sim.nodes[by], self.nodes[by]
        before = self._before(by, name)
        was = here.registers()
        if kind == "update" and name not in here.lists():
            return
        if kind == "meet":
            self.unsure |= {by, name}
        with self._process(by):
            if not await self._command(node, kind, name):
                return
            if kind == "meet":
                self.judge.meets.append((self.step, by, name))
                return
            self._enter(kind, name, by, before, was)

    @contextmanager
    def _process(self, name):
        """Run what follows as a task of a node's process: it ends with it."""
        with trio.CancelScope() as scope:
            self.tasks.setdefault(name, []).append(scope)
            yield
        self.tasks[name].remove(scope)

    async def _command(self, node, kind, name):
        gossip, address = node.gossip, self._address(name)
        self.sim.trace(f"{node.name}.{kind}({name})")
        try:
            match kind:
                case "insert":
                    return await gossip.insert(address, force=self.rng.random() < 0.2)
                case "update":
                    return await gossip.update(address, self.rng.randint(1, 9))
                case "remove":
                    return await gossip.remove(name, force=self.rng.random() < 0.2)
                case "meet":
                    return await gossip.meet(address)
                case "leave":
                    return await self._leave(gossip)
        except ClusterError as error:
            self.sim.trace(f"{node.name}.{kind}({name}): {error!r}")
            return False

    async def _leave(self, gossip):
        changed = len(gossip.ring.weights()) > 1
        await gossip.leave()
        await gossip.join("ring")
        return changed

    def _address(self, name):
        node = self.sim.nodes.get(name)
        return node.address if node is not None else at(name)

    def _before(self, by, name):
        """What an operation of one node on another is judged by."""
        self._look()
        here, nodes = self.nodes[by], self.nodes.values()
        listing = [node for node in nodes if name in node.lists()]
        listed = [node.registers()[by][0] for node in nodes if by in node.lists()]
        return {
            "ids": here.ids,
            "meetings": by in self.unsure,
            "others_meet": True,
            "listed_at": max(map(tuple, listed)),
            "elsewhere": any(not node.ids & here.ids for node in listing),
        }

    def _enter(self, kind, name, by, before, was):
        """Enter an operation that was answered, with what it wrote."""
        self._look()
        here = self.nodes[by]
        if kind == "leave":
            stamps = [tuple(here.left[i]) for i in before["ids"] & here.left.keys()]
            stamp = max(stamps, default=tuple(was[name][0]))
        elif not before["ids"] & here.ids or name not in here.registers():
            return  # moved to another ring meanwhile
        else:
            member, record = here.registers()[name]
            stamp = tuple(record[0] if kind == "update" else member)
        op = Op(kind, name, by, stamp, self.step, holders={by}, **before)
        self.judge.ops.append(op)

    # What goes wrong.

    async def _disasters(self):
        for _ in range(self.weather.steps // 2):
            await trio.sleep(self.rng.expovariate(1 / (3 * self.weather.pause)))
            kind = self.rng.choice(self.weather.disasters)
            name = self.rng.choice(self.weather.names)
            await getattr(self, f"_{kind}")(name)

    async def _crash(self, name):
        if name in self.sim.nodes:
            self.down.add(name)
            for scope in self.tasks.get(name, ()):
                scope.cancel()
            await self.sim.crash(name, silent=self.rng.random() < 0.3)
            self._look()

    async def _restart(self, name, *, port=None):
        if name not in self.sim.nodes:
            await self.sim.restart(name, port=port)
            self.down.discard(name)

    async def _move(self, _):
        """Come back at another address.

        Always the same node does: two who have both moved, or one that has
        forgotten all others as well, have no way to find each other.
        """
        name = self.weather.names[-1]
        await self._crash(name)
        await self._restart(name, port=PORT + self.rng.randint(1, 3))

    async def _wipe(self, name):
        """Come back with an empty disk."""
        if name == self.weather.names[-1]:
            return
        await self._crash(name)
        self.sim.disk(name).files.clear()
        self._look(wiped=True)
        self.judge.wiped[name] = self.step
        await self._restart(name)

    async def _partition(self, name):
        side = {n for n in self.weather.names if self.rng.random() < 0.4}
        self.sim.partition(side, set(self.weather.names) - side)

    async def _heal(self, name):
        self.sim.heal()

    async def _cut(self, name):
        other = self.rng.choice(self.weather.names)
        self.sim.cut(name, other, half_open=self.rng.random() < 0.3)

    # At the end.

    async def _calm_down(self):
        """Mend the network, start most of what is down, wait for silence."""
        self.sim.trace("calm")
        self.sim.heal()
        for name in sorted(self.down):
            if self.rng.random() < 0.8:
                await self._restart(name)
        await self._silence()
        if await self._correct_addresses():
            await self._silence()

    async def _silence(self):
        since, before = self.sim.now, None
        while self.sim.now - since < 15:
            await trio.sleep(0.5)
            after = [(node.ids, node.registers()) for node in self.judge.up()]
            if after != before:
                since, before = self.sim.now, after
            assert self.sim.now < 1000, "they do not come to rest"

    async def _correct_addresses(self):
        """Do what only an operator can: tell who was inserted, and has moved since.

        It is in no ring with those who list it, so it does not tell them itself.
        """
        mover, corrected = self.weather.names[-1], False
        moved = self.sim.nodes.get(mover)
        for name, node in self.sim.nodes.items():
            if moved is not None and mover in node.ring and name not in moved.ring:
                corrected |= await node.gossip.update(moved.address)
        return corrected

    def _judge_links(self):
        for node in self.sim.nodes.values():
            for name in node.ring.weights():
                if name in self.sim.nodes and not node.kernel.is_connected(name):
                    self.judge.faults.append(f"{node.name} has no link to {name}")
