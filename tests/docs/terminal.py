"""A terminal to run a command in, and what a person would have read there."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")
PATIENCE = 30.0
"""Seconds of silence after which a command counts as stuck."""


class Terminal:
    """One command in a terminal of its own."""

    def __init__(self, command: str, cwd: Path, env: dict[str, str]) -> None:
        self._screen, other_end = pty.openpty()
        termios.tcsetwinsize(other_end, (24, 100))
        self._raw = b""
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=cwd,
            env=env | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
        )
        os.close(other_end)

    @property
    def text(self) -> str:
        """All that has been printed and read so far, without colours."""
        plain = ESCAPES.sub("", self._raw.decode(errors="replace"))
        return plain.replace("\r", "")

    def wait_for(self, text: str) -> None:
        """Read until `text` has been printed."""
        while text not in self.text:
            assert self.read(), f"it ended without {text!r}:\n{self.text}"

    def read(self) -> bool:
        """Read some; say whether there was anything."""
        ready, _, _ = select.select([self._screen], [], [], PATIENCE)
        assert ready, f"silent for {PATIENCE:g} s after:\n{self.text}"
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # how Linux says that nobody holds the other end
            data = b""
        self._raw += data
        return bool(data)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._screen, text.encode())

    def press_ctrl_c(self) -> None:
        """Send SIGINT to all that runs here, as a terminal would."""
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; return the exit status."""
        while self.read():
            pass
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End what still runs."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._screen)
