"""Measure clusterkit beside what it is held against, and print one table.

    .venv/bin/python tests/bench/run.py [--rounds 5] [--only W1,W2,erlang]

Every round runs every peer once, so that whatever disturbs the machine
disturbs all alike; the table has the medians. Nothing here passes or fails: a
number is worth what the machine was worth while it was taken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import pstats
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peers import LONG, PEERS, WORKLOADS, Runnable, prepare
from processes import Failed, last_line
from table import ROWS, SUBJECT, judge, medians, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peers import Peer


class Run:
    """The samples of all rounds so far, and what was left out and why."""

    def __init__(self, only: str) -> None:
        self.only = only
        self.samples: dict[str, dict[str, list[float]]] = {}
        self.versions: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.runnables: list[Runnable] = []

    def prepare(self, peers: Sequence[Peer]) -> None:
        """Find or make what `peers` need; note those that cannot run."""
        for peer in peers:
            try:
                self.runnables += prepare(peer, self.only)
            except Failed as reason:
                self.skipped[peer.name] = str(reason)

    def round(self, title: str) -> None:
        """Run everything once; what fails is left out from here on."""
        for runnable in list(self.runnables):
            what = f"{runnable.peer} {'/'.join(runnable.program.workloads)}"
            progress(f"{title}: {what}")
            try:
                self.add(runnable.peer, runnable.run(self.only))
            except Failed as reason:
                self.skipped[what] = str(reason)
                self.runnables.remove(runnable)
        progress("")

    def add(self, peer: str, result: dict[str, Any]) -> None:
        """Take one program's result."""
        if "version" in result:
            self.versions[peer] = result["version"]
        samples = self.samples.setdefault(peer, defaultdict(list))
        for row in ROWS:
            if row.key in result:
                samples[row.key].append(result[row.key])


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    options = parse(arguments)
    if options.install_erlang:
        install_erlang()
    names = [peer.name for peer in PEERS]
    only = options.only.split(",") if options.only else []
    unknown = set(only) - set(names) - {*WORKLOADS, *LONG}
    if unknown:
        sys.exit(f"no peer or workload is called {', '.join(sorted(unknown))}")
    os.environ["BENCH_SCALE"] = str(options.scale)
    folder = tempfile.TemporaryDirectory()  # goes with the process
    os.environ["BENCH_FOLDER"] = folder.name
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The prototypes' fixed port may be another run's.
        os.environ["NEAR_PORT"] = str(listener.getsockname()[1])
    workloads = ",".join(name for name in (*WORKLOADS, *LONG) if name in only)
    peers = [p for p in PEERS if chosen(p, set(only) & set(names), options.all)]
    if options.profile:
        profile(options.profile)
        return
    run = Run(workloads)
    run.prepare(peers)
    for number in range(1, options.rounds + 1):
        run.round(f"round {number} of {options.rounds}")
    report(run, options)


def progress(text: str) -> None:
    """Replace the line that says what is running, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="tests/bench/run.py",
        description="Measure clusterkit beside what it is held against.",
        epilog=f"Workloads: {' '.join(WORKLOADS)} {' '.join(f'{w}*' for w in LONG)}. Peers: "
        + " ".join(p.name + ("" if p.usual else "*") for p in PEERS)
        + " (* only if named, or with --all). Needs: see docs/how-to/measure.md.",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="these peers and workloads only"
    )
    parser.add_argument("--all", action="store_true", help="all peers, * too")
    parser.add_argument(
        "--scale",
        type=float,
        default=os.environ.get("BENCH_SCALE", "1"),
        help="multiply all counts by this (BENCH_SCALE, or 1)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="numbers to FILE")
    parser.add_argument(
        "--profile",
        choices=[name for name in WORKLOADS if name.startswith("W")],
        help="print where clusterkit spends one workload; no table",
    )
    parser.add_argument(
        "--install-erlang", action="store_true", help="apt-get install erlang-base"
    )
    return parser.parse_args(arguments)


def chosen(peer: Peer, named: set[str], everyone: bool) -> bool:
    """Say whether a peer is to run."""
    return peer.name in named if named else everyone or peer.usual


def install_erlang() -> None:
    """Install Debian's Erlang; say so if that is not possible."""
    if shutil.which("erl"):
        return
    done = subprocess.run(
        ["apt-get", "install", "-y", "erlang-base"],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"no Erlang: {last_line(done.stderr)}", file=sys.stderr)


def profile(workload: str) -> None:
    """Print the functions in which each process spends a workload."""
    (subject,) = [peer for peer in PEERS if peer.name == SUBJECT]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_PROFILE"] = folder
        for runnable in prepare(subject, workload):
            try:
                runnable.run(workload)
            except Failed as reason:
                sys.exit(f"{workload}: {reason}")
        for file in sorted(Path(folder).iterdir()):
            print(f"{workload} {file.name}, by time in the function itself")
            stats = pstats.Stats(str(file))
            stats.strip_dirs().sort_stats("tottime").print_stats(25)


def report(run: Run, options: argparse.Namespace) -> None:
    """Print the table, and what to know about it."""
    chosen = run.only.split(",") if run.only else WORKLOADS
    rows = [row for row in ROWS if row.workload in chosen]
    print(render(run.samples, rows))
    print(
        f"\n{SUBJECT} beside its peers, rounds: {options.rounds} (medians), "
        f"scale {options.scale:g}; spread: of {SUBJECT}'s rounds, (max - min)/median"
    )
    facts = {"machine": machine(), "versions": versions(run)}
    for title, text in facts.items():
        print(f"{title}: {text}")
    for name, reason in run.skipped.items():
        print(f"skipped {name}: {reason}")
    if options.json:
        judged = {row.key: asdict(judge(row, medians(run.samples))) for row in rows}
        numbers = {
            **facts,
            "rounds": options.rounds,
            "scale": options.scale,
            "samples": run.samples,
            "goals": judged,
            "skipped": run.skipped,
        }
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")


def machine() -> str:
    """Return what the numbers depend on most."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} CPUs, {platform.machine()} {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, load {load}"
    )


def versions(run: Run) -> str:
    """Return the versions of ours and of the peers that tell theirs."""
    # The prototypes run on our versions, and say so at length.
    found = {k: v for k, v in run.versions.items() if not k.startswith("near:")}
    for package in ("clusterkit", "trio", "msgpack"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "from the checkout"
    return ", ".join(f"{name} {text}" for name, text in sorted(found.items()))


if __name__ == "__main__":
    main()
