"""A run of whole nodes is a function of its seed, in this process and others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import clusterkit
from clusterkit import GenServer, call, cast
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.testing.sim import PORT, simulate

NAMES = ("anna", "bert", "cleo")


class Tally(GenServer):
    """Counts, asks others, and crashes at times."""

    def __init__(self, sim):
        self.sim, self.counts = sim, {}

    @cast
    async def add(self, word):
        self.counts[word] = self.counts.get(word, 0) + 1
        self.sim.trace(f"{self.node.name} {word} {self.counts[word]}")
        if self.counts[word] % 17 == 0:
            raise ValueError(word)

    @call(concurrent=True)
    async def total(self, depth):
        if depth == 0:
            return sum(self.counts.values())
        answers = await self.node.multi_call(None, "tally", "total", depth - 1)
        return sum(answer.value for answer in answers if answer.ok)


async def everything(sim):
    """Rings, calls, casts, monitors' and timers' work, a crash, a partition."""
    for name in NAMES:
        await sim.start(name, actors={"tally": lambda: Tally(sim)}, disk=name != "cleo")
    for name in NAMES[1:]:
        await sim.nodes[name].meet(f"{NAMES[0]}@{NAMES[0]}:{PORT}")
    async with trio.open_nursery() as nursery:
        for i in range(6):
            nursery.start_soon(talk, sim, f"word{i}")
        nursery.start_soon(disturb, sim)
    await sim.converged()
    for host, node in sim.nodes.items():
        sim.trace(
            f"{host} {node.ring.weights()} {node.gossip.clock} {node.statistics()}"
        )


async def talk(sim, word):
    for _ in range(40):
        await trio.sleep(sim.rng.random() * 0.5)
        nodes = list(sim.nodes.values())
        node, peer = sim.rng.choice(nodes), sim.rng.choice(NAMES)
        with trio.move_on_after(1):  # a process that dies answers nobody
            try:
                await node.cast(f"tally@{peer}", "add", word)
                total = await node.call(f"tally@{peer}", "total", 1, timeout=0.5)
                sim.trace(f"{node.name} {word} {total}")
            except (ClusterError, RuntimeError) as error:
                sim.trace(f"{node.name} {word} {type(error).__name__}")


async def disturb(sim):
    await trio.sleep(1)
    sim.loss(*NAMES[:2], 0.1)
    await sim.nodes["anna"].gossip.insert("dora@dora:1")
    await trio.sleep(1)
    await sim.crash("bert")
    sim.partition({"anna"}, {"cleo", "bert"})
    await trio.sleep(2)
    await sim.restart("bert")
    sim.heal()
    sim.cut("cleo", "anna", half_open=True)
    await trio.sleep(3)
    await sim.stop("cleo")
    await sim.restart("cleo")
    await sim.nodes["anna"].gossip.remove("dora")


def trace_in_new_process(seed, hash_seed):
    root = Path(clusterkit.__file__).parents[1]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, __file__, str(seed)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("seed", [1, 2])
def test_nodes_do_the_same_in_every_process(seed):
    here = list(simulate(everything, seed=seed).lines)
    for hash_seed in (1, 2):
        assert trace_in_new_process(seed, hash_seed) == here


def test_nodes_do_the_same_for_the_same_seed(sim_seed):
    first, second = (simulate(everything, seed=sim_seed) for _ in range(2))
    assert first.lines == second.lines
    assert len(first.lines) > 200


async def namesakes(sim):
    """Meet a live node of one's own name, which takes a tool's connection."""
    anna = await sim.start("anna")
    other = await sim.start("anna", host="elsewhere")
    for timeout in (1.0, 0.001):
        try:
            await other.meet(anna.address, timeout=timeout)
        except ClusterError as error:
            sim.trace(f"{type(error).__name__} {error}")


def test_meeting_a_namesake_is_a_function_of_the_seed():
    traces = [simulate(namesakes, seed=1).lines for _ in range(3)]
    assert any("NameTaken" in line for line in traces[0])
    assert traces[0] == traces[1] == traces[2]


def test_nodes_do_something_else_for_another_seed():
    assert len({simulate(everything, seed=seed).hash for seed in range(4)}) == 4


if __name__ == "__main__":
    sys.stdout.write("\n".join(simulate(everything, seed=int(sys.argv[1])).lines))


def test_a_node_that_never_ran_cannot_be_restarted():
    async def main(sim):
        with pytest.raises(ConfigError, match="no node has run on host nowhere"):
            await sim.restart("nowhere")

    simulate(main)
