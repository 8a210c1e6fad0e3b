"""Child processes: a node that serves, a program that prints one result."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TIMEOUT = 300.0
"""Seconds after which a program is taken to hang."""

STARTING, STOPPING = 30.0, 20.0
"""Seconds that a server may take to print its port, and to end."""


class Failed(Exception):
    """A program ended without a result; the text says why, in one line."""


def environment() -> dict[str, str]:
    """Return ours, with the checkout importable."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def result_of(command: Sequence[str], *, timeout: float = TIMEOUT) -> dict[str, Any]:
    """Run a program and return the map after the RESULT that it prints.

    Raises:
        Failed: It hangs, fails, or prints none.
    """
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"no result after {timeout:.0f} s") from error
    except OSError as error:
        raise Failed(str(error)) from error
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
            return result
    raise Failed(f"exit {done.returncode}: {last_line(done.stderr)}")


@contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """Run a server for the block; the value is the port that it prints.

    It ends when its standard input is closed, so it does not outlive us.

    Raises:
        Failed: It ended without a port.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(),
        )
        try:
            port = announced(process)
            if port is None:
                stop(process)
                errors.seek(0)
                raise Failed(f"exit {process.returncode}: {last_line(errors.read())}")
            yield port
        finally:
            stop(process)


def announced(process: subprocess.Popen[str]) -> str | None:
    """Return the port that a server prints, None if it does not come to that."""
    assert process.stdout
    if not select.select([process.stdout], [], [], STARTING)[0]:
        return None
    ready, _, port = process.stdout.readline().partition(" ")
    return port.strip() if ready == "READY" else None


def stop(process: subprocess.Popen[str]) -> None:
    """Close the server's standard input; kill it if it does not end."""
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def last_line(text: str) -> str:
    """Return the last line of `text` that says something: the error's, mostly."""
    lines = [line.strip(" |+-") for line in text.splitlines()]
    told = [line for line in lines if line and not line.endswith("more exceptions")]
    return told[-1] if told else "it said nothing"
