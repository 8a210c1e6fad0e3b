"""Random schedules for nodes of one ring, models and real ones alike.

`World` drives operations, messages that are lost, repeated and reordered,
crashes, restarts from disk and with a wiped one, and then a calm in which all
is delivered. The invariant: a run is a function of its seed, of its weather and
of the kind of node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from clusterkit.core.membership import Membership
from clusterkit.core.ring_effects import (
    Conflict,
    HandedOver,
    HandOver,
    LeftRing,
    Persist,
    RemovedFromRing,
    Send,
)

from .membership_judge import Judge, Op

NAMES = "abcde"


def address(name):
    return f"{name}@host:{7000 + NAMES.index(name)}"


class RealNode:
    """A `Membership` in the least shell that carries out its effects."""

    def __init__(self, name, incarnation, rng, send, make=Membership):
        self.name, self.send, self.rng, self.make = name, send, rng, make
        self.departures, self.conflicts, self.pending = 0, 0, {}
        self.membership = make(address(name), incarnation=incarnation, rng=rng)
        self.do(self.membership.start())

    def restart(self, incarnation):
        saved = json.loads(json.dumps(self.disk))
        self.membership = self.make.restore(
            saved, address(self.name), rng=self.rng, now=0.0
        )
        assert self.membership.incarnation == incarnation
        self.pending = {}
        self.do(self.membership.start())

    def durable(self):
        standing = self.membership._standing
        state = standing.state
        return state.ring_ids, state.entries, dict(standing.left), set(standing.owed)

    def do(self, effects):
        for effect in effects:
            match effect:
                case Persist():
                    self.disk = self.membership.to_plain(0.0)
                    self.saved = self.durable()
                case Send(to, message):
                    self.send(to, message)
                case HandOver(ticket, candidates, message):
                    self.pending[ticket] = ([*candidates[1:], candidates[0]], message)
                    self.send(candidates[0], message)
                case HandedOver(ticket):
                    self.pending.pop(ticket, None)
                case LeftRing() | RemovedFromRing():
                    self.departures += 1
                case Conflict():
                    self.conflicts += 1
        assert self.durable() == self.saved, "told, and not on disk"
        return bool(effects)

    def tick(self):
        for candidates, message in self.pending.values():
            candidates.append(candidates.pop(0))
            self.send(candidates[-1], message)

    @property
    def ids(self):
        return self.membership.state.ring_ids

    @property
    def left(self):
        return {i: p.stamp for i, p in self.membership._standing.left.items()}

    def lists(self):
        return set(self.membership.state.entries.present)

    def registers(self):
        return pairs(self.membership.state)

    def owes(self):
        owed = self.membership._standing.owed.values()
        return [(state.ring_ids, pairs(state)) for state in owed]

    def others(self):
        return self.membership.others

    def insert(self, name):
        return self.do(self.membership.insert(address(name)))

    def update(self, name, weight):
        if name not in self.lists():
            return False
        return self.do(self.membership.update(address(name), weight))

    def remove(self, name):
        return self.do(self.membership.remove(name))

    def leave(self):
        return self.do(self.membership.leave())

    def meet(self, name):
        return self.do(self.membership.meet(name))

    def greet(self, name):
        self.do(self.membership.greet(name))

    def receive(self, sender, message):
        self.do(self.membership.receive(sender, message))


def pairs(state):
    return {n: (entry.member, entry.record) for n, entry in state.entries.items()}


@dataclass(frozen=True)
class Weather:
    """What may go wrong in one schedule."""

    names: str = NAMES
    ops: tuple = ("insert", "insert", "remove", "leave", "meet", "meet", "update")
    steps: int = 60
    loss: float = 0.0
    repeat: float = 0.0
    reorder: bool = False
    crash: bool = False
    wipe: bool = False
    cuts: bool = False

    @property
    def fair(self):
        """Whether nothing goes wrong but that pairs differ in speed."""
        return not (self.loss or self.repeat or self.reorder or self.crash or self.cuts)

    @classmethod
    def foul(cls, seed):
        """Draw what goes wrong."""
        rng = Random(f"foul {seed}")
        return cls(
            names=NAMES[: rng.randint(2, 5)],
            steps=rng.choice((20, 40, 80)),
            loss=rng.choice((0, 0.1, 0.4)),
            repeat=rng.choice((0, 0.1, 0.3)),
            reorder=rng.random() < 0.6,
            crash=rng.random() < 0.5,
            wipe=rng.random() < 0.3,
            cuts=rng.random() < 0.4,
        )

    @classmethod
    def mild(cls, seed, *ops):
        """Draw a schedule in which nothing goes wrong."""
        rng = Random(f"mild {seed}")
        names = NAMES[: rng.randint(2, 5)]
        return cls(names=names, ops=ops, steps=rng.choice((20, 40, 60)))


class World:
    """Nodes and what is under way between them.

    Args:
        seed: Decides all that happens.
        make: Makes a node of a name, an incarnation, dice and a way to send.
        weather: What may go wrong.
    """

    def __init__(self, seed, make, weather):
        self.rng, self.make, self.weather = Random(seed), make, weather
        self.step, self.trace, self.wire = 0, [], []
        self.cut, self.down = set(), set()
        self.lives = dict.fromkeys(weather.names, 0)
        self.nodes = {name: self.begin(name) for name in weather.names}
        self.judge = Judge(self.nodes, self.down)
        self.faults, self.up = self.judge.faults, self.judge.up

    def begin(self, name):
        self.lives[name] += 1
        dice = Random(f"{name} {self.lives[name]} {self.rng.random()}")

        def send(to, message):
            self.wire.append((name, to, message))

        return self.make(name, self.lives[name], dice, send)

    def log(self, line):
        self.trace.append(f"{self.step:3} {line}")

    def run(self):
        for step in range(self.weather.steps):
            self.step = step
            self.act()
            self.judge.account()
        self.calm_down()
        if not self.faults:
            only_met = set(self.weather.ops) == {"meet"}
            self.judge.judge(fair=self.weather.fair, only_met=only_met)
        return self

    def act(self):
        roll = self.rng.random()
        if roll >= 0.90:
            self.disturb()
        elif roll >= 0.37 and self.wire:
            self.deliver()
        elif self.up():
            node = self.rng.choice(self.up())
            self.operate(node) if roll < 0.22 else self.gossip(node)

    # Operations.

    def operate(self, node):
        kind = self.rng.choice(self.weather.ops)
        name = self.rng.choice(self.weather.names)
        arguments = (name,)
        if kind == "leave":
            name, arguments = node.name, ()
        elif kind == "update":
            arguments = (name, self.rng.randint(1, 9))
        elif name == node.name:
            return
        before, was = self.before(node, name), node.registers()
        if not getattr(node, kind)(*arguments):
            return
        self.log(f"{node.name}.{kind}{arguments}")
        if kind == "meet":
            self.judge.meets.append((self.step, node.name, name))
            return
        stamp = written(node, kind, name, was, before["ids"])
        op = Op(kind, name, node.name, stamp, self.step, holders={node.name}, **before)
        self.judge.ops.append(op)

    def before(self, node, name):
        """What an operation of `node` on `name` is judged by."""
        listing = [other for other in self.nodes.values() if name in other.lists()]
        meetings = [(s, t, m[0]) for s, t, m in self.wire if m[0] in {"join", "answer"}]
        askers = {s if kind == "join" else t for s, t, kind in meetings}
        asked = {t for _, t, kind in meetings if kind == "join"}
        return {
            "ids": node.ids,
            "meetings": node.name in askers | asked,
            "others_meet": bool(askers - {node.name}),
            "elsewhere": any(not other.ids & node.ids for other in listing),
            "listed_at": max(
                tuple(other.registers()[node.name][0])
                for other in self.nodes.values()
                if node.name in other.lists()
            ),
        }

    # Messages.

    def gossip(self, node):
        node.tick()
        if node.others():
            node.greet(self.rng.choice(node.others()))

    def deliver(self):
        at = self.rng.randrange(len(self.wire))
        if not self.weather.reorder:
            pair = self.wire[at][:2]
            at = next(i for i, m in enumerate(self.wire) if m[:2] == pair)
        sender, to, message = self.wire[at]
        if self.rng.random() >= self.weather.repeat:
            del self.wire[at]
        if self.rng.random() < self.weather.loss:
            self.log(f"  {sender} x {to} {message[0]}")
        else:
            self.hand(sender, to, message)

    def hand(self, sender, to, message):
        reachable = (sender in self.cut) == (to in self.cut)
        if reachable and to in self.nodes and to not in self.down:
            self.nodes[to].receive(sender, message)
            self.log(f"  {sender} > {to} {message[0]}")

    # What goes wrong.

    def disturb(self):
        kind = self.rng.choice(("crash", "restart", "restart", "cut"))
        name = self.rng.choice(self.weather.names)
        if kind == "crash" and self.weather.crash:
            self.down.add(name)
            self.log(f"{name} crashes")
        elif kind == "restart" and name in self.down:
            self.restart(name, wiped=self.weather.wipe and self.rng.random() < 0.5)
        elif kind == "cut" and self.weather.cuts:
            self.cut = {n for n in self.weather.names if self.rng.random() < 0.4}
            self.log(f"cut {sorted(self.cut)}")

    def restart(self, name, *, wiped):
        self.log(f"{name} restarts{' wiped' if wiped else ''}")
        self.down.discard(name)
        if wiped:
            self.nodes[name] = self.begin(name)
            self.judge.wiped[name] = self.step
            self.judge.account(wiped=True)
        else:
            self.lives[name] += 1
            self.nodes[name].restart(self.lives[name])

    # Calm: all is delivered, and each asks each that it lists.

    def calm_down(self):
        self.cut = set()
        for name in sorted(self.down):
            if self.rng.random() < 0.7:
                self.restart(name, wiped=self.weather.wipe and self.rng.random() < 0.3)
        before = None
        for _ in range(40):
            self.drain()
            for node in self.up():
                for name in node.others():
                    node.greet(name)
                for _ in self.nodes:
                    node.tick()
            self.drain()
            after = [(node.ids, node.registers()) for node in self.up()]
            if after == before:
                return
            before = after
        self.faults.append("they do not come to rest")

    def drain(self):
        for _ in range(2000):
            if not self.wire:
                return
            self.hand(*self.wire.pop(0))
            self.judge.account()
        self.faults.append("they talk for ever")


def written(node, kind, name, was, ids):
    """The stamp of what `node` has just written."""
    if kind == "leave":
        noted = [tuple(node.left[i]) for i in ids & node.left.keys()]
        return max(noted, default=tuple(was[name][0]))
    member, record = node.registers()[name]
    return tuple(record[0] if kind == "update" else member)
