"""Command lines as requests, with every way in which argparse would guess."""

from __future__ import annotations

import pytest

from clusterkit.cli.parser import parse, parse_line
from clusterkit.cli.reading import UsageError


def values(line):
    return parse(line.split()).values


def options(line):
    return parse(line.split()).options


def complaint(line):
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    return str(caught.value)


@pytest.mark.parametrize("line", ["-p 9000 ping", "ping -p 9000", "ping --port=9000"])
def test_connection_options_stand_before_and_after_the_command(line):
    request = parse(line.split())
    assert (request.command.name, request.options["node_port"]) == ("ping", 9000)


@pytest.mark.parametrize("line", ["-p9000 ping", "--port=9000 ping", "ping -p9000"])
def test_a_value_may_stick_to_its_option(line):
    assert options(line)["node_port"] == 9000


def test_an_argument_named_port_leaves_the_connection_alone():
    request = parse(["-p", "9000", "insert", "x", "h", "1"])
    assert (request.values["port"], request.options["node_port"]) == (1, 9000)


def test_a_port_before_run_is_the_port_to_listen_on():
    assert values("-p 9000 run foo") == {"id": "foo", "port": 9000}


def test_defaults_lead_to_the_local_node():
    found = options("ping")
    assert found["hostname"] == "127.0.0.1"
    assert (found["node_port"], found["timeout"], found["instance"]) == (
        7022,
        5.0,
        None,
    )


def test_json_is_accepted_after_the_command():
    assert options("ping --json")["json"] is True


@pytest.mark.parametrize(
    ("line", "near"), [("--host h ping", "--hostname"), ("ping --jso", "--json")]
)
def test_options_are_not_abbreviated(line, near):
    assert complaint(line).endswith(f"did you mean {near}?")


def test_options_may_stand_among_the_triples():
    found = values("minsert a h 1 -f b h 2")
    assert found == {"force": True, "nodes": [["a", "h", 1], ["b", "h", 2]]}


@pytest.mark.parametrize("line", ["minsert a h 1 b", "mremove a h", "minsert a"])
def test_half_a_triple_is_refused(line):
    assert "is not complete" in complaint(line)


def test_an_option_of_a_command_is_read_in_one_shot_mode_too():
    assert values("insert x h 1 -w 2")["weight"] == 2


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "NaN", "heavy"])
def test_a_weight_is_a_whole_number_from_1(word):
    told = f"--weight: {word!r} is not a whole number from 1"
    assert complaint(f"insert x h 1 -w {word}") == told
    assert complaint(f"update x h 1 -- {word}") == told.removeprefix("--")


@pytest.mark.parametrize("line", ["update a h 1 64", "update a h 1 -w 64"])
def test_update_takes_its_weight_by_place_or_by_option(line):
    assert values(line)["weight"] == 64


def test_a_weight_given_twice_is_refused():
    assert complaint("update a h 1 64 -w 65") == "weight is given twice"


def test_an_option_that_is_not_given_is_not_sent():
    assert values("insert x h 1") == {"id": "x", "host": "h", "port": 1}


def test_an_option_about_the_picture_is_not_sent():
    request = parse(["inspect", "--points"])
    assert (request.values, request.view) == ({}, {"points": True})


@pytest.mark.parametrize("port", ["0", "65536", "abc", "-1", "1.5", "NaN"])
def test_a_bad_port_is_refused_wherever_it_stands(port):
    for line in (f"insert a h {port}", f"--port={port} ping", f"minsert a h {port}"):
        assert "is not a number from 1 to 65535" in complaint(line)


def test_a_node_may_listen_on_any_free_port():
    assert values("run foo -p 0") == {"id": "foo", "port": 0}


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_bad_timeout_is_refused(seconds):
    assert "is not a number of seconds" in complaint(f"--timeout={seconds} ping")


def test_missing_arguments_are_named():
    assert complaint("insert x") == "missing <host>, <port>"


def test_arguments_that_may_be_absent_are_not_named_missing():
    assert complaint("call x") == "missing <event>"


def test_too_many_words_are_refused():
    assert complaint("get a b") == "too many words: b"


