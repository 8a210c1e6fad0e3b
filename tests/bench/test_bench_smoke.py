"""The benchmark command works; what it measures is nobody's business here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .smoke import measured

if TYPE_CHECKING:
    from pathlib import Path

PEERS = "clusterkit,-seal,-resume,-lanes,+tls"
WORKLOADS = "W1,W2,W3,W4,W5,W6"


def test_benchmark_prints_every_workload_of_clusterkit(tmp_path: Path) -> None:
    samples = measured(WORKLOADS, "0.01", tmp_path / "numbers.json", PEERS)
    assert {key[:2] for key in samples} == {
        name.lower() for name in WORKLOADS.split(",")
    }
