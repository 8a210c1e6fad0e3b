"""`cluster-cli demo`: the first thing a newcomer runs."""

import subprocess
import sys

from clusterkit.cli.demo import NAMES, free_ports


def test_the_demo_tells_its_story_and_ends_by_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "clusterkit", "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "demo: ok"
    for name in NAMES:
        assert any(f"{name}@127.0.0.1:" in line for line in lines)
    assert any("-> 5" in line for line in lines)
    assert any("10 queued" in line for line in lines)
    assert any("1 2 3 4 5 6 7 8 9 10" in line for line in lines)


def test_free_ports_are_distinct():
    assert len(set(free_ports(3))) == 3
