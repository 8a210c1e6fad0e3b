"""Monitored nodes under cuts, partitions and restarts: what a watcher hears."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from clusterkit import Down, GenServer, call, cast
from clusterkit.testing import simulate


class Watcher(GenServer):
    """Keeps one monitor on node `b`, and hears what `b` says of its life."""

    def __init__(self, heard):
        self.heard = heard

    @call
    async def begin(self):
        self.monitor_node("b")

    @cast
    async def hear(self, incarnation):
        self.heard.append(incarnation)

    async def handle_info(self, message):
        self.heard.append(message)
        await trio.sleep(0.05)  # it fires at once while the node is down
        self.monitor_node("b")


class Speaker(GenServer):
    async def init(self):
        self.send_after(0.02, "speak")

    async def handle_info(self, message):
        self.node.cast_nowait("watcher@a", "hear", self.node.incarnation)
        self.send_after(0.02, "speak")


async def trouble(sim, kind):
    if kind == "cut":
        sim.cut("a", "b")
    elif kind == "partition":
        sim.partition({"a"}, {"b"})
        await trio.sleep(8)
        sim.heal()
    else:
        await sim.crash("b")
        await trio.sleep(sim.rng.choice([0.0, 1.0, 6.0]))
        await sim.restart("b")
    await trio.sleep(sim.rng.uniform(0.5, 3))


@pytest.mark.parametrize("seed", range(4))
def test_a_down_stands_between_two_lives_of_a_node_and_only_there_as_restarted(seed):
    heard, lives = [], []

    async def main(sim):
        a = await sim.start("a", actors={"watcher": lambda: Watcher(heard)})
        b = await sim.start("b", actors={"speaker": Speaker}, seeds=[a.address])
        await sim.converged()
        await a.call("watcher", "begin")
        for _ in range(8):
            lives.append(b.incarnation)
            await trouble(sim, sim.rng.choice(["cut", "partition", "restart"]))
            b = sim.nodes["b"]
        lives.append(b.incarnation)
        await trio.sleep(10)

    simulate(main, seed=seed)
    said = [one for one in heard if isinstance(one, int)]
    assert said == sorted(said)
    assert set(said) >= set(lives[-1:])
    for before, after in pairwise(heard):
        assert (
            not isinstance(before, int)
            or not isinstance(after, int)
            or (before == after)
        )
    restarts = len(set(lives)) - 1
    downs = [one.reason for one in heard if isinstance(one, Down)]
    assert downs.count("restarted") <= restarts
    if restarts:
        assert downs
