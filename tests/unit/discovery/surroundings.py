"""A node as a source sees it, without a node; and what the source tells it."""

from __future__ import annotations

from collections import Counter
from math import inf
from random import Random

import trio

from clusterkit.discovery import Surroundings
from clusterkit.names import NodeInfo

WALL = 1_700_000_000.0
ME = NodeInfo("me", "10.0.0.1", 7022)


class Node:
    """Takes down what a source counts, says and finds."""

    def __init__(self, members=(ME,), ring="ring"):
        self.counted = Counter()
        self.said = []
        self.found = {}
        self.members = tuple(members)
        self.ring = ring
        self.left = inf

    def count(self, reason):
        self.counted[reason] += 1

    def find(self, address, *, heard=False):
        self.found[address] = heard

    def surroundings(self):
        async def in_place(function, *args):
            await trio.lowlevel.checkpoint()
            return function(*args)

        return Surroundings(
            info=lambda: ME,
            incarnation=lambda: 1,
            ring=lambda: self.ring,
            knows=lambda node: node in self.members,
            members=lambda: self.members,
            secrets=lambda: (bytes(32),),
            datagrams=None,
            rng=Random(0),
            wall_clock=lambda: WALL,
            run_blocking=in_place,
            count=lambda reason: self.count(reason),
            say=lambda event, **fields: self.said.append((event, fields)),
            left=lambda: self.left,
        )

    async def run(self, source, until):
        """Run a source until a condition holds."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run, self.find, self.surroundings())
            with trio.fail_after(20):
                while not until():
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
