"""A few memberships and the wire between them, delivered when a test says so."""

from __future__ import annotations

import json
from random import Random

from clusterkit.core.membership import Membership
from clusterkit.core.ring_effects import HandOver, Persist, Send

NAMES = "abcdefgh"


def address(name, host="host"):
    return f"{name}@{host}:{7000 + NAMES.index(name)}"


def only(effects, kind):
    """Return the effects of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


class Playbook:
    """Nodes by name, each alone at first; `play.a` is the membership of `a`.

    `play.effects[name]` are the effects of a node's last step; `play.seen[name]`
    all of them since the last `forget`.
    """

    def __init__(self, names, **options):
        self.options, self.now = options, 0.0
        self.nodes, self.disks = {}, {}
        self.effects, self.seen = {}, {name: [] for name in names}
        self.wire, self.lost = [], set()
        for name in names:
            self.wipe(name, incarnation=1)

    def __getattr__(self, name):
        return self.__dict__["nodes"][name]

    def wipe(self, name, incarnation):
        """Start a node that knows nothing."""
        self.nodes[name] = Membership(
            address(name), incarnation=incarnation, rng=Random(name), **self.options
        )
        self.do(name, self.nodes[name].start())

    def restart(self, name, now=0.0, host="host"):
        """Start a node from its file, which is JSON here."""
        self.nodes[name] = Membership.restore(
            json.loads(json.dumps(self.disks[name])),
            address(name, host),
            rng=Random(name),
            now=now,
            **self.options,
        )
        return self.do(name, self.nodes[name].start())

    def do(self, name, effects):
        """Carry out effects; messages wait on the wire."""
        self.effects[name] = effects
        self.seen[name] += effects
        for effect in effects:
            match effect:
                case Persist():
                    assert effect is effects[0]
                    self.disks[name] = self.nodes[name].to_plain(self.now)
                case Send(to, message):
                    self.wire.append((name, to, message))
                case HandOver(_, candidates, message):
                    self.wire.append((name, candidates[0], message))
        return effects

    def call(self, name, operation, *arguments):
        return self.do(name, getattr(self.nodes[name], operation)(*arguments))

    def insert(self, name, *others):
        return self.call(name, "minsert", [address(other) for other in others])

    def forget(self):
        for effects in self.seen.values():
            effects.clear()

    def lose_all(self):
        self.wire.clear()

    def deliver(self):
        """Deliver the first message on the wire; return it."""
        sender, to, message = self.wire.pop(0)
        if to in self.nodes and not {sender, to} & self.lost:
            self.do(to, self.nodes[to].receive(sender, message))
        return sender, to, message

    def run(self):
        """Deliver until nobody says more; return the kinds that were said."""
        kinds = []
        while self.wire:
            kinds.append(self.deliver()[2][0])
            assert len(kinds) < 1000, "they talk for ever"
        return kinds

    def gossip(self):
        """Let each node ask each that it lists, twice, and deliver all."""
        self.run()
        for _ in range(2):
            for name in sorted(self.nodes.keys() - self.lost):
                for other in self.nodes[name].others:
                    self.call(name, "greet", other)
            self.run()

    def ring(self, *names):
        """Make one ring of nodes that are alone."""
        self.insert(names[0], *names[1:])
        self.gossip()
        self.forget()
        return self

    def views(self):
        """Whom each node lists."""
        return {name: "".join(self.members(name)) for name in self.nodes}

    def members(self, name):
        return [node.id for node in self.nodes[name].members]
