"""The table of membership, in its short form: it can be made, and holds what it must.

Its times are virtual, so they are the same wherever it runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_six_nodes_hold_what_membership_must(tmp_path):
    picture, numbers = tmp_path / "membership.svg", tmp_path / "membership.json"
    done = subprocess.run(
        [
            *(sys.executable, "membership.py", "--sizes", "6"),
            *("--only", "quiet,spread,detection,restarted,masters"),
            *("--svg", str(picture), "--json", str(numbers)),
        ],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    titles = {line.split("|")[1].strip() for line in done.stdout.splitlines()}
    assert {"idle gossip, for each node", "one master, after a split"} <= titles
    assert picture.read_text().endswith("</svg>\n")
    figures = json.loads(numbers.read_text())["6"]
    assert figures["spread_rounds"] <= figures["spread_allowed"]
    assert figures["idle_bytes"] <= 4000
    assert figures["crash_all"] <= 9
    assert figures["restarted"] <= 10
    assert figures["masters"] == 2
    assert figures["one_master"] <= 3
