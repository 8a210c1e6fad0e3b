"""What must hold for every row of the command table."""

from __future__ import annotations

import pytest

from clusterkit.actors.handlers import LIFECYCLE
from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.local_commands import (
    CONNECTION_OPTIONS,
    LOCAL,
    OUTPUT_OPTIONS,
)
from clusterkit.cluster.command_server import CommandServer
from clusterkit.cluster.command_spec import Kind, Where
from clusterkit.cluster.operating_commands import LIVING, OPERATING
from clusterkit.cluster.ring_commands import CHANGING, READING
from clusterkit.errors import ConfigError

ASKED = {name: c for name, c in COMMANDS.items() if c.where is Where.NODE}
COMMON = {flag for o in (*CONNECTION_OPTIONS, *OUTPUT_OPTIONS) for flag in o.flags}


def test_no_name_stands_twice():
    assert len(COMMANDS) == len([*READING, *CHANGING, *LIVING, *OPERATING, *LOCAL])


def test_the_server_answers_exactly_what_a_node_is_asked():
    assert set(CommandServer._handlers) == set(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_a_handler_takes_what_its_row_says(name):
    command = ASKED[name]
    values = {argument.name: "x" for argument in command.arguments}
    values |= {option.name: 1 for option in command.options if not option.for_view}
    if command.timed:
        values["timeout"] = 1.0
    CommandServer._handlers[name].check([], values)


@pytest.mark.parametrize("name", ASKED)
def test_no_command_is_a_part_of_every_actor(name):
    assert name not in LIFECYCLE


@pytest.mark.parametrize("name", ASKED)
def test_own_options_do_not_hide_those_of_the_connection(name):
    own = [flag for option in ASKED[name].options for flag in option.flags]
    assert COMMON.isdisjoint(own)


@pytest.mark.parametrize("name", COMMANDS)
def test_only_the_last_argument_may_come_more_than_once(name):
    assert all(a.times == "once" for a in COMMANDS[name].arguments[:-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_row_is_a_sentence_with_an_example(name):
    command = COMMANDS[name]
    assert command.help.endswith(".")
    assert command.example[0].split()[0] == name


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_picture_needs_beside_can_be_asked_without_arguments(name):
    assert all(not COMMANDS[beside].arguments for beside in COMMANDS[name].beside)


def test_changes_of_the_ring_are_marked():
    assert all(command.changes for command in CHANGING)
    assert not any(command.changes for command in READING)


GOOD = {
    "get": {"id": "bar"},
    "insert": {"id": "bar", "host": "h", "port": 1},
    "update": {"id": "bar", "host": "h", "port": 1, "weight": 2},
    "minsert": {"nodes": [["bar", "h", 1], ("baz", "h", 2)]},
    "call": {"target": "c", "event": "e", "args": [1], "timeout": 1.0},
    "find": {"key": "k"},
    "nodes": {},
}


@pytest.mark.parametrize("name", GOOD)
def test_a_request_that_fits_is_let_through(name):
    COMMANDS[name].check((), GOOD[name])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("get", {}),
        ("get", {"id": 5}),
        ("get", {"id": None}),
        ("get", {"id": ["bar"]}),
        ("insert", {"id": "bar", "host": "h", "port": "1"}),
        ("update", {"id": "bar", "host": "h", "port": 1, "weight": "2"}),
        ("minsert", {"nodes": "bar"}),
        ("minsert", {"nodes": [["bar", "h"]]}),
        ("minsert", {"nodes": ["bar"]}),
        ("call", {"target": "c", "event": "e", "args": [], "timeout": "1"}),
        ("call", {"target": "c", "event": "e", "args": []}),
        ("call", {"target": "c", "event": "e", "args": "x", "timeout": 1.0}),
    ],
)
def test_a_request_of_another_type_is_refused(name, values):
    with pytest.raises(ConfigError):
        COMMANDS[name].check((), values)


def test_a_request_without_names_is_refused():
    with pytest.raises(ConfigError, match="have names"):
        COMMANDS["get"].check(("bar",), {})


def test_every_kind_is_used():
    kinds = {a.kind for c in COMMANDS.values() for a in c.arguments}
    kinds |= {o.kind for c in COMMANDS.values() for o in c.options}
    kinds |= {o.kind for o in (*CONNECTION_OPTIONS, *OUTPUT_OPTIONS)}
    assert set(Kind) - kinds == {Kind.WORD} - kinds
