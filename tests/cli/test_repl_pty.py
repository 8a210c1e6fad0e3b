"""The prompt on a real terminal: what a person sees, and which keys do what.

A key that comes before the prompt is drawn meets a terminal that is not yet the
prompt's; so each test waits for `foo>` before every key.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from contextlib import contextmanager

import pexpect
import pyte
import pytest

COLUMNS, LINES = 100, 30
BOTH = {"dimensions": (LINES, COLUMNS), "encoding": "utf-8", "timeout": 30}


class Screen:
    """A program on a terminal, and what the terminal shows."""

    def __init__(self, *words):
        self._screen = pyte.HistoryScreen(COLUMNS, LINES, history=1_000)
        self._stream = pyte.Stream(self._screen)
        command = ["-m", "clusterkit", *map(str, words)]
        self.child = pexpect.spawn(
            sys.executable, command, env=dict(os.environ), **BOTH
        )
        self.child.logfile_read = self

    def write(self, text):
        self._stream.feed(text)

    def flush(self):
        """A log file has one."""

    @property
    def lines(self):
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def until(self, pattern):
        """Wait until the screen shows something; return its last line."""
        deadline = time.monotonic() + 30
        while not any(re.search(pattern, line) for line in self.lines):
            self.read(deadline)
        return self.lines[-1]

    def until_prompt(self, prompt="foo>"):
        """Wait until the last line is an empty prompt."""
        deadline = time.monotonic() + 30
        while not self.lines or self.lines[-1] != prompt:
            self.read(deadline)

    def type(self, line):
        """Type a line at an empty prompt; return when there is a new one."""
        self.until_prompt()
        self.child.send(line)
        self.until(re.escape(f"foo> {line}"))
        self.child.send("\r")
        self.until_prompt()

    def read(self, deadline):
        assert time.monotonic() < deadline, "\n".join(self.lines)
        try:
            self.child.read_nonblocking(4_096, timeout=1)
        except pexpect.TIMEOUT:
            return

    def end(self):
        """Wait for the end; return the exit status."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus


@contextmanager
def _prompt(*words):
    screen = Screen(*words)
    try:
        screen.until_prompt()
        yield screen
    finally:
        screen.child.close(force=True)


@pytest.fixture
def node(lasting_foo):
    return lasting_foo


@pytest.fixture
def screen(node):
    with _prompt("-p", node.port) as screen:
        yield screen


def test_the_banner_and_the_prompt(screen):
    assert screen.lines == [
        'connected to foo · ring "ring" · 1 node · protocol 1',
        "foo>",
    ]


def test_results_are_tables(screen, node):
    screen.type("nodes")
    heading, row = screen.lines[-3:-1]
    assert heading.split() == ["NAME", "ADDRESS", "LINK", "WEIGHT", "SHARE", "OUTBOX"]
    assert row.split()[:2] == ["foo", f"127.0.0.1:{node.port}"]


def test_tab_completes_commands_and_ids(screen):
    screen.child.send("weig\t")
    screen.until(r"^foo> weight$")
    screen.child.send(" f")
    deadline = time.monotonic() + 30
    while screen.lines[-1] != "foo> weight foo":
        screen.child.send("\t")  # until the names have been looked at
        screen.read(deadline)


def test_a_typing_error_gets_a_hint(screen):
    screen.type("inser x")
    assert "unknown command 'inser'; did you mean insert?" in screen.lines


def test_ctrl_c_takes_back_what_is_typed(screen):
    screen.child.send("remove everything")
    screen.until("everything")
    screen.child.send("\x03")
    screen.until_prompt()
    screen.type("ping")
    assert screen.lines[-2] == "pong"


def test_ctrl_c_stops_what_runs(screen):
    screen.child.send("watch\r")
    screen.until("foo> watch")
    # Now the terminal is a plain one: Ctrl-C is a signal, also between prompts.
    deadline = time.monotonic() + 30
    while screen.lines[-1] != "foo>":
        assert time.monotonic() < deadline
        screen.child.kill(signal.SIGINT)
        screen.read(deadline)
    screen.type("ping")
    assert screen.lines[-2] == "pong"


def test_ctrl_d_ends(screen):
    screen.child.send("\x04")
    assert screen.end() == 0


def test_exit_ends(screen):
    screen.child.send("exit\r")
    assert screen.end() == 0


def test_the_arrow_brings_back_what_was_typed_in_an_earlier_session(screen, node):
    screen.type("weight foo")
    screen.child.send("\x04")
    assert screen.end() == 0
    with _prompt("-p", node.port) as again:
        again.child.send("\x1b[A")
        again.until(r"^foo> weight foo$")


def test_a_node_that_goes_and_comes_back(process):
    with process("run", "foo", "--port", 0) as node:
        node.read_line()
        with _prompt("-p", node.port) as screen:
            node.signal(signal.SIGTERM)
            assert node.wait().status == 0
            screen.until_prompt("foo (disconnected)>")
            gone = "disconnected from foo"
            assert any(line.startswith(gone) for line in screen.lines)
            screen.child.send("ping\r")
            screen.until("not connected to foo")
            with process("run", "foo", "--port", node.port) as again:
                again.read_line()
                screen.until_prompt()
                screen.type("ping")
                assert screen.lines[-2] == "pong"


def test_sigterm_leaves_the_terminal_as_it_was(screen):
    screen.child.kill(signal.SIGTERM)
    assert screen.end() == 143


def test_help_is_shown(screen):
    screen.type("help insert")
    assert "usage: insert [-f|--force] [-w|--weight <weight>] <id> <host> <port>" in (
        screen.lines
    )
