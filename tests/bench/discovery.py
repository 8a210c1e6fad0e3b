"""Measure in virtual time how soon nodes of one LAN are one ring, and stay it.

    python tests/bench/discovery.py [--runs 1000] [--hours 3] [--seed N] [--json FILE]

Real nodes with `discover=True` on a simulated network, one seed a run, so the figures
are of the code that runs, and the same for everybody. A run counts from the start of
its last node until each node has all of them in its ring; half of the runs start all
at once, the others one by one within two seconds. Loss of 10 % loses that part of the
beacons, and holds up as much of what TCP sends, for 200 ms, doubling.
"""

from __future__ import annotations

import argparse
import json
import sys
from math import inf
from pathlib import Path
from time import perf_counter

import trio
from membership import at_most

from clusterkit.events import MemberDown
from clusterkit.testing import simulate

SIZES = (2, 10)
LOSSES = (0.0, 0.1)
GAP = 2.0

MUST = {"p99": 2.5, "false": 0.01}
AIM = {"p99": 2.5, "false": 0.0001}


def names(count):
    return [f"n{number}" for number in range(count)]


def lan(sim, loss):
    """Make all hosts those of one switch."""
    sim.network.everywhere(delay=0.0002, spread=0.0003, loss=loss)


def time_to_one_ring(count, loss, seed):
    """Return the seconds of one run."""
    took = []

    async def main(sim):
        lan(sim, loss)
        gap = GAP * (seed % 2)
        nodes = []
        for name in names(count):
            await trio.sleep(sim.rng.uniform(0, gap / (count - 1)))
            nodes.append(await sim.start(name, discover=True))
        began = sim.now
        while any(len(node.ring.nodes()) < count for node in nodes):
            await trio.sleep(0.002)
        took.append(sim.now - began)

    simulate(main, seed=seed, limit=600)
    return took[0]


def false_removals(count, loss, seconds, seed):
    """Return the pairs of which one has said that the other is dead, by the hour."""
    said = []

    async def main(sim):
        lan(sim, loss)
        nodes = [await sim.start(name, discover=True) for name in names(count)]
        await trio.sleep(10)
        assert all(len(node.ring.nodes()) == count for node in nodes)

        async def listen(node, *, task_status):
            async with node.events(MemberDown) as events:
                task_status.started()
                async for event in events:
                    said.append((sim.now, node.name, event.peer))

        async with trio.open_nursery() as nursery:
            for node in nodes:
                await nursery.start(listen, node)
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()

    simulate(main, seed=seed, limit=inf)
    return said


def share(values, part):
    """Return the value below which a part of them are."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def finding(count, loss, runs, seed):
    """Return the figures of many runs."""
    times = [time_to_one_ring(count, loss, seed + run) for run in range(runs)]
    shares = {"p50": share(times, 0.5), "p99": share(times, 0.99), "max": max(times)}
    return {**shares, "runs": runs}


def staying(count, loss, hours, seed):
    """Return the figures of so many hours, each a run of its own."""
    said = []
    whole, rest = divmod(hours * 3600, 3600)
    for number, seconds in enumerate([3600.0] * int(whole) + [rest] * bool(rest)):
        said += false_removals(count, loss, seconds, seed + number)
    pair_hours = hours * count * (count - 1) / 2
    return {
        "false": len(said) / pair_hours,
        "false_at_most": at_most(len(said)) / pair_hours,
        "pair_hours": pair_hours,
    }


def measure(runs, hours, seed):
    """Return the figures by number of nodes and loss."""
    figures = {}
    for count in SIZES:
        for loss in LOSSES:
            began = perf_counter()
            found = finding(count, loss, runs // (1 if count == 2 else 5), seed)
            if count > 2 and hours:
                found |= staying(count, loss, hours, seed)
            figures[f"{count} nodes, {loss:.0%} loss"] = found
            took = perf_counter() - began
            print(f"{count} at {loss:.0%}: {took:.0f} s", file=sys.stderr, flush=True)
    return figures


def verdict(key, value):
    """Return what the goal is, and whether it is met."""
    wanted = f"{MUST[key]:g}"
    if AIM[key] != MUST[key]:
        wanted += f", {AIM[key]:g}"
    met = "aim" if value <= AIM[key] else "must" if value <= MUST[key] else "MISS"
    return f"({wanted}: {met})"


def print_table(figures):
    """Print a row a case."""
    titles = ["", "half", "p99", "longest", "runs", "false removals a pair-hour"]
    titles += ["hence at most, with 95 %", "in pair-hours"]
    print(f"| {' | '.join(titles)} |")
    print("|---" * len(titles) + "|")
    for case, found in figures.items():
        cells = [
            f"{found['p50']:.2f} s",
            f"{found['p99']:.2f} s {verdict('p99', found['p99'])}",
            f"{found['max']:.2f} s",
            str(found["runs"]),
        ]
        if "false" in found:
            cells += [
                f"{found['false']:.3g} {verdict('false', found['false'])}",
                f"{found['false_at_most']:.2g}",
                f"{found['pair_hours']:g}",
            ]
        else:
            cells += ["", "", ""]
        print(f"| {case} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json")
    args = parser.parse_args()
    figures = measure(args.runs, args.hours, args.seed)
    print_table(figures)
    if args.json:
        Path(args.json).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
