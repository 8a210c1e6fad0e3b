"""Commands on standard input, one a line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import trio
import trio.testing

from clusterkit.cli.pipe import lines


def answers(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.fixture
def pipe(program, foo):
    """Give lines to the program; return what came of them."""

    async def run(*typed):
        return await program("-p", foo.port, stdin="\n".join(typed).encode())

    return run


async def test_each_line_has_its_line(pipe, foo):
    ran = await pipe("ping", "insert x h 1", "weight x")
    assert answers(ran) == [
        {"ok": True, "data": "pong"},
        {"ok": True, "data": None},
        {"ok": True, "data": 3},
    ]
    assert (ran.status, ran.err) == (0, "")


async def test_empty_lines_and_comments_do_nothing(pipe):
    ran = await pipe("", "  ", "# get nothing", "ping", "")
    assert answers(ran) == [{"ok": True, "data": "pong"}]


async def test_a_line_that_fails_does_not_stop_the_next(pipe):
    ran = await pipe("nonsense", "get bar", "ping")
    assert [answer["ok"] for answer in answers(ran)] == [False, False, True]
    assert ran.status == 2


async def test_exit_ends_before_the_end(pipe):
    ran = await pipe("ping", "exit", "get bar")
    assert (len(answers(ran)), ran.status) == (1, 0)


async def test_json_needs_no_quotes(pipe):
    ran = await pipe('call nobody add {"a": [1, 2]} "x y"')
    assert answers(ran)[0]["error"]["code"] == "noproc"


async def test_no_input_is_no_commands(program, foo):
    ran = await program("-p", foo.port, stdin=subprocess.DEVNULL)
    assert (ran.status, ran.out, ran.err) == (0, "", "")


async def test_a_file_is_read_as_well(program, foo, tmp_path):
    (tmp_path / "commands").write_text("ping\nnodes\n")
    with (tmp_path / "commands").open() as stdin:
        ran = await program("-p", foo.port, stdin=stdin)
    assert [answer["ok"] for answer in answers(ran)] == [True, True]


async def test_a_node_that_is_not_there_is_one_line(program, foo):
    ran = await program("-p", foo.port, "-a", "ghost", stdin=b"ping\nping\n")
    assert (ran.status, ran.code, ran.out.count("\n")) == (4, "cookie", 1)


async def test_ctrl_c_ends_a_pipe_that_has_nothing_to_say(foo):
    command = [sys.executable, "-m", "clusterkit", "-p", str(foo.port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, check=False, **pipes)
        process = await nursery.start(run)
        with trio.fail_after(30):
            await process.stdin.send_all(b"ping\n")
            assert (await process.stdout.receive_some()).endswith(b"\n")
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130


async def test_a_line_may_come_in_pieces():
    reader, writer = os.pipe()
    os.write(writer, b"pi")
    found = []
    async with trio.open_nursery() as nursery:

        async def read():
            found.extend([line async for line in lines(reader)])

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        os.write(writer, b"ng\nnodes\nlast without an end")
        os.close(writer)
    os.close(reader)
    assert found == ["ping", "nodes", "last without an end"]
