"""What the tests of the command line share: nodes, and ways to command them."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest
import trio

from clusterkit import Config, create_cluster
from clusterkit.cli.client import Destination, open_client
from clusterkit.cli.main import main
from clusterkit.names import Address

ROOT = Path(__file__).parents[2]
COOKIE = "monster"
PATIENCE = 30.0
"""Seconds after which a test gives up on another process."""


@dataclass(frozen=True)
class Ran:
    """What came of a command line."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def data(self):
        assert self.json["ok"] is True, self
        return self.json["data"]

    @property
    def code(self):
        assert self.json["ok"] is False, self
        return self.json["error"]["code"]


class Terminal(io.StringIO):
    """Passes for a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder of the test's own, with the cookie in the environment."""
    return _at_home(monkeypatch, tmp_path)


def _at_home(monkeypatch, folder):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("CLUSTERKIT_COOKIE", COOKIE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *_python_path()]))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")
    return folder


def _python_path():
    return [path for path in [os.environ.get("PYTHONPATH")] if path]


@pytest.fixture
def start_node():
    """Run a node in this process: `async with start_node("foo") as node`."""
    # The ring is full of members that never were: do not wait for them at the end.
    config = Config(drain_timeout=0.2)
    return partial(create_cluster, port=0, cookie=COOKIE, rfactor=3, config=config)


@pytest.fixture
async def foo(start_node):
    async with start_node("foo") as node:
        yield node


@pytest.fixture
def destination():
    """Return where a node of this process is to be reached."""

    def make(node, **options):
        address = Address(node.host, node.port)
        return Destination(address=address, cookies=(COOKIE.encode(),), **options)

    return make


@pytest.fixture
async def client(foo, destination):
    async with open_client(destination(foo)) as client:
        yield client


@pytest.fixture
def cli():
    """Run a command line in a thread of this process: `await cli("-p", …)`."""

    async def run(*words, terminal=False):
        out = Terminal() if terminal else io.StringIO()
        err = io.StringIO()

        def call():
            with redirect_stdout(out), redirect_stderr(err):
                return main([str(word) for word in words])

        status = await trio.to_thread.run_sync(call)
        return Ran(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def at_foo(cli, foo):
    """Run a command against foo: `await at_foo("nodes")`."""
    return partial(cli, "-p", foo.port)


@pytest.fixture
def program():
    """Run the program as a process of its own, to its end."""

    async def run(*words, **options):
        command = [sys.executable, "-m", "clusterkit", *map(str, words)]
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(
                command,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                **{"stdin": b"", **options},
            )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


class Process:
    """A program that runs beside a synchronous test."""

    def __init__(self, popen):
        self.popen = popen
        self.line = ""

    def read_line(self):
        """Wait for a line of its output."""
        self.line = self.popen.stdout.readline().rstrip("\n")
        return self.line

    @property
    def port(self):
        """Of a node that has said it is ready."""
        return int(self.line.split()[1].rpartition(":")[2])

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self):
        """Wait for its end; return its status and the rest of its output."""
        out, err = self.popen.communicate(timeout=PATIENCE)
        return Ran(self.popen.returncode, out, err)


@contextmanager
def _process(*words):
    command = [sys.executable, "-m", "clusterkit", *map(str, words)]
    pipes = {"stdin": DEVNULL, "stdout": PIPE, "stderr": PIPE, "text": True}
    with Popen(command, **pipes) as popen:
        try:
            yield Process(popen)
        finally:
            if popen.poll() is None:
                popen.kill()


@pytest.fixture(scope="module")
def lasting_foo(tmp_path_factory):
    """A node in a process beside all tests of a module, for those that leave it be."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            _at_home(patch, tmp_path_factory.mktemp("lasting"))
            node = stack.enter_context(_process("run", "foo", "--port", 0))
        node.read_line()
        yield node


@pytest.fixture
def process():
    """Run the program beside the test: `with process("run", "foo") as p`."""
    return _process
