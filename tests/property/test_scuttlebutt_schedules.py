"""Nodes that write, delete, forget, restart and gossip in any order come to agree.

Messages are delayed, repeated, lost and cut to any length on the way.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from clusterkit.core.buckets import BUCKETS, bucket_of
from clusterkit.core.replica import DELETED
from clusterkit.core.scuttlebutt import Scuttlebutt

SCHEDULES = int(os.environ.get("CLUSTERKIT_SCHEDULES", "300"))
ALL = range(BUCKETS)
NODES = ["a", "b", "c", "d"]
KEYS = ["k0", "k1", "k2", "k3", "k4"]


def cost(_):
    return 1


class World:
    """Four nodes, what each of them wrote, and messages on the way."""

    def __init__(self, seed):
        self.rng = Random(seed)
        self.lives = dict.fromkeys(NODES, 1)
        self.nodes = {name: Scuttlebutt(name, 1, cost) for name in NODES}
        # Of each node and incarnation: every write, in order.
        self.written = {(name, 1): [] for name in NODES}
        self.seen = {name: {} for name in NODES}
        self.wire = []

    def step(self):
        kind = self.rng.choice(
            ["write"] * 6
            + ["delete"] * 4
            + ["floor"] * 2
            + ["ask"] * 10
            + ["carry"] * 24
            + ["restart"] * (self.rng.random() < 0.5)
        )
        getattr(self, kind)(self.rng.choice(NODES))

    def write(self, name, value=None):
        key = self.rng.choice(KEYS)
        value = b"%d" % self.rng.randrange(1000) if value is None else value
        change = self.nodes[name].write(key, value)
        self.written[name, self.nodes[name].own.incarnation].append(change)

    def delete(self, name):
        self.write(name, DELETED)

    def floor(self, name):
        own = self.nodes[name].own
        self.nodes[name].raise_floor(self.rng.randint(own.floor, own.version))

    def restart(self, name):
        self.lives[name] += 1
        self.nodes[name] = Scuttlebutt(name, self.lives[name], cost)
        self.written[name, self.lives[name]] = []
        self.seen[name] = {}

    def ask(self, name):
        other = self.rng.choice([n for n in NODES if n != name])
        self.wire.append((other, "digest", (name, self.nodes[name].digest())))

    def carry(self, _):
        if not self.wire:
            return
        message = self.wire.pop(self.rng.randrange(len(self.wire)))
        if self.rng.random() < 0.15:
            return
        if self.rng.random() < 0.15:
            self.wire.append(message)
        self.deliver(*message, room=self.rng.randint(1, 6))

    def deliver(self, to, kind, content, room):
        node = self.nodes[to]
        if kind == "parts":
            for name, key, value in node.take(content):
                self.seen[to][name, key] = value
            self.check(to)
            return
        asker, digest = content
        self.wire.append((asker, "parts", node.delta(digest, ALL, room)))
        wants = node.wants(digest)
        if wants:
            buckets = {bucket_of(n) for n in wants}
            told = self.nodes[asker].delta(
                {**self.nodes[asker].digest(), **wants}, buckets, room
            )
            self.wire.append((to, "parts", told))

    def check(self, reader):
        """A copy that is whole has of every key the last write up to its version.

        Or an earlier one or none, if it is still to be told of a later one.
        """
        for name in NODES:
            replica = self.nodes[reader].replica(name)
            if name == reader or replica is None or replica.version < replica.floor:
                continue
            truth, later = {}, set()
            for change in self.written[name, replica.incarnation]:
                if change.version <= replica.version:
                    truth[change.key] = change
                else:
                    later.add(change.key)
            alive = {k: c for k, c in truth.items() if c.value is not DELETED}
            here = {change.key: change for change in replica}
            wrong = {key for key, _ in here.items() ^ alive.items()}
            assert wrong <= later

    def settle(self):
        self.wire = []
        for _ in range(60):
            for one in NODES:
                for other in NODES:
                    digest = self.nodes[one].digest()
                    parts = self.nodes[other].delta(digest, ALL, 5)
                    for name, key, value in self.nodes[one].take(parts):
                        self.seen[one][name, key] = value
                    self.check(one)
            if len({node.hashes.hash for node in self.nodes.values()}) == 1:
                return
        raise AssertionError("they do not come to agree")


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_all_nodes_come_to_know_what_each_has_written(seed):
    world = World(seed)
    for _ in range(150):
        world.step()
    world.settle()
    for reader in NODES:
        for name in NODES:
            ours, truth = world.nodes[reader].replica(name), world.nodes[name].own
            assert ours.summary == truth.summary
            # Nobody has lied, so nobody has had to begin anew.
            assert truth.incarnation == world.lives[name]
            assert truth.version == len(world.written[name, truth.incarnation])
            assert list(ours) == list(truth)
            if reader != name:
                told = {
                    key: value
                    for (who, key), value in world.seen[reader].items()
                    if who == name and value is not DELETED
                }
                assert told == {c.key: c.value for c in truth}
