"""Settings from file, environment and arguments, and what is said of mistakes."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from clusterkit import Config, GenServer, create_cluster, load_settings
from clusterkit.errors import ConfigError
from tests.certificates import files
from tests.unit.nodes import platform_on, virtual


class Mine(GenServer):
    """An actor that settings can name."""


@pytest.fixture
def file(tmp_path):
    """Write `c.toml`; return its path."""

    def write(text):
        path = tmp_path / "c.toml"
        path.write_text(text)
        return path

    return write


def complaints(path=None, environ=None, **arguments):
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ or {}, **arguments)
    return str(caught.value).splitlines()


def test_without_anything_there_are_the_defaults():
    settings = load_settings(environ={}, name="foo")
    assert settings["port"] == 7022
    assert settings["config.call_timeout"] == 5.0
    assert settings.options == {"name": "foo"}
    assert settings.file is None


def test_the_later_is_stronger(file):
    path = file('name = "a"\nport = 1\nhost = "h1"\nring = "r1"\n')
    environ = {"CLUSTERKIT_PORT": "2", "CLUSTERKIT_HOST": "h2"}
    settings = load_settings(path, environ, host="h3")
    said = {s.name: (s.value, s.source) for s in settings if s.source != "default"}
    assert said == {
        "name": ("a", "file"),
        "host": ("h3", "argument"),
        "port": (2, "variable"),
        "ring": ("r1", "file"),
    }


def test_a_setting_knows_where_it_comes_from(file):
    path = file('name = "a"\n[config]\n\ncall_timeout = 1\n')
    settings = load_settings(path, {"CLUSTERKIT_CONFIG_HELD_AFTER": "2"}, port=3)
    origins = {s.name: s.origin for s in settings if s.origin != "default"}
    assert origins == {
        "name": f"{path}:1",
        "port": "port=",
        "config.call_timeout": f"{path}:4",
        "config.held_after": "CLUSTERKIT_CONFIG_HELD_AFTER",
    }
    assert settings.setting("ring").origin == "default"


def test_the_variable_names_the_file_unless_another_is_given(file, tmp_path):
    environ = {"CLUSTERKIT_CONFIG": str(file('name = "of-variable"'))}
    assert load_settings(environ=environ)["name"] == "of-variable"
    other = tmp_path / "other.toml"
    other.write_text('name = "given"')
    assert load_settings(other, environ)["name"] == "given"


def test_no_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clusterkit.toml").write_text('name = "planted"')
    assert load_settings(environ={}, name="foo").file is None


def test_the_environment_is_that_of_the_process(monkeypatch):
    monkeypatch.setenv("CLUSTERKIT_NAME", "around")
    assert load_settings()["name"] == "around"


def test_knobs_come_together_from_everywhere(file):
    path = file("[config]\ncall_timeout = 1\nheld_after = 1\ngive_up_after = inf\n")
    environ = {"CLUSTERKIT_CONFIG_HELD_AFTER": "2", "CLUSTERKIT_NAME": "foo"}
    settings = load_settings(path, environ, config={"gossip_interval": 3})
    assert settings.options["config"] == Config(
        call_timeout=1, held_after=2, gossip_interval=3, give_up_after=inf
    )


def test_what_is_none_or_empty_is_not_given(file):
    environ = {"CLUSTERKIT_PORT": "", "CLUSTERKIT_NAME": "foo", "CLUSTERKIT_CONFIG": ""}
    settings = load_settings(environ=environ, port=None, ring=None, config=None)
    assert settings.options == {"name": "foo"}


def test_paths_of_a_file_are_relative_to_it(file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of-somebody")
    path = file('name = "a"\nstate = "s/x"\ncookie_file = "~/c"\n')
    settings = load_settings(
        path, {"CLUSTERKIT_TLS_CERT": "~/k"}, tls_key="k", tls_ca="c"
    )
    assert settings["state"] == str(tmp_path / "s" / "x")
    assert settings["cookie_file"] == "/home/of-somebody/c"
    assert settings["tls_cert"] == "/home/of-somebody/k"
    assert settings["tls_key"] == "k"


def test_a_home_folder_that_nobody_has_is_a_mistake_like_others(file):
    path = file('name = "a"\nstate = "~nobody-at-all/x"\n')
    environ = {"CLUSTERKIT_COOKIE_FILE": "~nobody-at-all/c"}
    lines = complaints(path, environ, tls_cert="~nobody-at-all/t")
    assert [line.split(": ")[0] for line in lines] == [
        f"{path}:2",
        "CLUSTERKIT_COOKIE_FILE",
        "tls_cert=",
    ]
    (line,) = complaints("~nobody-at-all/c.toml")
    assert line.startswith("cannot read ~nobody-at-all/c.toml: ")


# What is missing


def test_without_a_name_every_way_to_give_one_is_said():
    (line,) = complaints()
    for way in ("<id> to cluster-cli run", "name= to", "CLUSTERKIT_NAME", 'name = "…"'):
        assert way in line


def test_half_of_tls_is_told_with_every_way_to_give_the_rest():
    (line,) = complaints(name="foo", tls_cert="c", tls_ca="a")
    for way in ("--tls-key", "tls_key=", "CLUSTERKIT_TLS_KEY", 'tls_key = "…"'):
        assert way in line


def test_host_names_alone_are_no_tls():
    (line,) = complaints(name="foo", tls_hostnames=True)
    assert "tls_cert is missing" in line


# What is wrong


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prt = 1", "2: unknown key 'prt'; did you mean 'port'?"),
        ("xyzzy = 1", "2: unknown key 'xyzzy'"),
        ('seeds = ["a"]', "2: unknown key 'seeds'; did you mean 'meet'?"),
        ("[conf]", "2: unknown table 'conf'; did you mean 'config'?"),
        ("[config.x]", "2: unknown table 'x' in [config]"),
        ("config = 1", "2: unknown key 'config': it is a table, [config]"),
        (
            "[config]\ngosip_interval = 1",
            ": unknown key 'gosip_interval' in [config]; did you mean 'gossip_interval'?",
        ),
        ("gossip_interval = 1", "2: unknown key 'gossip_interval': it belongs under "),
        ("gosip_interval = 1", "did you mean 'gossip_interval' under [config]?"),
        ("[config]\nport = 1", "unknown key 'port' in [config]: it belongs at the top"),
        ('"config.call_timeout" = 1', "2: unknown key 'config.call_timeout'"),
        ('port = "x"', "2: port: it is a whole number, not 'x'"),
        ("[config]\ncall_timeout = 0", "3: call_timeout must be above 0, not 0"),
        ("port = 1979-05-27", "2: port: it is a whole number, not "),
        ("[[actors]]\na = 1", "2: actors: it is a table"),
        ("meet = 'a@b:1'", "2: meet: it is a list of texts, not 'a@b:1'"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line(file, text, told):
    path = file(f'name = "foo"\n{text}\n')
    (line,) = complaints(path)
    assert line.startswith(f"{path}:")
    assert told in line


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("PRT", "1", "; did you mean 'CLUSTERKIT_PORT'?"),
        ("XYZZY", "1", "unknown variable CLUSTERKIT_XYZZY"),
        ("ID", "foo", "; did you mean 'CLUSTERKIT_NAME'?"),
        ("GOSSIP_INTERVAL", "1", "; did you mean 'CLUSTERKIT_CONFIG_GOSSIP_INTERVAL'?"),
        ("CONFIG_GOSIP_INTERVAL", "1", "'CLUSTERKIT_CONFIG_GOSSIP_INTERVAL'?"),
        ("SEEDS", "bar@h:1", "; did you mean 'CLUSTERKIT_MEET'?"),
        ("PORT", "x", "CLUSTERKIT_PORT: it is a whole number, not 'x'"),
        ("CONFIG_HELD_AFTER", "-1", "CLUSTERKIT_CONFIG_HELD_AFTER: held_after must be"),
        ("CONFIG", "/no/such/file", "CLUSTERKIT_CONFIG: cannot read /no/such/file"),
    ],
)
def test_a_mistake_in_a_variable_is_told_with_its_name(name, text, told):
    (line,) = complaints(environ={f"CLUSTERKIT_{name}": text}, name="foo")
    assert told in line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prt": 1}, "unknown argument 'prt'; did you mean 'port'?"),
        ({"port": "1"}, "port=: it is a whole number, not '1'"),
        ({"config": Config()}, "config: it is a mapping of knobs, not Config("),
        ({"config": {"x": 1}}, "unknown argument 'config.x'"),
        ({"config": {"held_after": 0}}, "config.held_after=: held_after must be"),
    ],
)
def test_a_mistake_in_an_argument_is_told_with_its_name(arguments, told):
    (line,) = complaints(name="foo", **arguments)
    assert told in line


def test_all_mistakes_are_told_at_once_also_those_that_something_stronger_hides(file):
    path = file("port = 70000\nring = 1\n")
    environ = {"CLUSTERKIT_PORT": "x", "CLUSTERKIT_RFACTOR": "x", "CLUSTERKIT_Q": "1"}
    lines = complaints(path, environ, port=-1)
    assert [line.partition(": ")[0] for line in lines] == [
        f"{path}:1",
        f"{path}:2",
        "CLUSTERKIT_PORT",
        "unknown variable CLUSTERKIT_Q",
        "CLUSTERKIT_RFACTOR",
        "port=",
    ]


def test_knobs_that_contradict_each_other_are_told_with_their_origins(file):
    path = file('name = "foo"\n[config]\nping_after = 2\n')
    (line,) = complaints(path, {"CLUSTERKIT_CONFIG_DEAD_AFTER": "3"})
    assert "dead_after must be at least twice ping_after" in line
    assert f"config.ping_after = 2 ({path}:3)" in line
    assert "config.dead_after = 3 (CLUSTERKIT_CONFIG_DEAD_AFTER)" in line


@pytest.mark.parametrize(
    "url",
    ["http://me:monster@h/x", "ftp://me:monster@h", "monster@h/x", "//monster@h"],
)
def test_a_secret_in_a_url_is_refused_and_not_shown(file, url):
    path = file(f'name = "foo"\nmaster_list = "{url}"')
    (line,) = complaints(path)
    assert line.startswith(f"{path}:2: master_list: a URL is shown and logged")
    assert "CLUSTERKIT_MASTER_LIST_AUTH" in line
    assert "monster" not in line


@pytest.mark.parametrize("auth", ["Bearer é", "a\r\nx: y", "a\udcff"])
def test_what_cannot_be_a_header_is_refused_and_not_shown(auth):
    environ = {"CLUSTERKIT_MASTER_LIST_AUTH": auth}
    settings = load_settings(environ=environ, name="a", master_list="http://h/x")
    with pytest.raises(
        ConfigError, match="characters that no header may have"
    ) as caught:
        _ = settings.options
    assert auth not in str(caught.value)


def test_a_mark_that_some_editors_begin_with_is_no_part_of_a_secret(tmp_path):
    path = tmp_path / "operator"
    path.write_text("an operator's secret", encoding="utf-8-sig")
    path.chmod(0o600)
    settings = load_settings(environ={}, name="a", operator_secret_file=str(path))
    assert settings.operator_secret == b"an operator's secret"


def test_a_file_without_a_name_is_none_and_not_no_file():
    (line,) = complaints("", {}, name="foo")
    assert line.startswith("cannot read '': ")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("name", "NAME"),
        ("CALL_TIMEOUT", "CONFIG_CALL_TIMEOUT"),
        ("CONFIG_CALL_TIMOUT", "CONFIG_CALL_TIMEOUT"),
        ("CONFIG_PORT", "PORT"),
    ],
)
def test_a_near_miss_is_told_whatever_it_begins_with_and_however_it_is_written(
    variable, meant
):
    (line,) = complaints(None, {f"CLUSTERKIT_{variable}": "1"}, name="foo")
    assert line.endswith(f"did you mean 'CLUSTERKIT_{meant}'?")


@pytest.mark.parametrize("variable", ["CONFIG_", "", "CONFIG_QQQQQQ"])
def test_what_has_nothing_in_common_is_no_near_miss(variable):
    (line,) = complaints(None, {f"CLUSTERKIT_{variable}": "1"}, name="foo")
    assert "did you mean" not in line


def test_what_is_very_long_is_not_shown_whole(file):
    path = file(f"{'k' * 5000} = 1\nname = '{'n' * 5000}'\nhost = '{'h' * 5000}'")
    environ = {f"CLUSTERKIT_{'V' * 5000}": "1"}
    assert all(len(line) < 500 for line in complaints(path, environ, **{"a" * 5000: 1}))


# What is no setting


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CLUSTERKIT_SEEDS", "200"),
        ("CLUSTERKIT_SCHEDULES", "10000"),
        ("CLUSTERKIT_CHAOS", "1"),
        ("CLUSTERKIT_FUZZ", "1"),
        ("CLUSTERKIT_YARDSTICKS", "/folder"),
        ("CLUSTERKIT_COOKIE", "monster"),
        ("clusterkit_port", "x"),
        ("OTHER_CLUSTERKIT_PORT", "x"),
        # Kubernetes, for Services that are called `clusterkit` and `clusterkit-web`.
        ("CLUSTERKIT_PORT", "tcp://10.0.0.1:7022"),
        ("CLUSTERKIT_PORT_7022_TCP", "tcp://10.0.0.1:7022"),
        ("CLUSTERKIT_PORT_7022_TCP_ADDR", "10.0.0.1"),
        ("CLUSTERKIT_SERVICE_HOST", "10.0.0.1"),
        ("CLUSTERKIT_SERVICE_PORT", "7022"),
        ("CLUSTERKIT_SERVICE_PORT_HTTP", "7022"),
        ("CLUSTERKIT_WEB_PORT", "udp://10.0.0.1:80"),
        ("CLUSTERKIT_WEB_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_variables_with_another_purpose_are_passed_over(name, text):
    settings = load_settings(environ={name: text}, name="foo")
    assert [s.name for s in settings if s.source != "default"] == ["name"]


# The cookie


def test_a_cookie_in_a_file_is_refused_with_the_reason(file):
    (line,) = complaints(file('name = "foo"\ncookie = "monster"\n'))
    assert ":2: unknown key 'cookie': a cookie is no setting" in line
    assert "cookie_file" in line
    assert "monster" not in line


def test_the_cookie_comes_from_the_strongest():
    variable = {
        "CLUSTERKIT_COOKIE": "monster",
        "CLUSTERKIT_COOKIE_FILE": "/of-variable",
    }
    of_file = {"CLUSTERKIT_COOKIE_FILE": "/of-variable"}
    assert load_settings(environ=variable, name="a").cookie == b"monster"
    assert load_settings(environ=of_file, name="a").cookie == Path("/of-variable")
    given = load_settings(environ=variable, name="a", cookie_file="/given")
    assert given.cookie == Path("/given")
    assert load_settings(environ={}, name="a").cookie is None


def test_a_cookie_is_never_shown():
    settings = load_settings(environ={"CLUSTERKIT_COOKIE": "monster"}, name="a")
    assert "monster" not in repr(settings)
    assert all("monster" not in repr(setting) for setting in settings)


# What comes of it


def test_the_options_are_those_of_create_cluster(file):
    tls = files("foo")
    path = file(
        'name = "foo"\nhost = "h"\nport = 1\nadvertise = "a"\nring = "r"\n'
        'meet = ["b@h:2"]\ncookie_file = "/c"\nstate = "/s"\non_exit = "leave"\n'
        f'rfactor = 3\npfactor = 1\ntls_cert = "{tls.certificate}"\n'
        f'tls_key = "{tls.key}"\ntls_ca = "{tls.ca}"\n'
        f'[actors]\nmine = "{__name__}:Mine"\n[config]\ncall_timeout = 1\n'
    )
    options = load_settings(path, {}).options
    assert options.pop("actors")["mine"].__name__ == "Mine"
    assert options == {
        "name": "foo",
        "host": "h",
        "port": 1,
        "advertise": "a",
        "ring": "r",
        "seeds": ("b@h:2",),
        "cookie": Path("/c"),
        "state": "/s",
        "on_exit": "leave",
        "rfactor": 3,
        "pfactor": 1,
        "tls": tls,
        "config": Config(call_timeout=1),
    }


@pytest.mark.parametrize("place", ["no_such_module_at_all:X", "math:NoSuchClass"])
def test_an_actor_s_class_that_is_not_there_is_told_with_its_line(file, place):
    path = file(f'name = "foo"\n[actors]\nmine = "{place}"\n')
    settings = load_settings(path, {})
    with pytest.raises(ConfigError, match=r"c\.toml:2: actor mine"):
        _ = settings.options


@virtual
async def test_a_node_runs_by_its_settings():
    from random import Random

    from clusterkit.testing import MemoryNetwork

    environ = {"CLUSTERKIT_COOKIE": "monster", "CLUSTERKIT_NAME": "a"}
    settings = load_settings(
        environ=environ, host="a", ring="blue", config={"call_timeout": 1}
    )
    platform = platform_on(MemoryNetwork(Random(0)), "a")
    async with create_cluster(**settings.options, platform=platform) as node:
        assert (node.name, node.gossip.name) == ("a", "blue")
