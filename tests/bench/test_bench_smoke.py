"""The benchmark command works; what it measures is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).with_name("run.py")
PEERS = "clusterkit,-seal,-resume,-lanes,+tls"
WORKLOADS = "W1,W2,W3,W4,W5,W6"


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


def test_benchmark_prints_every_workload_of_clusterkit(tmp_path: Path) -> None:
    samples = measured(WORKLOADS, "0.01", tmp_path / "numbers.json", PEERS)
    assert {key[:2] for key in samples} == {
        name.lower() for name in WORKLOADS.split(",")
    }


def test_benchmark_measures_overload_and_heartbeat(tmp_path: Path) -> None:
    samples = measured("overload,heartbeat", "0.003", tmp_path / "numbers.json")
    assert samples["ov_lost"] == [0]
    assert {"ov_sender_mb", "ov_receiver_mb", "hb1_p99_ms", "hb15_p99_ms"} <= set(
        samples
    )
