"""Measure membership in virtual time: one table, beside the goals, by one command.

    python tests/bench/membership.py [--sizes 10,100,200,1000] [--only NAMES]
        [--seed N] [--json FILE] [--svg FILE]

`--json` keeps the figures of a size in a file, where the next run finds those of others.
Real nodes on a simulated network, so the figures are of the code that runs, and the
same for everybody who gives the same seed. Loss of 10 % means that each segment is
held up for 200 ms, doubling, with that chance for each try: it is TCP that loses.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from math import ceil, exp, factorial, log2
from pathlib import Path
from time import process_time

import trio
from membership_plot import draw
from membership_table import print_table

from clusterkit import Config
from clusterkit.core.liveness import Claim
from clusterkit.core.observation import Observation
from clusterkit.core.replica import Part
from clusterkit.events import MemberDown
from clusterkit.testing import simulate

LOSSY = {"delay": 0.0005, "spread": 0.0005, "loss": 0.1}
NODE_HOURS = {10: 20.0, 100: 80.0, 1000: 20.0}
"""For how long deaths are counted. 75 without one show that there are no more than
0.04 in one, with a certainty of 95 %; so it is shown at one size."""

QUICK = Config(idle_close=5.0)
"""Links that only the making of a ring needed are closed at once; else as usual."""


# Forming a cluster.


async def formed(sim, count, **options):
    """Return nodes of one ring that know each other, and are quiet.

    What each says of itself is given to all by hand: that everybody hears it from
    everybody is a square of work which is no part of what is measured.
    """
    names = [f"n{i:04}" for i in range(count)]
    options = {"rfactor": 1, "config": QUICK} | options
    nodes = [await sim.start(name, **options) for name in names]
    claims = {n.name: Claim(n.incarnation, 0, 0) for n in nodes}
    parts = [Part(n.name, n.incarnation, 0, 0, 0, []) for n in nodes]
    for node in nodes:
        others = [name for name in names if name != node.name]
        node.members._liveness.keep_to(others, sim.now)
        node.members._liveness.hear(claims, sim.now)
        node.state._book.known.take([p for p in parts if p.name != node.name])
    await nodes[0].gossip.minsert([node.address for node in nodes[1:]])
    await sim.converged(timeout=600)
    await trio.sleep(3 * QUICK.idle_close)
    return nodes


def share(values, part):
    """Return the value below which a part of them are."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def when(sim, nodes, holds, every=0.01):
    """Return after how many seconds it came to hold at each node."""
    began, seen = sim.now, {}
    while len(seen) < len(nodes):
        for node in nodes:
            if node.name not in seen and holds(node):
                seen[node.name] = sim.now - began
        await trio.sleep(every)
    return list(seen.values())


# What is measured. Each returns figures by name.


async def quiet(sim, nodes):
    """An idle cluster: bytes, links, and how fast the simulator is."""
    seconds = 20.0 if len(nodes) <= 100 else 10.0
    before, began = sim.network.statistics(), process_time()
    await trio.sleep(seconds)
    after = sim.network.statistics()
    return {
        "idle_bytes": (after.bytes - before.bytes) / seconds / len(nodes),
        "links": after.streams / len(nodes),
        "sim_speed": seconds / (process_time() - began),
    }


async def spread(sim, nodes):
    """A key that one sets, until the last has it, at 10 % loss."""
    sim.network.everywhere(**LOSSY)
    await trio.sleep(2)
    taken = []
    for number in range(10 if len(nodes) <= 100 else 4):
        writer = sim.rng.choice(nodes)
        writer.state.set("key", number)
        taken += await when(
            sim,
            nodes,
            lambda n: n.state.value(writer.name, "key") == number,  # noqa: B023
        )
        await trio.sleep(1)
    rounds = QUICK.gossip_interval
    return {
        "spread_p50": share(taken, 0.5),
        "spread_p99": share(taken, 0.99),
        "spread_rounds": share(taken, 0.99) / rounds,
        "spread_allowed": ceil(log2(len(nodes))) + 1,
    }


