"""The prompt's life, with somebody typing who is a test."""

from __future__ import annotations

import signal

import pytest
import trio
import trio.testing

from clusterkit.cli.output import Output
from clusterkit.cli.repl import TERMINATED, Repl
from clusterkit.errors import NodeDown
from tests.waiting import until


class Typist:
    """Types lines when it is asked, and sees how it is asked."""

    def __init__(self, repl):
        self.repl = repl
        self.send, self._receive = trio.open_memory_channel(0)
        self.asked = 0
        self.waiting = False
        self.redrawn = 0

    async def ask(self):
        self.asked += 1
        self.waiting = True
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return None
        finally:
            self.waiting = False

    def redraw(self):
        self.redrawn += 1

    async def type(self, line):
        """Type a line when it is asked for; return when the next one is."""
        await until(lambda: self.waiting)
        asked = self.asked
        await self.send.send(line)
        await until(lambda: self.asked > asked)


class Session:
    """A prompt that runs, and who types."""

    typist: Typist
    status: int | None = None


@pytest.fixture
async def open_prompt(destination):
    """Open a prompt on a node: `prompt = await open_prompt(foo)`."""
    async with trio.open_nursery() as nursery:

        async def open_it(node):
            session, repl = Session(), Repl(destination(node), Output(as_json=True))
            there = trio.Event()

            def make(repl):
                session.typist = Typist(repl)
                there.set()
                return session.typist

            async def run():
                session.status = await repl.run(make)

            nursery.start_soon(run)
            with trio.fail_after(20):
                await there.wait()
            return session

        yield open_it
        nursery.cancel_scope.cancel()


async def ended(session):
    await until(lambda: session.status is not None)
    return session.status


async def test_a_line_is_answered(open_prompt, foo, capsys):
    session = await open_prompt(foo)
    await session.typist.type("ping")
    assert capsys.readouterr().out == '{"ok": true, "data": "pong"}\n'
    assert session.typist.repl.text == "foo> "


async def test_each_line_that_was_pasted_is_answered(open_prompt, foo, capsys):
    prompt = await open_prompt(foo)
    await prompt.typist.type("ping\nnope\nhas foo")
    assert capsys.readouterr().out.splitlines()[::2] == [
        '{"ok": true, "data": "pong"}',
        '{"ok": true, "data": true}',
    ]
    await prompt.typist.send.send("exit\nping")
    await until(lambda: prompt.status is not None)
    assert "pong" not in capsys.readouterr().out


async def test_the_banner_says_where_one_is(open_prompt, foo, capsys):
    await open_prompt(foo)
    told = 'connected to foo · ring "ring" · 1 node · protocol 1\n'
    assert capsys.readouterr().err == told


async def test_the_end_of_input_ends(open_prompt, foo):
    session = await open_prompt(foo)
    await session.typist.send.aclose()
    assert await ended(session) == 0


async def test_exit_ends(open_prompt, foo):
    session = await open_prompt(foo)
    await session.typist.send.send("exit")
    assert await ended(session) == 0


async def test_an_unknown_word_shows_the_commands(open_prompt, foo, capsys):
    session = await open_prompt(foo)
    await session.typist.type("nonsense")
    assert "commands: inspect nodes" in capsys.readouterr().err


async def test_help_about_a_command_shows_its_usage(open_prompt, foo, capsys):
    session = await open_prompt(foo)
    await session.typist.type("insert --help")
    assert capsys.readouterr().out.startswith("usage: insert [-f|--force]")


async def test_ctrl_c_stops_what_runs_and_the_prompt_comes_back(open_prompt, foo):
    session = await open_prompt(foo)
    await session.typist.send.send("watch")
    server = foo._runtime.local("command").server
    await until(lambda: server._watches)
    asked = session.typist.asked
    signal.raise_signal(signal.SIGINT)
    await until(lambda: session.typist.asked > asked)
    await session.typist.type("ping")
    assert session.status is None


async def test_ctrl_c_between_two_lines_does_nothing(open_prompt, foo, capsys):
    session = await open_prompt(foo)
    await until(lambda: session.typist.waiting)
    signal.raise_signal(signal.SIGINT)
    await trio.testing.wait_all_tasks_blocked(0.05)  # it has arrived
    await session.typist.type("ping")
    assert "pong" in capsys.readouterr().out


async def test_sigterm_ends_with_its_status(open_prompt, foo):
    session = await open_prompt(foo)
    signal.raise_signal(signal.SIGTERM)
    assert await ended(session) == TERMINATED == 143


async def test_it_lives_through_a_lost_and_restored_connection(
    open_prompt, start_node, capsys
):
    async with start_node("foo") as foo:
        session = await open_prompt(foo)
        repl = session.typist.repl
    await until(lambda: repl.text == "foo (disconnected)> ")
    assert session.typist.redrawn >= 1
    capsys.readouterr()
    await session.typist.type("ping")
    told = capsys.readouterr()
    assert '"code": "nodedown"' in told.out
    assert "not connected to foo" in told.err
    async with start_node("foo", port=foo.port):
        await until(lambda: repl.text == "foo> ")
        await session.typist.type("ping")
        assert "pong" in capsys.readouterr().out


async def test_the_names_to_complete_are_those_of_the_cluster(open_prompt, foo):
    session = await open_prompt(foo)
    await until(lambda: session.typist.repl.known.nodes)
    known = session.typist.repl.known
    assert known.nodes == {"foo": ("127.0.0.1", foo.port)}
    assert known.actors["command"] == {"call": (), "cast": ()}
    assert known.node == "foo"


async def test_a_new_name_can_be_completed_after_the_command_that_brought_it(
    open_prompt, foo, monkeypatch
):
    monkeypatch.setattr("clusterkit.cli.repl.REFRESH", 3_600.0)
    session = await open_prompt(foo)
    await until(lambda: session.typist.repl.known.nodes)
    await session.typist.type("insert bar h 1")
    await until(lambda: "bar" in session.typist.repl.known.nodes)


async def test_a_node_that_is_not_there_gets_no_prompt(destination, start_node):
    async with start_node("foo") as foo:
        to = destination(foo)
    with pytest.raises(NodeDown):
        await Repl(to, Output()).run(Typist)
