"""The lines of JSON, the exit statuses, and what goes to which stream."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout

import pytest

import clusterkit.errors as e
from clusterkit.cli.output import Failure, Output, result_line
from clusterkit.cli.parser import parse
from clusterkit.cli.reading import UsageError
from clusterkit.cluster.command_gate import CommandRefused

STATUSES = {
    e.RingError("x"): 1,
    e.NotInRing("x"): 1,
    e.ConfigError("x"): 2,
    UsageError("x"): 2,
    e.NodeDown("x"): 3,
    e.NodeUnknown("x"): 3,
    e.WrongCookie("x"): 4,
    e.CallTimeout("x"): 5,
    e.RemoteFault("ValueError", "x"): 1,
}


def test_a_result_is_one_line():
    line = result_line({"b": 1, "a": [True, None, "é\n"]})
    assert line == '{"ok": true, "data": {"b": 1, "a": [true, null, "\\u00e9\\n"]}}'


def test_no_result_is_null():
    assert result_line(None) == '{"ok": true, "data": null}'


def test_an_error_is_one_line():
    line = Failure.of(e.NotInRing("'bar' is not defined in this ring.")).line()
    assert line == (
        '{"ok": false, "error": {"message": "\'bar\' is not defined in this ring.", '
        '"_error": true, "code": "not_in_ring"}}'
    )


@pytest.mark.parametrize("error", STATUSES, ids=lambda error: type(error).__name__)
def test_each_error_has_its_exit_status(error):
    assert Failure.of(error).status == STATUSES[error]


def test_a_refusal_of_the_node_brings_its_text_its_code_and_its_status():
    failure = Failure.of(CommandRefused("timeout", "no answer", 5))
    assert failure == Failure("no answer", "timeout", 5)


def test_what_an_application_rejects_is_refused_whatever_its_code():
    class Late(e.Rejected):
        code = "timeout"

    assert Failure.of(Late("too late")) == Failure("too late", "timeout", 1)


def test_where_stdout_is_no_terminal_the_result_is_json(capsys):
    Output().result(parse(["ping"]), "pong")
    assert capsys.readouterr() == ('{"ok": true, "data": "pong"}\n', "")


def test_an_error_is_told_on_both_streams(capsys):
    status = Output().error(UsageError("no such thing", "usage: …"))
    told = capsys.readouterr()
    assert status == 2
    assert json.loads(told.out)["error"]["code"] == "usage"
    assert told.err == "cluster-cli: no such thing\nusage: …\n"


def test_an_event_has_no_frame(capsys):
    Output().event({"event": "link_up", "time": "now"})
    assert capsys.readouterr().out == '{"event": "link_up", "time": "now"}\n'


class Terminal(io.StringIO):
    """Passes for a terminal."""

    def isatty(self):
        return True


def on_terminal():
    """Have what is printed go to a terminal, which is returned."""
    return redirect_stdout(Terminal())


def test_a_terminal_gets_a_picture():
    with on_terminal() as terminal:
        Output(environ={}).result(parse(["ping"]), "pong")
    assert terminal.getvalue() == "pong\n"


def test_a_terminal_gets_json_if_it_is_asked_for():
    with on_terminal() as terminal:
        Output(as_json=True).result(parse(["ping"]), "pong")
    assert terminal.getvalue() == '{"ok": true, "data": "pong"}\n'


def test_a_terminal_sees_an_error_once(capsys):
    with on_terminal() as terminal:
        Output().error(e.NodeDown("gone"))
    assert terminal.getvalue() == ""
    assert capsys.readouterr().err == "cluster-cli: gone\n"


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_can_be_turned_off(environ, coloured):
    with on_terminal() as terminal:
        Output(environ=environ).result(parse(["weights"]), {"foo": 1})
    assert ("\x1b[" in terminal.getvalue()) is coloured


def test_the_prompt_does_not_repeat_the_name_of_the_program(capsys):
    with on_terminal():
        Output(at_prompt=True).error(e.NodeDown("gone"))
    assert capsys.readouterr().err == "gone\n"
