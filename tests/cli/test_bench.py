"""`bench` as a pipe and as a person get it, over real sockets."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import asynccontextmanager

import pexpect
import pytest
import trio

from clusterkit.cluster.own_names import BENCH
from tests.waiting import until

PARTS = {"round_trip", "calls", "casts", "bytes"}


@pytest.fixture
async def bar(foo, start_node):
    async with start_node("bar") as node:
        await foo.meet(node.address)
        yield node


async def test_a_pipe_gets_one_line_at_the_end(program, foo, bar):
    ran = await program("-p", foo.port, "bench", "--seconds", "1")
    assert (ran.status, ran.err, ran.out.count("\n")) == (0, "", 1)
    assert ran.data.keys() == {"from", "to", *PARTS}
    assert (ran.data["from"], ran.data["to"]) == ("foo", "bar")
    for part in PARTS:
        assert ran.data[part]["count"] > 0
    assert ran.data["casts"]["lost"] == 0


async def test_json_on_a_terminal_is_the_same(at_foo, bar):
    ran = await at_foo("bench", "bar", "-s", "1", "--json", terminal=True)
    assert (ran.err, ran.out.count("\n")) == ("", 1)
    assert ran.data["to"] == "bar"


async def test_a_person_sees_what_is_measured_and_then_a_table(
    at_foo, bar, monkeypatch
):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    ran = await at_foo("bench", "bar", "-s", "1", terminal=True)
    assert ran.err.splitlines() == [
        f"measuring: {title}, 0.25 s …"
        for title in ("round trip", "calls", "casts", "large calls")
    ]
    first, heading, *rows = ran.out.splitlines()
    assert first == "foo → bar"
    assert heading.split()[:2] == ["WHAT", "MEASURED"]
    assert re.match(r"round trip +[\d.]+ (µs|ms) .* 64 bytes +1$", rows[0])
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["foo"], 2, "foo is the node spoken to"),
        (["nobody"], 3, "no address is known"),
        (["bar", "-s", "0.5"], 2, "from 1 to 60 s, not 0.5"),
        (["bar", "-s", "never"], 2, "not a number of seconds"),
    ],
)
async def test_what_cannot_be_measured_is_said(at_foo, bar, words, status, text):
    ran = await at_foo("bench", *words)
    assert ran.status == status
    assert text in ran.json["error"]["message"]


async def test_a_node_that_is_alone_says_what_is_needed(at_foo):
    ran = await at_foo("bench")
    assert (ran.status, ran.code) == (2, "config")
    assert "alone in its ring" in ran.err


def busy(node):
    """How many calls of the node's wait, and how much its far end has done."""
    return node.statistics().pending_calls


@asynccontextmanager
async def on_a_terminal(port):
    command = ["-m", "clusterkit", "-p", str(port), "bench", "-s", "60"]
    child = pexpect.spawn(
        sys.executable, command, env=dict(os.environ), encoding="utf-8", timeout=30
    )
    try:
        yield child
    finally:
        child.close(force=True)


async def test_ctrl_c_ends_it_at_the_node_too(foo, bar):
    async with on_a_terminal(foo.port) as child:
        wait_for = lambda what: trio.to_thread.run_sync(child.expect, what)  # noqa: E731
        await wait_for("measuring: round trip, 15 s …")
        await until(lambda: busy(foo))
        child.kill(signal.SIGINT)
        await wait_for(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert "Traceback" not in child.before
    await until(lambda: not busy(foo))
    # The last that it says is that the far end is free: all else came before.
    far = bar._runtime.local(BENCH)
    await until(lambda: not far.server._by)
    handled = far.handled
    for _ in range(100):
        await trio.lowlevel.checkpoint()
    assert bar._runtime.local(BENCH).handled == handled
