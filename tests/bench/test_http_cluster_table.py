"""The table of clusters over HTTP, in its short form: what the how-to says holds."""

from __future__ import annotations

import subprocess
import sys
from math import log2
from pathlib import Path


def test_a_small_cluster_is_as_fast_as_it_is_said_to_be():
    program = Path(__file__).with_name("http_cluster.py")
    words = [sys.executable, str(program), "--sizes", "8", "--monitors", "0,1"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines()[3:]]
    assert len(rows) == 2
    for row in rows:
        _, _, formed, _, spread, crash, requests, _ = map(float, row)
        assert formed < 10
        assert spread <= log2(8) + 2
        assert 5 < crash <= 20
        assert 0.9 <= requests <= 1.5
