"""Running the benchmark command as its tests do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).with_name("run.py")


def measured(
    workloads: str, scale: str, file: Path, peers: str = "clusterkit"
) -> dict[str, list[float]]:
    """Run some workloads once; return clusterkit's samples."""
    only, few = ["--only", f"{peers},{workloads}"], ["--rounds=1", "--scale", scale]
    subprocess.run(
        [sys.executable, RUN, *only, *few, "--json", file],
        check=True,
        timeout=100,
        stdout=subprocess.DEVNULL,
    )
    numbers = json.loads(file.read_text())
    assert numbers["skipped"] == {}
    samples: dict[str, list[float]] = numbers["samples"]["clusterkit"]
    return samples
