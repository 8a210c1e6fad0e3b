"""Copies of this tree to set up anew, and Pythons that fail in chosen ways.

A fake Python is a shell script that knows the four ways in which `bin/_venv`
uses one. It writes each use to a log, so that a test can tell what was done.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]

NAMES = ("python", "python3", *(f"python3.{n}" for n in range(11, 15)))
"""Every name under which `bin/_venv` looks for a Python."""

BROKEN = "#!/bin/bash\nexit 127\n"
"""What a pyenv shim of a version that is not installed does."""

FAKE = """#!/bin/bash
# A Python, as far as bin/_venv can tell. The environment says what it is like.
echo "${*:1:3}" >> "$FAKE_LOG"
case "$1 $2" in
"-c "*) [ "${FAKE_VERSION:-3.12.0}" != 3.9.18 ] ;;
"--version "*) echo "Python ${FAKE_VERSION:-3.12.0}" ;;
"-m venv")
  [ "${FAKE_VENV:-}" = absent ] && { echo "No module named venv" >&2; exit 1; }
  rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
"-m pip")
  echo "noise of pip"
  case "${FAKE_PIP:-}" in
  fails) echo "No matching distribution" >&2; exit 1 ;;
  killed) kill -KILL 0 ;;
  waits) read -r < "$FAKE_LOG.gate" ;;
  esac ;;
"-m clusterkit") printf '[%s]' "${@:3}"; echo; exit "${FAKE_STATUS:-0}" ;;
esac
"""

TOOLS = ("bash", "cat", "cksum", "cp", "dirname", "env", "grep", "mkdir", "readlink")
TOOLS += ("rm", "rmdir", "sleep")
"""What `bin/_venv` may count on everywhere; flock is not among it."""


@dataclass(frozen=True)
class Checkout:
    """A copy of the tree.

    Attributes:
        path: Where it is.
        env: What its commands are run with.
    """

    path: Path
    env: dict[str, str]
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """Start a command in it, in a process group of its own."""
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Kill what still runs in it."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end."""
        return ended(self.start(*command, **env))

    def cli(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run its `bin/cluster-cli`."""
        return self.run("bin/cluster-cli", *words, **env)

    def uses(self, what: str) -> int:
        """Return how often its fake Python was used for something."""
        log = Path(self.env["FAKE_LOG"])
        lines = log.read_text().splitlines() if log.exists() else []
        return sum(line.startswith(what) for line in lines)


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a process; return what came of it."""
    out, err = process.communicate(timeout=100)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_python(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the Python of these tests, on this tree, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def clean_environment() -> dict[str, str]:
    """Return this environment without what points at this very tree."""
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHON"}
    return {k: v for k, v in os.environ.items() if k not in dropped}


def copy_tree(to: Path) -> None:
    """Copy what git knows or would know: a clone, with what is not committed."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout
    for name in {os.fsdecode(name) for name in names.split(b"\0") if name}:
        if (ROOT / name).is_file():  # not one that is deleted, but still known
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


def fake_checkout(tmp: Path) -> Checkout:
    """Return a checkout with a fake Python under every name there is."""
    path = tmp / "a checkout"
    path.mkdir()
    shutil.copytree(ROOT / "bin", path / "bin")
    shutil.copy(ROOT / "pyproject.toml", path)
    shims = tmp / "shims"
    shims.mkdir()
    for name in NAMES:
        script(shims / name, FAKE)
    env = {"PATH": f"{shims}:/usr/bin:/bin", "FAKE_LOG": str(tmp / "log")}
    return Checkout(path, env)


def without_flock(checkout: Checkout, tmp: Path) -> Checkout:
    """Return the same checkout on a machine that has no flock."""
    tools = tmp / "tools"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(str(shutil.which(tool)))
    path = f"{tmp / 'shims'}:{tools}"
    return replace(checkout, env=checkout.env | {"PATH": path})


def script(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)
