"""Random schedules for nodes of one ring, and what must hold when they end.

`World` drives model nodes and real ones alike: operations, messages that are
lost, repeated and reordered, crashes, restarts from disk and with a wiped one.
The invariant: a run is a function of its seed and of the kind of node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random

from clusterkit.core.membership import Membership
from clusterkit.core.ring_effects import (
    HandedOver,
    HandOver,
    LeftRing,
    Persist,
    RemovedFromRing,
    Send,
)

NAMES = "abcde"


class RealNode:
    """A `Membership` in the least shell that carries out its effects."""

    def __init__(self, name, incarnation, rng, send, make=Membership):
        self.name, self.send, self.rng, self.make = name, send, rng, make
        self.departures, self.pending, self.effects = 0, {}, []
        self.membership = make(address(name), incarnation=incarnation, rng=rng)
        self.do(self.membership.start())

    def save(self):
        self.disk = self.membership.to_plain(0.0)
        self.saved = self.durable()

    def durable(self):
        standing = self.membership._standing
        state = standing.state
        return state.ring_ids, state.entries, dict(standing.left), set(standing.owed)

    def restart(self, incarnation):
        saved = json.loads(json.dumps(self.disk))
        self.membership = self.make.restore(
            saved, address(self.name), rng=self.rng, now=0.0
        )
        assert self.membership.incarnation == incarnation
        self.pending = {}
        self.do(self.membership.start())

    def do(self, effects):
        for effect in effects:
            match effect:
                case Persist():
                    self.save()
                case Send(to, message):
                    self.send(to, message)
                case HandOver(ticket, candidates, message):
                    self.pending[ticket] = ([*candidates[1:], candidates[0]], message)
                    self.send(candidates[0], message)
                case HandedOver(ticket):
                    self.pending.pop(ticket, None)
                case LeftRing() | RemovedFromRing():
                    self.departures += 1
        assert self.durable() == self.saved, "told, and not on disk"
        self.effects = effects
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
        return {node.id for node in self.membership.members}

    def registers(self):
        entries = self.membership.state.entries
        return {n: (e.member, e.record) for n, e in entries.items()}

    def owes(self):
        owed = self.membership._standing.owed.values()
        return [
            (s.ring_ids, {n: (e.member, e.record) for n, e in s.entries.items()})
            for s in owed
        ]

    def others(self):
        return self.membership.others

    def insert(self, name):
        return self.do(self.membership.insert(address(name)))

    def update(self, name, weight):
        if not self.membership.lists(name):
            return False
        return self.do(self.membership.update(address(name), weight))

    def remove(self, name):
        return name != self.name and self.do(self.membership.remove(name))

    def leave(self):
        return self.do(self.membership.leave())

    def meet(self, name):
        return self.do(self.membership.meet(name))

    def greet(self, name):
        self.do(self.membership.greet(name))

    def receive(self, sender, message):
        self.do(self.membership.receive(sender, message))


def address(name):
    return f"{name}@host:{7000 + NAMES.index(name)}"


@dataclass
class Op:
    """An acknowledged operation: what it wrote, and who is known to hold it."""

    kind: str
    name: str
    by: str
    stamp: tuple
    ids: frozenset
    step: int
    meetings: bool
    listed_at: tuple
    others_meet: bool
    holders: set = field(default_factory=set)
    exempt: bool = False


@dataclass(frozen=True)
class Weather:
    """What may go wrong in one schedule."""

    names: str = NAMES
    loss: float = 0.0
    repeat: float = 0.0
    reorder: bool = False
    crash: bool = False
    wipe: bool = False
    cuts: bool = False
    ops: tuple = ("insert", "insert", "remove", "leave", "meet", "meet", "update")
    steps: int = 60

    @property
    def fair(self):
        """Nothing goes wrong, except that pairs differ in speed."""
        return not (self.loss or self.repeat or self.reorder or self.crash or self.cuts)

    @classmethod
    def draw(cls, rng):
        return cls(
            names=NAMES[: rng.randint(2, 5)],
            loss=rng.choice((0, 0.1, 0.4)),
            repeat=rng.choice((0, 0.1, 0.3)),
            reorder=rng.random() < 0.6,
            crash=rng.random() < 0.5,
            wipe=rng.random() < 0.3,
            cuts=rng.random() < 0.4,
            steps=rng.choice((20, 40, 80)),
        )


class World:
    """Nodes, what is under way between them, and what has been promised."""

    def __init__(self, seed, make, weather=None):
        self.rng = Random(seed)
        self.weather = Weather.draw(self.rng) if weather is None else weather
        self.make, self.trace, self.faults = make, [], []
        self.wire, self.ops, self.meets = [], [], []
        self.cut, self.step, self.calm = set(), 0, False
        self.lives = dict.fromkeys(self.weather.names, 0)
        self.wiped = dict.fromkeys(self.weather.names, -1)
        self.down = set()
        self.listed = {}
        self.nodes = {name: self.begin(name) for name in self.weather.names}

    def begin(self, name):
        self.lives[name] += 1
        seed = Random(f"{name} {self.lives[name]} {self.rng.random()}")

        def send(to, message):
            self.wire.append((name, to, message))

        return self.make(name, self.lives[name], seed, send)

    def up(self):
        return [node for name, node in self.nodes.items() if name not in self.down]

    # One schedule.

    def run(self):
        for self.step in range(self.weather.steps):
            self.act()
        self.calm_down()
        if not self.faults:
            self.judge()
        return self

    def act(self):
        roll = self.rng.random()
        if roll < 0.22:
            self.operate()
        elif roll < 0.75:
            self.deliver()
        elif roll < 0.90:
            self.gossip(self.rng.choice(self.up())) if self.up() else None
        else:
            self.disturb()
        self.account(wiped=False)

    def operate(self):
        if not self.up():
            return
        node = self.rng.choice(self.up())
        kind = self.rng.choice(self.weather.ops)
        name = self.rng.choice(self.weather.names)
        ids, was = node.ids, node.registers()
        meetings, listed_at = self.under_way(node.name), self.listed_at(node.name)
        alien = any(
            m[0] in {"join", "answer"} and node.name not in ({s} if m[0] == "join" else {t})
            for s, t, m in self.wire
        )
        arguments = {
            "leave": (),
            "update": (name, self.rng.randint(1, 9)),
        }.get(kind, (name,))
        if kind in {"meet", "insert"} and name == node.name:
            return
        if not getattr(node, kind)(*arguments):
            return
        self.log(f"{node.name}.{kind}{arguments}")
        if kind == "meet":
            self.meets.append((self.step, node.name, name))
            return
        if kind == "leave":
            name, stamp = node.name, max(node.left[i] for i in ids if i in node.left) if node.left else was[node.name][0]
        else:
            stamp = node.registers()[name][kind == "update"]
            stamp = stamp[0] if kind == "update" else stamp
        self.ops.append(
            Op(
                kind,
                name,
                node.name,
                tuple(stamp),
                ids,
                self.step,
                meetings,
                listed_at,
                alien,
                {node.name},
            )
        )

    def listed_at(self, name):
        """The latest stamp at which anyone lists `name`."""
        return max(
            tuple(node.registers()[name][0])
            for node in self.nodes.values()
            if name in node.lists()
        )

    def under_way(self, name):
        """Whether the start or the end of a meeting of `name` is on the wire."""
        return any(
            (m[0] == "join" and name in {sender, to}) or (m[0] == "answer" and to == name)
            for sender, to, m in self.wire
        )

    def deliver(self):
        if not self.wire:
            return
        at = self.rng.randrange(len(self.wire)) if self.weather.reorder else self.front()
        sender, to, message = self.wire[at]
        if self.rng.random() >= self.weather.repeat:
            del self.wire[at]
        if self.rng.random() < self.weather.loss or {sender, to} & self.cut == {to}:
            self.log(f"  {sender} x {to} {message[0]}")
            return
        self.hand(sender, to, message)

    def front(self):
        """The first message of a random pair: each pair is in order."""
        sender, to, _ = self.rng.choice(self.wire)
        return next(i for i, m in enumerate(self.wire) if m[:2] == (sender, to))

    def hand(self, sender, to, message):
        reachable = to in self.nodes and to not in self.down
        if reachable and ((sender in self.cut) == (to in self.cut)):
            self.nodes[to].receive(sender, message)
            self.log(f"  {sender} > {to} {message[0]}")

    def gossip(self, node):
        node.tick()
        if node.others():
            node.greet(self.rng.choice(node.others()))

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
            self.wiped[name] = self.step
            self.account(wiped=True)
        else:
            self.lives[name] += 1
            self.nodes[name].restart(self.lives[name])

    def log(self, line):
        self.trace.append(f"{self.step:3} {line}")

    # Quiet: all is delivered, and each asks each that it lists.

    def calm_down(self):
        self.cut, self.calm = set(), True
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
            after = [(n.name, n.ids, n.registers()) for n in self.up()]
            if after == before:
                return
            before = after
        self.faults.append("does not come to rest")

    def drain(self):
        for _ in range(2_000):
            if not self.wire:
                return
            self.hand(*self.wire.pop(0))
            self.account(wiped=False)
        self.faults.append("talks for ever")

    # What is promised.

    def knows(self, node, op):
        if not node.ids.isdisjoint(op.ids) and covers(node.registers(), op):
            return True
        if op.name == node.name and op.kind in {"remove", "leave"}:
            if any(node.left[i] >= op.stamp for i in op.ids & node.left.keys()):
                return True
        return any(not i.isdisjoint(op.ids) and covers(r, op) for i, r in node.owes())

    def account(self, *, wiped):
        """A write may be lost with a disk, or with a node that had no others."""
        for op in self.ops:
            if op.exempt:
                continue
            before = op.holders
            op.holders = {n.name for n in self.nodes.values() if self.knows(n, op)}
            if op.holders:
                continue
            op.exempt = True
            others = {n for name in before for n in self.listed.get(name, ()) if n != name}
            kin = [n.name for n in self.up() if not n.ids.isdisjoint(op.ids)]
            if others.intersection(kin) and not wiped:
                self.faults.append(f"{op} lost, though {kin} are in its ring")
        self.listed = {node.name: node.lists() for node in self.nodes.values()}

    def judge(self):
        self.judge_pairs()
        live = {node.name for node in self.up()}
        for op in self.ops:
            if not op.exempt and op.holders & live:
                self.judge_op(op, live)
        if self.weather.fair:
            self.judge_leaves()
            self.judge_meetings()
        for node in self.up():
            for ids, registers in node.owes():
                self.judge_owed(node, ids, registers)

    def judge_pairs(self):
        for one in self.up():
            for other in self.up():
                if other.name not in one.lists():
                    continue
                if one.name not in other.lists():
                    self.faults.append(f"{other.name} does not list {one.name}")
                elif (one.ids, one.registers()) != (other.ids, other.registers()):
                    self.faults.append(f"{one.name} and {other.name} differ")

    def judge_owed(self, node, ids, registers):
        for name, (member, _) in registers.items():
            taker = self.nodes.get(name)
            if member[1] and name not in self.down and not taker.ids.isdisjoint(ids):
                self.faults.append(f"{node.name} could have told {name}")

    def judge_op(self, op, live):
        if op.kind not in {"remove", "leave"}:
            return
        for node in self.up():
            if node.ids.isdisjoint(op.ids) or op.name not in node.lists():
                continue
            stamp = tuple(node.registers()[op.name][0])
            if self.cause(op):
                continue
            if stamp < op.stamp and {node.name, op.name} & op.holders & live:
                self.faults.append(f"{node.name} lists {op.name} in spite of {op}")
            ours = stamp > op.stamp and stamp[2] == op.name
            at_once = op.listed_at >= stamp > op.stamp
            if node.name == op.name and op.kind == "leave" and not (ours or at_once):
                self.faults.append(f"{op.name} is back, and nobody asked: {op}")

    def judge_leaves(self):
        for op in self.ops:
            node = self.nodes[op.name]
            if op.kind != "leave" or node.ids.isdisjoint(op.ids) or op.others_meet:
                continue
            met = any(step > op.step for step, *_ in self.meets)
            inserted = any(
                o.kind == "insert"
                and (
                    o.step > op.step
                    or o.stamp > op.stamp
                    or o.ids.isdisjoint(op.ids)
                )
                for o in self.ops
            )
            if not met and not inserted:
                self.faults.append(f"{op.name} is back without a cause: {op}")

    def judge_meetings(self):
        """Where all do nothing but meet, all who met are together, and none left."""
        if set(self.weather.ops) != {"meet"}:
            return
        for step, one, other in self.meets:
            if other not in self.nodes[one].lists():
                self.faults.append(f"{one} met {other} at {step}, in vain")
        for node in self.nodes.values():
            if node.departures:
                self.faults.append(f"{node.name} left a ring, and nobody asked")

    def cause(self, leave):
        """Whether something brought back the node after it had left."""
        name, step = leave.name, leave.step
        return (
            leave.meetings
            or self.wiped[name] >= step
            or any(at > step and name in {a, b} for at, a, b in self.meets)
            or any(
                op.kind == "insert"
                and op.name == name
                and (
                    op.step > step
                    or op.stamp > leave.stamp
                    or op.ids.isdisjoint(leave.ids)
                )
                for op in self.ops
            )
        )


def covers(registers, op):
    entry = registers.get(op.name)
    if entry is None:
        return False
    stamp = entry[1][0] if op.kind == "update" else entry[0]
    return tuple(stamp) >= op.stamp