def test_a_wrong_command_line_shows_how_it_is_used():
    with pytest.raises(UsageError) as caught:
        parse(["get"])
    assert caught.value.hint == "usage: cluster-cli get <id>"


def test_an_unknown_command_shows_the_nearest_and_all():
    with pytest.raises(UsageError) as caught:
        parse(["inser", "x", "h", "1"])
    assert str(caught.value) == "unknown command 'inser'; did you mean insert?"
    assert caught.value.hint.startswith("commands: inspect nodes ping")


def test_an_option_of_a_command_does_not_stand_before_it():
    assert complaint("-f leave") == "option -f comes after its command"


def test_an_invalid_name_is_refused():
    assert "node id 'b@r' is not valid" in complaint("get b@r")


def test_brackets_around_an_ipv6_host_are_taken_off():
    assert values("meet bar [::1] 7023")["host"] == "::1"


def test_json_arguments_are_read():
    found = parse(["call", "c@bar", "add", "5", "-3", '{"a": [1]}', '"5"', "null"])
    assert found.values["args"] == [5, -3, {"a": [1]}, "5", None]


@pytest.mark.parametrize("word", ["hello", "NaN", "-Infinity", "a:b", "1x"])
def test_a_word_that_is_no_json_stands_for_itself(word):
    assert parse(["call", "c", "e", "--", word]).values["args"] == [word]


@pytest.mark.parametrize("word", ['{"a": ', "[1, 2", '"open', "[" * 100_000])
def test_broken_json_is_refused(word):
    with pytest.raises(UsageError, match="is not JSON"):
        parse(["call", "c", "e", word])


def test_after_two_dashes_an_argument_may_begin_with_one():
    found = parse(["call", "c", "e", "--", "-p", "--json"])
    assert found.values["args"] == ["-p", "--json"]
    assert found.options["json"] is False


def test_a_count_begins_at_one():
    assert values("find key 3")["n"] == 3
    assert complaint("find key 0") == "n: '0' is not a whole number from 1"
    assert complaint("update a b 1 0") == "weight: '0' is not a whole number from 1"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--port abc nodes", "--port: 'abc' is not a number from 1 to 65535"),
        ("-p abc nodes", "--port: 'abc' is not a number from 1 to 65535"),
        ("-I b@d nodes", "--instance: 'b@d' is not valid: use "),
        ("run foo --pfactor x", "--pfactor: 'x' is not a whole number from 0"),
        ("run foo --meet x", "--meet: 'x' is not id@host:port"),
    ],
)
def test_a_bad_value_is_told_with_its_option(line, told):
    assert complaint(line).startswith(told)


@pytest.mark.parametrize("line", ["--foo nodes", "-f leave", "-p abc"])
def test_what_is_wrong_before_a_command_points_to_help(line):
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert caught.value.hint.endswith("see cluster-cli --help")


@pytest.mark.parametrize(
    "line", ["--port abc nodes", "nodes --timeout 0", "nodes --foo", "find x --port"]
)
def test_what_is_wrong_with_an_option_of_all_commands_points_to_help(line):
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    first, *_, last = caught.value.hint.splitlines()
    assert first.startswith("usage: cluster-cli ")
    assert last == "see cluster-cli --help"


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("meet bar@127.0.0.1:7023", "meet bar 127.0.0.1 7023"),
        ("meet bar 127.0.0.1:7023", "meet bar 127.0.0.1 7023"),
        ("insert bar [::1]:7023", "insert bar ::1 7023"),
        ("remove bar@example.org:7023", "remove bar example.org 7023"),
    ],
)
def test_an_address_in_one_word_is_told_to_be_several(line, meant):
    assert complaint(line).startswith("missing ")
    assert complaint(line).endswith(
        f"; an id, a host and a port are words of their own: {meant}"
    )


def test_an_ipv6_host_without_a_port_is_one_word():
    assert complaint("meet bar ::1") == "missing <port>"


