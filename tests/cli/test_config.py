"""A node that is run by a file and variables; and `config`, which shows what counts."""

from __future__ import annotations

import signal

import pytest
import trio

from clusterkit.events import MemberUp

FILE = """\
name = "foo"
port = 0
ring = "of-file"
[config]
gossip_interval = 0.5
[actors]
mine = "actors_of_the_config_test:Mine"
"""


@pytest.fixture(autouse=True)
def folder(home, monkeypatch):
    """A folder of the test's own, with a file that is not called as usual."""
    monkeypatch.chdir(home)
    monkeypatch.delenv("CLUSTERKIT_COOKIE")
    (home / "node.toml").write_text(FILE)
    (home / "actors_of_the_config_test.py").write_text(
        "from clusterkit import GenServer\nclass Mine(GenServer): pass\n"
    )
    return home


@pytest.fixture
def show(cli):
    """Return what `config show` tells, as `{name: (value, origin)}`."""

    async def run(*words):
        ran = await cli("config", "show", *words)
        assert ran.status == 0, ran
        return {row["name"]: (row["value"], row["origin"]) for row in ran.data}

    return run


async def test_defaults_are_shown(show, home):
    shown = await show("foo")
    assert shown["name"] == ("foo", "<id>")
    assert shown["port"] == (7022, "default")
    assert shown["config.call_timeout"] == (5.0, "default")
    assert shown["config.give_up_after"] == ("inf", "default")
    state = home / "state" / "clusterkit" / "ring" / "foo.state"
    assert shown["state"] == (str(state), "default")
    assert not state.parent.exists()


async def test_each_is_shown_with_what_says_it(show, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_CONFIG_HELD_AFTER", "2")
    shown = await show("--config", "node.toml", "--ring", "of-option")
    assert shown["name"] == ("foo", "node.toml:1")
    assert shown["ring"] == ("of-option", "--ring")
    assert shown["config.gossip_interval"] == (0.5, "node.toml:5")
    assert shown["config.held_after"] == (2, "CLUSTERKIT_CONFIG_HELD_AFTER")
    assert shown["actors"][0] == {"mine": "actors_of_the_config_test:Mine"}


async def test_the_variable_names_the_file(show, monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_CONFIG", "node.toml")
    assert (await show())["ring"] == ("of-file", "node.toml:3")


async def test_origins_are_in_the_table_if_they_are_asked_for(cli):
    words = ("config", "show", "foo", "--config", "node.toml")
    plain = await cli(*words, terminal=True)
    with_origin = await cli(*words, "--origin", terminal=True)
    assert "node.toml:3" not in plain.out
    assert "node.toml:3" in with_origin.out
    assert "of-file" in plain.out


@pytest.mark.parametrize(
    ("variables", "words", "origin"),
    [
        ({"CLUSTERKIT_COOKIE": "monster"}, (), "CLUSTERKIT_COOKIE"),
        ({"CLUSTERKIT_COOKIE_FILE": "kept"}, (), "kept"),
        ({}, ("--cookie-file", "kept"), "kept"),
        ({"CLUSTERKIT_COOKIE": "x"}, ("--cookie-file", "kept"), "kept"),
        ({}, ("-a", "monster"), "-a"),
    ],
    ids=["variable", "named", "option", "stronger", "key"],
)
@pytest.mark.parametrize("terminal", [False, True])
async def test_a_cookie_is_not_shown(
    cli, folder, monkeypatch, variables, words, origin, terminal
):
    (folder / "kept").write_text("monster")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ran = await cli("config", "show", "--origin", *words, terminal=terminal)
    assert "monster" not in ran.out + ran.err
    assert "(not shown)" in ran.out
    if not terminal:
        (row,) = [row for row in ran.data if row["name"] == "cookie"]
        assert row == {"name": "cookie", "value": "(not shown)", "origin": origin}


async def test_without_a_cookie_none_is_shown(show):
    assert (await show())["cookie"] == (None, "~/.clusterkit.cookie")


async def test_a_file_is_checked(cli, folder):
    ran = await cli("config", "check", "node.toml")
    assert (ran.status, ran.data) == (0, None)
    (folder / "node.toml").write_text("prt = 1\nport = 'x'\n")
    ran = await cli("config", "check", "node.toml")
    assert (ran.status, ran.code) == (2, "config")
    assert "node.toml:1: unknown key 'prt'; did you mean 'port'?" in ran.err
    assert "node.toml:2: port: it is a whole number, not 'x'" in ran.err


async def test_what_is_checked_has_to_be_named(cli):
    ran = await cli("config", "check")
    assert (ran.status, ran.code) == (2, "usage")
    for words in (("check", ""), ("show", "foo", "--config", "")):
        ran = await cli("config", *words)
        assert (ran.status, ran.code) == (2, "config")


async def test_no_name_at_all_is_told_with_every_way_to_give_one(cli):
    ran = await cli("run")
    assert (ran.status, ran.code) == (2, "config")
    for way in ("<id>", "CLUSTERKIT_NAME", 'name = "…"'):
        assert way in ran.err


async def test_a_file_that_is_here_but_not_named_is_not_read_and_said(cli, folder):
    (folder / "clusterkit.toml").write_text("this is no file of settings")
    ran = await cli("config", "show", "foo")
    assert ran.status == 0
    assert "clusterkit.toml is here, and not read: --config clusterkit.toml" in ran.err


async def test_no_cookie_is_told_with_every_way_to_give_one(cli):
    ran = await cli("run", "foo", "--port", 0)
    assert (ran.status, ran.code) == (2, "config")
    for way in ("--cookie-file", "CLUSTERKIT_COOKIE", "CLUSTERKIT_COOKIE_FILE"):
        assert way in ran.err
    assert "cookie_file" in ran.err


async def test_a_node_runs_by_its_file(process, cli, folder, monkeypatch):
    cookie = folder / "cookie"
    cookie.write_text("monster\n")
    cookie.chmod(0o600)
    with (folder / "node.toml").open("r+") as file:
        file.write(f'cookie_file = "cookie"\n{FILE}')
    monkeypatch.setenv("CLUSTERKIT_RING", "of-variable")
    with process("run", "--config", "node.toml") as foo:
        assert foo.read_line().startswith("ready foo@127.0.0.1:")
        assert foo.line.endswith(" ring=of-variable")
        words = ("-p", foo.port, "--cookie-file", "cookie", "actors")
        actors = (await cli(*words)).data
        assert "mine" in [actor["name"] for actor in actors]
        foo.signal(signal.SIGTERM)
        ran = foo.wait()
    assert (ran.status, ran.out) == (0, "stopped foo\n")


async def test_a_node_leaves_at_its_end_if_its_settings_say_so(process, start_node):
    async with start_node("bar") as bar, bar.events(MemberUp) as events:
        words = ("--meet", bar.address, "-a", "monster", "--on-exit", "leave")
        with trio.fail_after(30), process("run", "foo", "--port", 0, *words) as foo:
            assert await anext(events) == MemberUp("foo")  # each knows the other
            foo.signal(signal.SIGTERM)
            ran = await trio.to_thread.run_sync(foo.wait)
        assert ran.status == 0
        assert not bar.ring.is_defined("foo")
