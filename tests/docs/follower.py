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
RUN = re.compile(r"bin/cluster-cli run (\w+) .*")
PROMPT = re.compile(r"bin/cluster-cli( -p \d+)?")
SKIPPED = ("bin/test",)
"""It would run this very test."""


class Follower:
    """One newcomer, with a checkout and a home folder.

    Args:
        checkout: Where the commands are typed.
        home: The home folder, for the cookie and the state files.
    """

    def __init__(self, checkout: Checkout, home: Path) -> None:
        self._checkout = checkout
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
        node = RUN.fullmatch(command)
        if node:
            terminal = self._running[node[1]] = self._open(command)
            terminal.wait_for(f"ready {node[1]}@")
        elif command == "bin/cluster-cli demo":
            self._watch_the_demo()
        elif not command.startswith(SKIPPED):
            terminal = self._open(command)
            self._ended.append(terminal)
            if PROMPT.fullmatch(command):
                terminal.wait_for("foo>")
                terminal.type("exit\r")
            assert terminal.end() == self._status, f"{command}:\n{terminal.text}"

    def _open(self, command: str) -> Terminal:
        self._last = Terminal(self._with_ports(command), self._checkout.path, self._env)
        return self._last

    def _watch_the_demo(self) -> None:
        """Run it without a terminal, where it does not end in a prompt."""
        run = self._checkout.cli("demo")
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.endswith("\ndemo: ok\n")

    def _obey(self, directive: str) -> None:
        verb, word = directive.split()
        if verb == "status":
            self._status = int(word)
        else:
            assert verb == "stop", directive
            self.stop(word)

    def _compare(self, shown: str, terminal: Terminal) -> None:
        """Look for the lines of a page in what was printed, or is being printed."""
        wanted = [self._with_ports(line) for line in shown.splitlines() if line.strip()]
        while missing := first_missing(wanted, terminal.text):
            more = terminal.read()
            assert more, f"no {missing!r} in what was printed:\n{terminal.text}"

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


def first_missing(wanted: list[str], printed: str) -> str | None:
    """Return the first line that was not printed after those before it."""
    lines = iter(printed.splitlines())
    for line in wanted:
        pattern = re.escape(squeezed(line)).replace("…", ".*")
        if not any(re.fullmatch(pattern, squeezed(printed)) for printed in lines):
            return line
    return None


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
