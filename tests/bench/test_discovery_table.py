"""The table of discovery, in its short form: it can be made, and holds what it must.

Its times are virtual, so they are the same wherever it runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_two_and_ten_nodes_find_each_other_as_they_must(tmp_path):
    numbers = tmp_path / "discovery.json"
    done = subprocess.run(
        [
            *(sys.executable, "discovery.py", "--runs", "20"),
            *("--hours", "0.003", "--json", str(numbers)),
        ],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "MISS" not in done.stdout
    figures = json.loads(numbers.read_text())
    assert set(figures) == {
        f"{count} nodes, {loss} loss" for count in (2, 10) for loss in ("0%", "10%")
    }
    for found in figures.values():
        # One of so few runs may be the one of a hundred.
        assert found["p50"] <= 2.5
        assert found["max"] <= 5
    assert figures["10 nodes, 10% loss"]["false"] == 0
