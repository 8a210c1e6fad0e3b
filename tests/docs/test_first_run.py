"""The first minute, with a real Python, a real pip and the real packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import FirstRun


def test_without_a_network_the_remedy_is_named(first_run: FirstRun) -> None:
    assert first_run.offline.returncode == 2
    assert "PIP_INDEX_URL" in first_run.offline.stderr
    assert first_run.offline.stdout == ""


def test_two_first_runs_at_once_both_succeed(first_run: FirstRun) -> None:
    printed = [(run.returncode, run.stdout) for run in first_run.together]
    assert printed == [(0, "cluster-cli 0.1.0 (protocol 1)\n")] * 2


def test_set_up_runs_the_checkout_itself(first_run: FirstRun) -> None:
    where = "import clusterkit; print(clusterkit.__file__)"
    run = first_run.checkout.run(".venv/bin/python", "-c", where)
    assert run.stdout.startswith(str(first_run.checkout.path))
