"""A node in the foreground: its lines, its signals, its end."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
import trio

from clusterkit.events import MemberDown, MemberLeft, MemberUp, StateUpdated

ACTOR = """
import trio
from clusterkit import GenServer, call

class Counter(GenServer):
    def __init__(self):
        self.value = 0

    @call
    async def add(self, n):
        self.value += n
        return self.value

class Clinging(GenServer):
    async def terminate(self, reason):
        print("clinging", flush=True)
        await trio.sleep_forever()

"""


@pytest.fixture
def run(process, home, monkeypatch):
    """Run a node beside the test, in a folder with actors."""
    monkeypatch.chdir(home)
    (home / "actors_of_this_test.py").write_text(ACTOR)
    return lambda *words: process("run", *words, "--port", "0")


def test_it_says_that_it_is_ready_and_that_it_has_stopped(run):
    with run("foo") as foo:
        assert re.fullmatch(r"ready foo@127\.0\.0\.1:\d+ ring=ring", foo.read_line())
        foo.signal(signal.SIGTERM)
        ran = foo.wait()
    assert (ran.status, ran.out) == (0, "stopped foo\n")


def test_ctrl_c_drains_too(run):
    with run("foo", "--ring", "blue") as foo:
        assert foo.read_line().endswith(" ring=blue")
        foo.signal(signal.SIGINT)
        assert foo.wait().status == 0


def test_a_second_signal_forces(run):
    with run("foo", "--actor", "c=actors_of_this_test:Clinging") as foo:
        foo.read_line()
        foo.signal(signal.SIGTERM)
        assert foo.read_line() == "clinging"
        foo.signal(signal.SIGTERM)
        ran = foo.wait()
    assert ran.status == 1
    assert "stopped" not in ran.out
    assert "Traceback" not in ran.err


async def test_what_it_runs_can_be_commanded(run, cli):
    with run("foo", "--actor", "counter=actors_of_this_test:Counter") as foo:
        foo.read_line()
        ran = await cli("-p", foo.port, "call", "counter", "add", 5)
    assert ran.data == 5


async def test_it_meets_and_stays_a_member_when_it_stops(run, cli):
    with run("foo") as foo:
        foo.read_line()
        with run("bar", "--meet", f"foo@127.0.0.1:{foo.port}") as bar:
            bar.read_line()
            await until_members(cli, foo.port, 2)
            bar.signal(signal.SIGTERM)
            assert bar.wait().status == 0
        assert len((await cli("-p", foo.port, "nodes")).data) == 2


async def until_members(cli, port, n):
    deadline = time.monotonic() + 30
    while len((await cli("-p", port, "nodes")).data) != n:
        assert time.monotonic() < deadline


def logged(node, event):
    """Return the line of an event; others may come before, on a busy machine."""
    while True:
        line = node.popen.stderr.readline()
        assert re.match(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ clusterkit", line
        )
        if f" {event} " in line:
            return line


def test_its_log_is_on_stderr_one_event_a_line(run):
    with run("foo") as foo:
        foo.read_line()
        with run("bar", "-p", "0", "--meet", f"foo@127.0.0.1:{foo.port}") as bar:
            line = logged(bar, "link_up")
            bar.signal(signal.SIGKILL)
    assert " INFO clusterkit.net link_up peer=foo address=" in line


async def test_a_wrong_cookie_is_logged_with_its_reason(run, cli):
    with run("foo") as foo:
        foo.read_line()
        await cli("-p", foo.port, "-a", "ghost", "ping")
        line = logged(foo, "link_refused")
    assert "clusterkit.net link_refused peer=" in line
    assert "reason=cookie type=INVALID_CHECKSUM" in line
    assert "ghost" not in line


def failure(ran):
    assert "Traceback" not in ran.err
    return ran.status, json.loads(ran.out)["error"]["code"]


def test_a_state_file_in_use_is_refused(run):
    with run("foo") as first:
        first.read_line()
        with run("foo") as second:
            assert failure(second.wait()) == (1, "state_in_use")


def test_a_damaged_state_file_is_refused_with_the_remedy(run, home):
    (home / "state" / "clusterkit" / "ring").mkdir(parents=True)
    (home / "state" / "clusterkit" / "ring" / "foo.state").write_text("{")
    with run("foo") as foo:
        ran = foo.wait()
    assert failure(ran) == (1, "state")
    assert "foo.state" in ran.err


def test_a_state_file_that_cannot_be_is_refused_by_its_name(run, home):
    (home / "file").write_text("no folder")
    with run("foo", "--state", str(home / "file" / "foo.state")) as foo:
        ran = foo.wait()
    assert failure(ran) == (1, "state")
    assert f"cannot keep the ring in {home}/file/foo.state: " in ran.err
    assert "127.0.0.1" not in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["foo", "--actor", "x"], "is not name=module:Class"),
        (["foo", "--actor", "a=no_such_module_here:A"], "there is no module"),
        (["b@d"], "node id 'b@d' is not valid"),
        (["foo", "--host", "0.0.0.0"], "advertise"),
        (["foo", "--ring", "b d"], "--ring: 'b d' is not valid"),
    ],
)
def test_a_wrong_setting_is_status_2(run, words, said):
    with run(*words) as foo:
        ran = foo.wait()
    assert failure(ran)[0] == 2
    assert said in ran.err


def test_no_cookie_is_status_2(run, monkeypatch):
    monkeypatch.delenv("CLUSTERKIT_COOKIE")
    with run("foo") as foo:
        assert failure(foo.wait()) == (2, "config")


async def test_what_it_waits_for_at_the_end_is_said_at_once(run, cli):
    with run("foo") as foo:
        foo.read_line()
        await cli("-p", foo.port, "cast", "x@ghost@127.0.0.1:1", "y")
        foo.signal(signal.SIGTERM)
        line = next(line for line in foo.popen.stderr if " draining " in line)
        foo.signal(signal.SIGTERM)
        assert foo.wait().status == 1
    assert line.split(" ", 1)[1] == (
        "INFO clusterkit.cluster draining messages=1 peers=ghost seconds=10 "
        "remedy='a second signal ends the node at once'\n"
    )


async def test_at_sigterm_the_others_see_that_it_ends_before_it_has_left(
    run, start_node
):
    kinds = (MemberUp, StateUpdated, MemberLeft, MemberDown)
    async with start_node("foo") as foo, foo.events(*kinds) as events:
        with trio.fail_after(30), run("bar", "--meet", foo.address) as bar:
            assert await anext(events) == MemberUp("bar")
            bar.signal(signal.SIGTERM)
            heard = [await anext(events), await anext(events)]
            ran = await trio.to_thread.run_sync(bar.wait)
    assert heard == [StateUpdated("bar", "_status", "ending"), MemberLeft("bar")]
    assert ran.status == 0
    assert ran.out.endswith("stopped bar\n")
