"""So do its workloads that take long, with little to do.

A file of their own, for a process of their own when the tests are spread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .smoke import measured

if TYPE_CHECKING:
    from pathlib import Path


def test_benchmark_measures_overload_and_heartbeat(tmp_path: Path) -> None:
    samples = measured("overload,heartbeat", "0.003", tmp_path / "numbers.json")
    assert samples["ov_lost"] == [0]
    assert {"ov_sender_mb", "ov_receiver_mb", "hb1_p99_ms", "hb15_p99_ms"} <= set(
        samples
    )