def test_a_long_usage_is_on_several_lines():
    with pytest.raises(UsageError) as caught:
        parse(["run", "--port", "x"])
    lines = caught.value.hint.splitlines()
    assert lines[0].startswith("usage: cluster-cli run [--config <path>]")
    assert len(lines) > 3
    assert all(line.startswith("       [") for line in lines[1:-1])


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("clear", ""),  # not: leave
        ("leav", "; did you mean leave?"),
        ("laeve", "; did you mean leave?"),
        ("reomve", "; did you mean remove?"),
        ("nodse", "; did you mean nodes?"),
        ("quit", "; did you mean exit?"),
        ("?", "; did you mean help?"),
    ],
)
def test_what_changes_the_cluster_is_no_guess(word, hint):
    with pytest.raises(UsageError) as caught:
        parse_line([word])
    assert str(caught.value) == f"unknown command {word!r}{hint}"


def test_the_prompt_says_where_options_of_a_connection_go():
    with pytest.raises(UsageError, match="leave the prompt and type cluster-cli -p"):
        parse_line(["-p", "7023", "nodes"])
    with pytest.raises(UsageError, match=r"^a command comes first, not --json$"):
        parse_line(["--json", "nodes"])


def test_no_neighbours_at_all_is_a_choice():
    assert values("run foo --pfactor 0")["pfactor"] == 0


def test_run_takes_several_actors_and_seeds():
    found = values("run foo --actor a=m:A --actor b=m:B --meet x@h:1 --meet y@h:2")
    assert found["actors"] == ["a=m:A", "b=m:B"]
    assert found["seeds"] == ["x@h:1", "y@h:2"]


def test_a_seed_without_a_port_is_refused():
    assert "host:port" in complaint("run foo --meet bar@h")


def test_run_takes_no_option_of_a_connection_it_does_not_make():
    assert complaint("run foo -I foo") == "unknown option -I foo"


def test_a_cookie_is_made_new_or_rotated():
    assert values("cookie new") == {"action": "new"}
    assert complaint("cookie old").startswith("expected new or rotate, not 'old'")


def test_a_rotation_is_told_which_node_it_speaks_to():
    request = parse(
        ["-p", "7023", "cookie", "rotate", "here", "--all", "--timeout", "2"]
    )
    assert request.values == {"action": "rotate", "path": "here", "all": True}
    assert (request.options["node_port"], request.options["timeout"]) == (7023, 2)


@pytest.mark.parametrize(
    "line", ["-h", "--help", "--json -h", "insert --help", "-h ping"]
)
def test_help_needs_no_arguments(line):
    assert parse(line.split()).page == "help"


def test_no_words_are_a_prompt():
    request = parse(["-p", "9000"])
    assert (request.command, request.options["node_port"]) == (None, 9000)


@pytest.mark.parametrize("line", ["--version", "-p 1 --version", "--version ping"])
def test_the_version_is_a_page(line):
    assert parse(line.split()).page == "version"


def test_an_option_without_its_value_is_refused():
    assert complaint("-p") == "--port needs a value"
    assert complaint("find x --timeout") == "--timeout needs a value"


@pytest.mark.parametrize("name", ["run", "cookie"])
def test_the_prompt_refuses_what_is_for_the_shell(name):
    with pytest.raises(UsageError, match="is for the shell"):
        parse_line([name, "new"])


def test_the_prompt_does_not_offer_what_is_for_the_shell():
    with pytest.raises(UsageError) as caught:
        parse_line(["runn"])
    assert "run" not in caught.value.hint.split()


def test_the_prompt_takes_no_connection_options():
    with pytest.raises(UsageError, match="unknown option -p"):
        parse_line(["ping", "-p", "1"])


def test_the_prompt_takes_json_and_a_timeout_for_one_command():
    found = parse_line(["ping", "--json", "--timeout", "2"]).options
    assert found == {"json": True, "timeout": 2.0}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("a b@c", "actor name 'a b' is not valid"),
        ("a@b d", "node id 'b d' is not valid"),
        ("a@127.0.0.1:7023", "'a@127.0.0.1:7023' names no node"),
        ("a@b@h", "'h' is not host:port"),
    ],
)
def test_a_target_is_read_before_it_is_sent(target, told):
    with pytest.raises(UsageError) as caught:
        parse(["call", target, "e"])
    assert str(caught.value).startswith(told)
