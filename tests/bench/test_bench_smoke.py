"""The benchmark command works; what it measures is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).with_name("run.py")
PEERS = "clusterkit,-seal,-resume,-lanes"
WORKLOADS = "W1,W2,W3,W4,W5,W6"


def test_benchmark_prints_every_workload_of_clusterkit(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    only, few = ["--only", f"{PEERS},{WORKLOADS}"], ["--rounds=1", "--scale=0.01"]
    subprocess.run(
        [sys.executable, RUN, *only, *few, "--json", file],
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
    numbers = json.loads(file.read_text())
    assert numbers["skipped"] == {}
    assert {key[:2] for key in numbers["samples"]["clusterkit"]} == {
        name.lower() for name in WORKLOADS.split(",")
    }
