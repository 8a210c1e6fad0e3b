"""The prompt itself, on a terminal that is a pipe."""

from __future__ import annotations

import pytest
import trio
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from clusterkit.cli.complete import Snapshot
from clusterkit.cli.prompt import Prompt, TableCompleter

KNOWN = Snapshot(nodes={"bar": ("h", 1)})


@pytest.fixture
def keyboard():
    with create_pipe_input() as keyboard:
        yield keyboard


@pytest.fixture
def prompt(keyboard):
    return Prompt(
        lambda: "foo> ",
        lambda: KNOWN,
        InMemoryHistory(),
        input=keyboard,
        output=DummyOutput(),
    )


async def test_a_typed_line_is_returned(prompt, keyboard):
    keyboard.send_text("nodes\r")
    assert await prompt.ask() == "nodes"


async def test_ctrl_d_is_the_end(prompt, keyboard):
    keyboard.send_text("\x04")
    assert await prompt.ask() is None


async def test_ctrl_c_takes_the_line_back(prompt, keyboard):
    keyboard.send_text("remove everything\x03")
    assert await prompt.ask() == ""


async def test_tab_completes(prompt, keyboard):
    async with trio.open_nursery() as nursery:

        async def type_on():
            with trio.fail_after(20):
                while prompt._session.default_buffer.text != "insert":
                    await trio.sleep(0.001)
            keyboard.send_text(" bar\r")

        keyboard.send_text("inse\t")
        nursery.start_soon(type_on)
        assert await prompt.ask() == "insert bar"


async def test_the_line_before_comes_back(prompt, keyboard):
    keyboard.send_text("nodes\r")
    await prompt.ask()
    keyboard.send_text("\x1b[A\r")
    assert await prompt.ask() == "nodes"


async def test_trio_goes_on_while_the_prompt_waits(prompt, keyboard):
    async with trio.open_nursery() as nursery:

        async def type_later():
            await trio.lowlevel.checkpoint()
            prompt.redraw()
            keyboard.send_text("late\r")

        nursery.start_soon(type_later)
        assert await prompt.ask() == "late"


async def test_cancelling_leaves_the_prompt(prompt, keyboard):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prompt.ask)
        with trio.fail_after(20):
            while not prompt._session.app.is_running:
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        while prompt._session.app.is_running:
            await trio.sleep(0.001)


def test_the_completer_offers_what_the_table_has():
    completer = TableCompleter(lambda: KNOWN)
    found = list(completer.get_completions(Document("get b"), None))
    assert [(c.text, c.start_position) for c in found] == [("bar", -1)]