async def detection(sim, nodes):
    """A node that crashes, until all know it, at 10 % loss."""
    nodes = {node.name: node for node in nodes}
    sim.network.everywhere(**LOSSY)
    first, last, each = [], [], []
    for number in range(min(10 if len(nodes) <= 100 else 4, len(nodes) // 2)):
        await trio.sleep(3 * sim.rng.random())
        name = sim.rng.choice(sorted(nodes))
        del nodes[name]
        await sim.crash(name, silent=number % 2 == 0)
        times = await when(
            sim,
            list(nodes.values()),
            lambda n: n.members.state(name) == "dead",  # noqa: B023
            0.05,
        )
        first.append(min(times))
        last.append(max(times))
        each += times
    return {
        "crash_first": share(first, 0.5),
        "crash_p50": share(each, 0.5),
        "crash_all": max(last),
        "crash_each": [round(t, 2) for t in each],
    }


@contextmanager
def counted(nodes):
    """Count deaths that any node is told of."""
    deaths = []

    def watch(node):
        told = node._broadcast.publish

        def both(event):
            if isinstance(event, MemberDown):
                deaths.append((node.name, event.peer))
            told(event)

        node._runtime.notify = both

    for node in nodes:
        watch(node)
    yield deaths


async def false_deaths(sim, nodes):
    """Members that are said to be dead, and are not, at 10 % loss."""
    sim.network.everywhere(**LOSSY)
    await trio.sleep(2)
    hours = NODE_HOURS.get(len(nodes), 0.1)
    with counted(nodes) as deaths:
        await trio.sleep(3600 * hours / len(nodes))
    count = len({peer for _, peer in deaths})
    return {
        "false_deaths": count / hours,
        "false_at_most": at_most(count) / hours,
        "hours": hours,
    }


def at_most(count):
    """Return the mean of which so few are seen in one case of twenty (Poisson)."""
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(60):
        mean = (low + high) / 2
        terms = [mean**k / factorial(k) for k in range(count + 1)]
        low, high = (mean, high) if exp(-mean) * sum(terms) > 0.05 else (low, mean)
    return high


async def paused(sim, nodes):
    """Members said to be dead while one hears and says nothing half of the time."""
    first, *others = nodes
    with counted(nodes) as deaths:
        for _ in range(60):
            sim.partition({first.name}, {node.name for node in others})
            await trio.sleep(5)
            sim.heal()
            await trio.sleep(5)
    return {"paused": len([peer for _, peer in deaths if peer != first.name])}


@contextmanager
def no_local_health():
    """Have no node judge itself."""
    judge = Observation.judge_itself
    Observation.judge_itself = lambda *_: None
    try:
        yield
    finally:
        Observation.judge_itself = judge


async def isolated(sim, nodes):
    """One cut off for five minutes, then healed: until all see all alive again."""
    sim.partition({nodes[0].name}, {node.name for node in nodes[1:]})
    await trio.sleep(300)
    sim.heal()
    return {"isolated": max(await when(sim, nodes, sees(nodes), 0.05))}


async def restarted(sim, nodes):
    """All crash and are started again at once: until all see all alive."""
    names = [node.name for node in nodes]
    for name in names:
        await sim.crash(name)
    await trio.sleep(1)
    nodes = [await sim.restart(name) for name in names]
    return {"restarted": max(await when(sim, nodes, sees(nodes), 0.25))}


async def two_masters(sim, nodes):
    """A split with a master on each side, healed: until there is one."""
    for node in nodes:
        node.masters.stand()
    await trio.sleep(5)
    half = len(nodes) // 2
    sides = [{n.name for n in part} for part in (nodes[:half], nodes[half:])]

    def is_settled(node):
        (side,) = (side for side in sides if node.name in side)
        return {epoch.name for epoch in node.masters.all()} & side

    sim.partition(*sides)
    chosen = max(await when(sim, nodes, is_settled, 0.1))
    await trio.sleep(2)
    two = {n.masters.all() for n in nodes}
    sim.heal()
    latest = max(epochs[0] for epochs in two)
    times = await when(sim, nodes, lambda n: n.masters.all() == (latest,))
    return {"side": chosen, "masters": len(two), "one_master": max(times)}


def sees(nodes):
    """Return what says whether a node sees all of these alive, in this life of each."""
    wanted = {(node.name, node.incarnation, "alive") for node in nodes}

    def holds(node):
        seen = node.members.all()
        return {(m.id, m.incarnation, m.state) for m in seen} == wanted

    return holds


SCENARIOS = {
    "quiet": quiet,
    "spread": spread,
    "false": false_deaths,
    "detection": detection,
    "paused": paused,
    "isolated": isolated,
    "restarted": restarted,
    "masters": two_masters,
}

MOST = {"paused": 10, "isolated": 100, "restarted": 200, "masters": 100}
"""Nodes up to which a scenario is run: what it shows does not need more."""

ALONE = {200: {"restarted"}}
"""At which size only some are run."""

TOGETHER = 500
"""Nodes from which on scenarios follow each other in one cluster: it takes a minute to
form. None of those that are run then leaves it other than it was, but the last."""


def is_run(name, count):
    """Say whether a scenario is run at a size."""
    return count <= MOST.get(name, count) and name in ALONE.get(count, {name})


def run(names, count, seed):
    """Return the figures of some scenarios, one after the other in one cluster."""
    figures = {}

    async def main(sim):
        nodes = await formed(sim, count, disk="restarted" in names)
        for name in names:
            began = process_time()
            figures.update(await SCENARIOS[name](sim, nodes))
            took = process_time() - began
            print(f"{name} at {count}: {took:.0f} s", file=sys.stderr, flush=True)

    simulate(main, seed=seed, limit=float("inf"))
    return figures


def measure(only, sizes, seed):
    """Return the figures of every scenario at every size."""
    figures = {}
    for count in sizes:
        names = [name for name in SCENARIOS if name in only and is_run(name, count)]
        found = figures.setdefault(count, {})
        for group in [names] if count >= TOGETHER else [[name] for name in names]:
            found.update(run(group, count, seed))
        if "paused" in names:
            with no_local_health():
                found["paused_without"] = run(["paused"], count, seed)["paused"]
            found["fewer"] = found["paused_without"] / max(found["paused"], 1)
    return figures


def left_out(only, sizes):
    """Yield what is not measured at which sizes."""
    for name in only:
        without = [str(count) for count in sizes if not is_run(name, count)]
        if without:
            yield f"{name} at N = {', '.join(without)}"


def earlier(file):
    """Return the figures that a file has; none without one."""
    if file is None or not Path(file).exists():
        return {}
    figures = json.loads(Path(file).read_text())
    return {int(count): found for count, found in figures.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10,100,200,1000")
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="keep figures there, beside earlier ones")
    parser.add_argument("--svg", help="draw them there")
    args = parser.parse_args()
    sizes, only = [int(size) for size in args.sizes.split(",")], args.only.split(",")
    found = earlier(args.json) | measure(only, sizes, args.seed)
    figures = dict(sorted(found.items()))
    print_table(figures)
    print("\nNot measured:", "; ".join(left_out(only, sizes)) or "nothing")
    if args.json:
        Path(args.json).write_text(json.dumps(figures))
    if args.svg:
        Path(args.svg).write_text(draw(figures))


if __name__ == "__main__":
    main()
