"""Follows a page: types its commands, and looks whether what it shows is true.

Every line of an `sh` block is a command, typed in a terminal. `run` gets one of
its own and goes on; a command without a subcommand is a prompt, left again by
`exit`. A `text` block shows what the command before it prints: its lines, in
that order, others between them, `…` for anything. What a page says in prose
stands in a comment that is not shown: `<!-- test: stop bar -->` presses Ctrl-C
where bar runs, `<!-- test: status 1 -->` expects the next block to fail so.
"""

from __future__ import annotations

import re
import shlex
import socket
from typing import TYPE_CHECKING

from .pages import FENCE
from .terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .checkouts import Checkout

STEP = re.compile(rf"{FENCE.pattern}|<!-- test: (.*?) -->", FENCE.flags)
PORTS = (7022, 7023)
"""What the pages use; replaced, as they may be in use here."""
SKIPPED = ("bin/test",)
"""It would run this very test."""


class Follower:
    """One newcomer, with a checkout and a home folder.

    Args:
        checkout: Where the commands are typed.
        home: The home folder, for the cookie and the state files.
    """

    def __init__(self, checkout: Checkout, home: Path) -> None:
        self._path = checkout.path
        hidden = {"CLUSTERKIT_COOKIE", "XDG_STATE_HOME", "XDG_CONFIG_HOME"}
        environment = {k: v for k, v in checkout.env.items() if k not in hidden}
        self._env = environment | {"HOME": str(home)}
        self._ports = dict(zip(map(str, PORTS), map(str, free_ports()), strict=True))
        self._running: dict[str, Terminal] = {}
        self._ended: list[Terminal] = []
        self._status = 0
        self._last: Terminal | None = None

    def follow(self, page: str) -> None:
        """Do all that a page says."""
        for kind, text in steps(page):
            if kind == "sh":
                for command in commands(text):
                    self._type(command)
                self._status = 0
            elif kind == "text" and self._last is not None:
                self._compare(text, self._last)
            elif kind == "test":
                self._obey(text)

    def stop(self, name: str) -> None:
        """Press Ctrl-C where a node runs."""
        self._last = terminal = self._running.pop(name)
        self._ended.append(terminal)
        terminal.press_ctrl_c()
        assert terminal.end() == 0, terminal.text
        assert f"stopped {name}" in terminal.text

    def close(self) -> None:
        """End what still runs."""
        for terminal in [*self._running.values(), *self._ended]:
            terminal.close()

    def _type(self, command: str) -> None:
        if command.startswith(SKIPPED):
            return
        words = shlex.split(command)
        terminal = Terminal(self._with_ports(command), self._path, self._env)
        self._last = terminal
        if "run" in words:
            name = words[words.index("run") + 1]
            self._running[name] = terminal
            terminal.wait_for(f"ready {name}@")
            return
        self._ended.append(terminal)
        if re.fullmatch(r"bin/cluster-cli (-p \d+)?|bin/cluster-cli demo", command):
            terminal.wait_for("foo>")
            terminal.type("exit\r")
        assert terminal.end() == self._status, f"{command}:\n{terminal.text}"

    def _obey(self, directive: str) -> None:
        verb, word = directive.split()
        if verb == "status":
            self._status = int(word)
        else:
            assert verb == "stop", directive
            self.stop(word)

    def _compare(self, shown: str, terminal: Terminal) -> None:
        """Look for the lines of a page in what was printed, in order."""
        printed = iter(terminal.text.splitlines())
        for line in filter(str.strip, shown.splitlines()):
            pattern = re.escape(squeezed(self._with_ports(line))).replace("…", ".*")
            found = any(re.fullmatch(pattern, squeezed(p)) for p in printed)
            assert found, f"the page shows {line!r}, printed was:\n{terminal.text}"

    def _with_ports(self, text: str) -> str:
        return re.sub("702[23]", lambda match: self._ports[match[0]], text)


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Yield what a page says to do: a kind, and a text."""
    for match in STEP.finditer(page):
        if match[5] is not None:
            yield "test", match[5]
        elif match[3].strip():
            yield match[3].split()[0], match[4]


def commands(block: str) -> list[str]:
    """Return the commands of an `sh` block."""
    joined = block.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def squeezed(line: str) -> str:
    return " ".join(line.split())


def free_ports() -> list[int]:
    """Return as many free ports as the pages use."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    try:
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()
