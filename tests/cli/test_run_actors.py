"""Actors that cannot be started: whose fault it is, in his own lines."""

from __future__ import annotations

import json
import socket

import pytest

GOOD = """
from clusterkit import GenServer, call

class Good(GenServer):
    pass

class Plain:
    pass

class Boom(GenServer):
    def __init__(self):
        raise ValueError("no database at db:5432")

class Late(GenServer):
    async def init(self):
        try:
            {}["host"]
        except KeyError as error:
            raise OSError(111, "Connection refused") from error

class Needy(GenServer):
    def __init__(self, size):
        self.size = size

def nothing():
    return None

instance = GenServer()
number = 3
"""
SYNC = """
from clusterkit import GenServer, call

class Sync(GenServer):
    @call
    def add(self, n):
        return n
"""


@pytest.fixture
def refused(process, home, monkeypatch):
    """Run a node with an actor that is refused: its status, message and lines."""
    monkeypatch.chdir(home)
    (home / "good.py").write_text(GOOD)
    (home / "sync.py").write_text(SYNC)
    (home / "typo.py").write_text("class A(:\n    pass\n")
    (home / "zero.py").write_text("A = 1 / 0\n")
    (home / "ends.py").write_text("import sys\nsys.exit(3)\n")
    (home / "lacks.py").write_text("import no_such_module_here\n")

    def run(*actors):
        options = [f"--actor={actor}" for actor in actors]
        with process("run", "foo", "--port", "0", *options) as foo:
            ran = foo.wait()
        assert "clusterkit/" not in ran.err
        assert "Traceback" not in ran.err
        error = json.loads(ran.out)["error"]
        first, *lines = ran.err.splitlines()
        assert first == f"cluster-cli: {error['message']}"
        return ran.status, error["message"], lines

    return run


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("typo:A", "SyntaxError: invalid syntax"),
        ("zero:A", "ZeroDivisionError: division by zero"),
        ("ends:A", "the module ends the program: SystemExit: 3"),
        ("lacks:A", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("nowhere:A", "there is no module nowhere"),
        ("nowhere.deep:A", "there is no module nowhere.deep"),
        ("good:Goood", "module good has no Goood; did you mean Good?"),
        ("good:Plain", "it is no GenServer"),
        ("good:number", "it is no GenServer"),
        ("good:nothing", "a NoneType is no GenServer, so it cannot be an actor"),
        ("good:Needy", "its constructor needs an argument: 'size'"),
        ("sync:Sync", "handler 'add' must be an async function"),
    ],
)
def test_what_can_only_be_corrected_is_status_2(refused, place, told):
    status, message, _ = refused(f"c={place}")
    assert status == 2
    assert message.startswith(f"actor c ({place}): {told}")


@pytest.mark.parametrize("spec", ["c=.good:Good", "c=good.:Good", "c=:Good", "c=good:"])
def test_what_names_no_class_is_status_2(refused, spec):
    status, message, _ = refused(spec)
    assert (status, message) == (2, f"--actor: {spec!r} is not name=module:Class")


@pytest.mark.parametrize("name", ["command", "ring"])
def test_a_name_of_the_node_s_own_is_status_2(refused, name):
    status, message, _ = refused(f"{name}=good:Good")
    assert status == 2
    assert message == f"an actor cannot be called {name}: that is the node's own"


def test_a_constructor_that_raises_names_its_actor_and_shows_its_lines(refused):
    status, message, lines = refused("a=good:Good", "c=good:Boom")
    assert message == "actor c (good:Boom): ValueError: no database at db:5432"
    assert status == 1
    assert len(lines) == 2
    assert lines[0].endswith('good.py", line 12, in __init__')
    assert lines[1].strip() == 'raise ValueError("no database at db:5432")'


def test_an_init_that_raises_shows_what_led_to_it(refused):
    status, message, lines = refused("c=good:Late", "d=good:Good")
    told = "actor c (good:Late): ConnectionRefusedError: [Errno 111] Connection refused"
    assert (status, message) == (1, told)
    assert "because of KeyError: 'host'" in lines


def test_a_syntax_error_shows_where_it_is(refused):
    _, _, lines = refused("c=typo:A")
    assert any('typo.py", line 1' in line for line in lines)
    assert any("class A(:" in line for line in lines)


def test_an_instance_can_be_run(process, home, monkeypatch):
    monkeypatch.chdir(home)
    (home / "good.py").write_text(GOOD)
    with process("run", "foo", "-p", "0", "--actor", "c=good:instance") as foo:
        assert foo.read_line().startswith("ready ")


def test_a_port_in_use_names_the_option(process):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with process("run", "foo", "-p", port) as foo:
            ran = foo.wait()
    assert ran.status == 1
    assert ran.err == (
        f"cluster-cli: cannot listen at 127.0.0.1:{port}: Address already in use; "
        "choose another with --port\n"
    )


def test_an_address_of_another_machine_names_the_option(process):
    with process("run", "foo", "-p", "0", "--host", "192.0.2.1") as foo:
        ran = foo.wait()
    assert ran.status == 1
    assert ran.err.startswith("cluster-cli: cannot listen at 192.0.2.1:0: ")
    assert ran.err.endswith("; choose another with --host\n")
