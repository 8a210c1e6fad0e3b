"""The first minute: what `bin/` does on machines that are not ready for it.

Each machine is made of fake Pythons, so nothing is installed. That the real
ones go together with it is seen in `test_commands.py`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from .checkouts import BROKEN, FAKE, NAMES, fake_checkout, script, without_flock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .checkouts import Checkout

ENSURE_DEV = ("bash", "-c", ". bin/_venv; ensure_venv dev")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = fake_checkout(tmp_path)
    yield checkout
    checkout.close()


def shims(checkout: Checkout) -> Path:
    return checkout.path.parent / "shims"


def test_arguments_and_status_pass_through(checkout: Checkout) -> None:
    run = checkout.cli("call", "a b", "*", FAKE_STATUS="3")
    assert (run.stdout, run.returncode) == ("[call][a b][*]\n", 3)


def test_set_up_keeps_stdout_for_data(checkout: Checkout) -> None:
    run = checkout.cli("ping")
    assert run.stdout == "[ping]\n"
    assert "noise of pip" in run.stderr
    assert "once" in run.stderr


def test_second_run_sets_nothing_up(checkout: Checkout) -> None:
    checkout.cli("ping")
    run = checkout.cli("ping")
    assert (checkout.uses("-m venv"), checkout.uses("-m pip")) == (1, 1)
    assert run.stderr == ""


def test_link_to_the_script_works_from_anywhere(
    checkout: Checkout, tmp_path: Path
) -> None:
    link = tmp_path / "cluster-cli"
    link.symlink_to(checkout.path / "bin" / "cluster-cli")
    run = checkout.run("env", "--chdir=/", str(link), "ping")
    assert run.stdout == "[ping]\n"


def test_old_python_is_named_with_the_remedy(checkout: Checkout) -> None:
    run = checkout.cli("ping", FAKE_VERSION="3.9.18")
    assert run.returncode == 2
    assert "needs Python 3.11 or newer, found: Python 3.9.18" in run.stderr
    assert "PYTHON=" in run.stderr
    assert not (checkout.path / ".venv").exists()


def test_no_python_at_all_is_said(checkout: Checkout, tmp_path: Path) -> None:
    bare = without_flock(checkout, tmp_path)
    for name in NAMES:
        (shims(checkout) / name).unlink()
    run = bare.cli("ping")
    assert run.returncode == 2
    assert "found: none" in run.stderr


def test_python_that_only_seems_to_be_there_is_passed_over(checkout: Checkout) -> None:
    for name in set(NAMES) - {"python3.12"}:
        script(shims(checkout) / name, BROKEN)
    assert checkout.cli("ping").returncode == 0


def test_python_variable_decides(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "my python").mkdir()
    chosen = tmp_path / "my python" / "python3.13"
    script(chosen, FAKE)
    for name in NAMES:
        script(shims(checkout) / name, BROKEN)
    assert checkout.cli("ping", PYTHON=str(chosen)).returncode == 0


def test_python_variable_is_not_passed_over(checkout: Checkout) -> None:
    run = checkout.cli("ping", PYTHON="/no/such/python")
    assert run.returncode == 2
    assert "found: none" in run.stderr


def test_missing_venv_module_is_named_with_the_remedy(checkout: Checkout) -> None:
    run = checkout.cli("ping", FAKE_VENV="absent")
    assert run.returncode == 2
    assert "apt-get install python3-venv" in run.stderr


def test_failing_pip_is_named_with_the_remedy(checkout: Checkout) -> None:
    run = checkout.cli("ping", FAKE_PIP="fails")
    assert run.returncode == 2
    assert "No matching distribution" in run.stderr
    assert "PIP_INDEX_URL" in run.stderr


def test_next_run_after_a_failure_succeeds(checkout: Checkout) -> None:
    checkout.cli("ping", FAKE_PIP="fails")
    assert checkout.cli("ping").stdout == "[ping]\n"


def test_set_up_that_was_killed_is_begun_anew(checkout: Checkout) -> None:
    killed = checkout.cli("ping", FAKE_PIP="killed")
    (checkout.path / ".venv" / "half made").touch()
    assert killed.returncode < 0
    assert checkout.cli("ping").stdout == "[ping]\n"
    assert not (checkout.path / ".venv" / "half made").exists()


def test_moved_checkout_is_set_up_anew(checkout: Checkout) -> None:
    checkout.cli("ping")
    (checkout.path / ".venv" / "of the old place").touch()
    moved = checkout.path.rename(checkout.path.with_name("moved"))
    run = replace(checkout, path=moved).cli("ping")
    assert run.stdout == "[ping]\n"
    assert not (moved / ".venv" / "of the old place").exists()


def test_interpreter_that_is_gone_is_replaced(checkout: Checkout) -> None:
    checkout.cli("ping")
    (checkout.path / ".venv" / "bin" / "python").unlink()
    assert checkout.cli("ping").stdout == "[ping]\n"


def test_changed_requirements_are_installed(checkout: Checkout) -> None:
    checkout.cli("ping")
    with (checkout.path / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    checkout.cli("ping")
    assert (checkout.uses("-m venv"), checkout.uses("-m pip")) == (1, 2)


def test_tools_for_tests_are_added_to_what_is_there(checkout: Checkout) -> None:
    checkout.cli("ping")
    assert checkout.run(*ENSURE_DEV).returncode == 0
    assert (checkout.uses("-m venv"), checkout.uses("-m pip")) == (1, 2)


def test_set_up_for_tests_serves_the_command_line(checkout: Checkout) -> None:
    checkout.run(*ENSURE_DEV)
    checkout.cli("ping")
    assert (checkout.uses("-m venv"), checkout.uses("-m pip")) == (1, 1)


@pytest.mark.parametrize("machine", ["flock", "no flock"])
def test_two_first_runs_at_once_make_one_environment(
    checkout: Checkout, tmp_path: Path, machine: str
) -> None:
    if machine == "no flock":
        checkout = without_flock(checkout, tmp_path)
    elif shutil.which("flock", path=checkout.env["PATH"]) is None:
        pytest.skip("this machine has no flock")
    gate = tmp_path / "log.gate"
    os.mkfifo(gate)
    first = checkout.start("bin/cluster-cli", "one", FAKE_PIP="waits")
    assert "setting up" in first.stderr.readline()
    second = checkout.start("bin/cluster-cli", "two", FAKE_PIP="waits")
    assert "waiting for another set-up" in second.stderr.readline()
    gate.write_text("go on\n")
    assert first.communicate(timeout=60)[0] == "[one]\n"
    assert second.communicate(timeout=60)[0] == "[two]\n"
    assert (checkout.uses("-m venv"), checkout.uses("-m pip")) == (1, 1)
