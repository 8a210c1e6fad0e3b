"""How long a process takes to import, and a one-shot command to answer.

    startup.py trio|clusterkit   an import of it
    startup.py cli               `cluster-cli ping` to a node that runs

Both are whole processes, from spawn to exit; medians of a few. They find their
bytecode, as those of an installed package do: one run before them writes it.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

import measure
from measure import COOKIE, Result
from processes import HERE, Failed, environment, last_line, serving

TIMES = 5


def process_ms(*arguments: str) -> float:
    """Return the milliseconds that a Python process with `arguments` takes.

    Raises:
        Failed: It exits with another status than 0.
    """
    variables = environment() | {"CLUSTERKIT_COOKIE": COOKIE}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    samples = []
    for _ in range(1 + TIMES):
        begun = perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=variables,
        )
        samples.append(perf_counter() - begun)
        if done.returncode:
            raise Failed(f"{' '.join(arguments)}: {last_line(done.stderr)}")
    return median(samples[1:]) * 1e3


def command_ms() -> float:
    """Return the milliseconds of `cluster-cli ping`, spoken to a running node.

    Raises:
        Failed: The node or the command does not work.
    """
    with serving([sys.executable, str(HERE / "workloads.py"), "server"]) as port:
        return process_ms("-m", "clusterkit", "-p", port, "ping")


def run(kind: str) -> Result:
    """Time the start of one kind of process."""
    if kind == "cli":
        return {"cli_ms": command_ms()}
    return {"import_ms": process_ms("-c", f"import {kind}")}


if __name__ == "__main__":
    measure.emit(run(sys.argv[1]))
