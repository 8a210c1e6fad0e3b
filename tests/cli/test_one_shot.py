"""The program as a shell sees it: bytes on stdout, and an exit status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

import clusterkit
from clusterkit.cli.main import VERSION

ROOT = Path(clusterkit.__file__).parents[1]


async def test_a_result_is_one_line_and_nothing_else(program, foo):
    ran = await program("-p", foo.port, "nodes")
    assert ran.out == (
        '{"ok": true, "data": [{"id": "foo", "host": "127.0.0.1", '
        f'"port": {foo.port}}}]}}\n'
    )
    assert (ran.status, ran.err) == (0, "")


async def test_a_mutation_has_null_and_took_effect(program, foo):
    ran = await program("insert", "bar", "127.0.0.1", "1", "-w", "2", "-p", foo.port)
    assert (ran.status, ran.out) == (0, '{"ok": true, "data": null}\n')
    assert foo.ring.weight("bar") == 2


async def test_a_refusal_is_one_line_and_status_1(program, foo):
    ran = await program("-p", foo.port, "get", "bar")
    assert ran.out == (
        '{"ok": false, "error": {"message": "\'bar\' is not defined in this ring.", '
        '"_error": true, "code": "not_in_ring"}}\n'
    )
    assert ran.status == 1
    assert ran.err == "cluster-cli: 'bar' is not defined in this ring.\n"


async def test_a_wrong_command_line_is_one_line_and_status_2(program):
    ran = await program("nonsense")
    assert (ran.status, ran.code, ran.out.count("\n")) == (2, "usage", 1)
    assert "Traceback" not in ran.err


async def test_a_dead_node_is_status_3(program, free_port):
    ran = await program("-p", free_port, "ping")
    assert (ran.status, ran.code) == (3, "nodedown")
    assert f"127.0.0.1:{free_port}: refused the connection" in ran.err
    assert "Traceback" not in ran.err


async def test_a_wrong_cookie_is_status_4(program, foo):
    ran = await program("-p", foo.port, "-a", "ghost", "ping")
    assert (ran.status, ran.code) == (4, "cookie")
    assert "Traceback" not in ran.err


async def test_the_version_names_the_protocol(program):
    ran = await program("--version")
    assert (ran.status, ran.out, ran.err) == (0, f"{VERSION}\n", "")
    assert VERSION == "cluster-cli 0.1.0 (protocol 1)"


async def test_a_line_of_json_is_printed_for_each_event(foo):
    command = [sys.executable, "-m", "clusterkit", "-p", str(foo.port), "watch"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, check=False, **options)
        process = await nursery.start(run)
        with trio.fail_after(30):
            nursery.start_soon(change_for_ever, foo)
            line = await process.stdout.receive_some()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
        nursery.cancel_scope.cancel()
    assert line.startswith(b'{"event": "ring_changed", "time": "20')
    assert line.endswith(b"\n")


async def change_for_ever(node):
    """Change the ring again and again: nobody knows when `watch` begins."""
    weight = 1
    while True:
        weight += 1
        await node.gossip.update(node.address, weight)
        await trio.sleep(0.02)


async def test_output_that_nobody_reads_ends_it_without_a_word(foo):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "clusterkit", "-p", str(foo.port), "nodes"]
    done = await trio.run_process(
        command, stdout=writer, capture_stderr=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.fixture
def free_port():
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


LOADED = """
import sys
from clusterkit.cli.main import main
status = main()
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""

NOT_FOR_ONE_COMMAND = {
    "clusterkit.actors.runtime",
    "clusterkit.cli.complete",
    "clusterkit.cli.cookie_command",
    "clusterkit.cli.demo",
    "clusterkit.cli.repl",
    "clusterkit.cli.run",
    "clusterkit.cluster.assembly",
    "clusterkit.cluster.command_server",
    "clusterkit.core.membership",
    "clusterkit.net.kernel",
    "clusterkit.net.link",
    "clusterkit.settings.table",
    "difflib",
    "prompt_toolkit",
    "tomllib",
}


async def test_a_command_loads_neither_a_node_nor_a_prompt(foo):
    done = await trio.run_process(
        [sys.executable, "-c", LOADED, "-p", str(foo.port), "nodes"],
        capture_stdout=True,
        capture_stderr=True,
    )
    loaded = done.stderr.decode().split()
    assert "clusterkit.cli.client" in loaded
    assert NOT_FOR_ONE_COMMAND.intersection(loaded) == set()


AS_ALWAYS = """
import gc, signal
import clusterkit
from clusterkit.cli.main import main
print(gc.isenabled(), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
main(["--version"])
print(gc.isenabled(), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(gc.get_freeze_count() > 0)
"""


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("cluster-cli", [], ["False False", VERSION, "True True", "True"]),
        ("service.py", [], ["True True", VERSION, "True True", "False"]),
        (
            "service.py",
            ["-m", "clusterkit"],
            ["True True", VERSION, "True True", "False"],
        ),
    ],
    ids=["program", "application", "application with an option -m"],
)
async def test_only_the_program_is_loaded_without_collections_and_signals(
    tmp_path, name, arguments, told
):
    program = tmp_path / name
    program.write_text(AS_ALWAYS)
    done = await trio.run_process(
        [sys.executable, program, *arguments], capture_stdout=True
    )
    assert done.stdout.decode().splitlines() == told


SPAWNING = """
import gc, multiprocessing
import clusterkit

def tell():
    print(gc.isenabled(), flush=True)

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=tell)
    child.start()
    child.join()
"""


async def test_what_the_program_spawns_is_not_the_program(tmp_path):
    program = tmp_path / "cluster-cli"
    program.write_text(SPAWNING)
    done = await trio.run_process([sys.executable, program], capture_stdout=True)
    assert done.stdout.decode().splitlines() == ["True"]


AT_THE_END = """
import atexit, gc
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 0))
"""


async def test_python_m_is_the_program(tmp_path):
    hook = tmp_path / "sitecustomize.py"
    hook.write_text(AT_THE_END)
    done = await trio.run_process(
        [sys.executable, "-m", "clusterkit", "--version"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_stdout=True,
    )
    assert done.stdout.decode().splitlines() == [VERSION, "True True"]
