"""Standard streams that are full or closed, and Ctrl-C before the first line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from clusterkit.cli.loading import INTERRUPTED

INTERRUPTS = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


@pytest.fixture
def shell():
    """Run the program with its streams redirected as a shell does it."""

    def run(words, redirection):
        line = f"exec {sys.executable} -m clusterkit {words} {redirection}"
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


FULL = "cluster-cli: cannot write to stdout: No space left on device\n"
CLOSED = "cluster-cli: cannot write to stdout: it is closed\n"


@pytest.mark.parametrize("words", ["--version", "help", "nonsense", "-p 1 nodes"])
def test_a_full_stdout_is_one_line_and_status_1(shell, words):
    status, _, err = shell(words, ">/dev/full")
    assert (status, err.splitlines()[-1] + "\n") == (1, FULL)
    assert "Traceback" not in err


def test_the_demo_ends_when_nobody_can_read_it(shell):
    assert shell("demo", ">/dev/full") == (1, "", FULL)


def test_a_node_whose_stdout_is_full_says_so(shell):
    status, _, err = shell("run foo -p 0", ">/dev/full")
    assert (status, err.splitlines()[-1] + "\n") == (1, FULL)
    assert "Traceback" not in err


def test_a_closed_stdout_is_one_line_before_anything_is_done(shell):
    assert shell("-p 1 nodes", ">&-") == (1, "", CLOSED)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_the_status_is_the_same_when_nobody_hears_why(shell, redirection):
    status, out, _ = shell("-p 1 nodes", redirection)
    assert (status, out.count("\n")) == (3, 1)
    assert "nodedown" in out


def test_a_closed_stdin_is_no_error_of_its_own(shell):
    assert shell("-p 1", "<&-")[0] == 3


def test_no_stream_at_all_is_status_1(shell):
    assert shell("-p 1 nodes", "<&- >&- 2>&-") == (1, "", "")


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """Run Python with a trio that is interrupted while it is imported."""
    (tmp_path / "trio").mkdir()
    (tmp_path / "trio" / "__init__.py").write_text(INTERRUPTS)
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    monkeypatch.setenv("PYTHONPATH", path)

    def run(*words, program=sys.executable):
        return subprocess.run(
            [program, *words], capture_output=True, timeout=60, check=False
        )

    return run


def test_ctrl_c_while_the_program_is_loaded_is_quiet(interrupted):
    done = interrupted("-m", "clusterkit", "run", "foo")
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, b"", b"")


def test_ctrl_c_while_an_installed_program_is_loaded_is_quiet(interrupted, tmp_path):
    script = tmp_path / "cluster-cli"
    script.write_text("from clusterkit.cli.main import main\nmain()\n")
    done = interrupted(str(script), "run", "foo")
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, b"", b"")


def test_an_application_keeps_its_own_ctrl_c(interrupted):
    done = interrupted("-c", "import clusterkit")
    assert done.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in done.stderr
