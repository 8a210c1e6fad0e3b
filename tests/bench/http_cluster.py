"""Measure clusters over HTTP alone in virtual time: how fast news is, and what it costs.

    python tests/bench/http_cluster.py [--sizes 10,100] [--monitors 0,2] [--seed N]

Real nodes; what is simulated is the web between them, where each way takes 1 to 20 ms.
So the figures are of the code that runs, and the same for everybody. Bytes are those of
requests, sent by one node; answers are as long.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from clusterkit.testing import simulate
from tests.sim.http_world import HttpWorld, formed

QUIET = 20.0
"""Virtual seconds for which requests are counted."""

ROW = "| {:>5} | {:>8} | {:>6} | {:>10} | {:>8} | {:>11} | {:>8} | {:>13} |"
HEADS = ("nodes", "monitors", "formed", "spread p50", "spread", "crash known")
UNITS = ("", "", "s", "s", "s, all", "s, by all")


async def until_all(nodes, holds):
    """Return after how long it came to hold at each."""
    began, seen = trio.current_time(), {}
    while len(seen) < len(nodes):
        for node in nodes:
            if node.name not in seen and holds(node):
                seen[node.name] = trio.current_time() - began
        await trio.sleep(0.05)
    return sorted(seen.values())


async def measured(world, count, monitors):
    """Return the figures of one cluster."""
    began = trio.current_time()
    nodes = await formed(world, count, monitors=monitors, within=600)
    forming = trio.current_time() - began
    await trio.sleep(10)
    spread = []
    for number in range(5):
        writer = nodes[number * 37 % count]
        writer.state.set("key", number)
        name = writer.name
        spread += await until_all(
            nodes,
            lambda n: n.state.value(name, "key") == number,  # noqa: B023
        )
    await trio.sleep(5)
    world.posted.clear()
    await trio.sleep(QUIET)
    posted = list(world.posted)
    gone = nodes.pop().name
    await world.crash(gone)
    crash = await until_all(nodes, lambda n: n.members.state(gone) == "dead")
    spread.sort()
    return (
        f"{forming:.1f}",
        f"{spread[len(spread) // 2]:.1f}",
        f"{spread[-1]:.1f}",
        f"{crash[-1]:.1f}",
        f"{len(posted) / QUIET / count:.1f}",
        f"{sum(len(body) for *_, body in posted) / QUIET / count:.0f}",
    )


def figures(count, monitors, seed):
    """Return the figures of one cluster, from a simulation of its own."""
    found = []

    async def main(sim):
        async with trio.open_nursery() as nursery:
            found.extend(await measured(HttpWorld(sim, nursery), count, monitors))
            nursery.cancel_scope.cancel()

    simulate(main, seed=seed)
    return found


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=numbers, default=[10, 100])
    parser.add_argument("--monitors", type=numbers, default=[0, 2])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(ROW.format(*HEADS, "requests", "bytes"))
    print(ROW.format(*UNITS, "/s/node", "/s/node"))
    print(ROW.format(*["---"] * 8))
    for count in options.sizes:
        for monitors in options.monitors:
            row = figures(count, monitors, options.seed)
            print(ROW.format(count, monitors, *row), flush=True)


if __name__ == "__main__":
    main()
