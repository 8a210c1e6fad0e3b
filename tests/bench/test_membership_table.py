"""The table of membership, in its short form: it can be made, and holds what it must.

Its times are virtual, so they are the same wherever it runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_six_nodes_hold_what_membership_must(tmp_path):
    picture, numbers = tmp_path / "membership.svg", tmp_path / "membership.json"
    done = subprocess.run(
        [
            *(sys.executable, "membership.py", "--sizes", "6"),
            *("--only", "quiet,spread,false,detection,isolated,restarted,masters"),
            *("--svg", str(picture), "--json", str(numbers)),
        ],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    titles = {line.split("|")[1].strip() for line in table}
    assert {"idle gossip, for each node", "one master, after a split"} <= titles
    assert picture.read_text().endswith("</svg>\n")
    figures = json.loads(numbers.read_text())["6"]
    assert figures["spread_rounds"] <= figures["spread_allowed"]
    assert figures["idle_bytes"] <= 4000
    assert figures["crash_all"] <= 9
    assert figures["false_deaths"] == 0
    # With a mean of 3 there would be one in 19 cases of 20.
    assert figures["false_at_most"] * figures["hours"] == pytest.approx(3, abs=0.005)
    assert figures["isolated"] <= 10
    assert figures["restarted"] <= 10
    assert figures["masters"] == 2
    assert figures["one_master"] <= 3
