"""The rows: every option and knob has one, and a value of each kind is checked."""

from __future__ import annotations

import inspect
from dataclasses import fields
from math import inf

import pytest

from clusterkit import Config, create_cluster
from clusterkit.cli.local_commands import RUN_OPTIONS
from clusterkit.errors import ConfigError
from clusterkit.settings.table import ROWS, VARIABLES

# Options of `create_cluster` that are called otherwise, or that no text could say.
OTHERWISE = {"seeds": "meet", "cookie": "cookie_file", "tls": "tls_cert"}
NO_SETTING = {"platform", "config"}

NO_FLAGS = {"--config", "--key"}
"""Options of `run` that are no settings: where they are, and a secret."""


def test_every_option_of_create_cluster_is_a_setting():
    options = set(inspect.signature(create_cluster).parameters) - NO_SETTING
    assert {OTHERWISE.get(name, name) for name in options} <= set(ROWS)


def test_every_option_of_run_is_a_setting_and_the_other_way_round():
    flags = {flag for option in RUN_OPTIONS for flag in option.flags}
    assert {row.flag for row in ROWS.values() if row.flag} - {"<id>"} <= flags
    for option in RUN_OPTIONS:
        known = {row.flag for row in ROWS.values()} | NO_FLAGS
        assert known.intersection(option.flags), option.flags


def test_every_knob_is_a_setting_with_its_default():
    for field in fields(Config):
        assert ROWS[f"config.{field.name}"].default == field.default


def test_defaults_are_those_of_create_cluster():
    for name, parameter in inspect.signature(create_cluster).parameters.items():
        row = ROWS.get(name)
        if row is not None and parameter.default is not parameter.empty:
            assert (row.default or None) == (parameter.default or None), name


def test_no_two_settings_have_one_variable():
    assert len(VARIABLES) == len(ROWS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "7023", 7023),
        ("port", "0", 0),
        ("tls_hostnames", "true", True),
        ("tls_hostnames", "True", True),
        ("tls_hostnames", "TRUE", True),
        ("tls_hostnames", "fAlse", False),
        ("meet", "a@b:1", ("a@b:1",)),
        ("meet", " a@b:1 , c@[::1]:2,", ("a@b:1", "c@[::1]:2")),
        ("actors", "c=m.n:C.D,d=m:E", {"c": "m.n:C.D", "d": "m:E"}),
        ("on_exit", "leave", "leave"),
        ("advertise", "[::1]:7", "[::1]:7"),
        ("config.call_timeout", "0.25", 0.25),
        ("config.call_timeout", "3", 3),
        ("config.call_timeout", "25e-2", 0.25),
        ("config.call_timeout", "+.5", 0.5),
        ("srv", "_c._tcp.example.org", ("_c._tcp.example.org",)),
        ("master_list", "HTTPS://[::1]:8443/a?b#c", "HTTPS://[::1]:8443/a?b#c"),
        ("master_list", "http://bücher.example", "http://bücher.example"),
        ("config.give_up_after", "inf", inf),
        ("config.max_message", "65536", 65536),
        ("config.outbox_policy", "raise", "raise"),
    ],
)
def test_the_text_of_a_variable_is_read(name, text, value):
    row = ROWS[name]
    read = row.read(row.kind.from_text(text))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("name", "a b", "node name"),
        ("port", "x", "a whole number, not 'x'"),
        ("port", "1.5", "a whole number, not '1.5'"),
        ("port", "70000", "70000"),
        ("port", "\u0663", "a whole number"),
        ("port", "9" * 5000, "a whole number"),
        ("host", "a b", "host"),
        ("meet", "bar", "not id@host:port"),
        ("advertise", "a:b:c", "host:port"),
        ("actors", "x", "not name=module:Class"),
        ("actors", "x=y", "not name=module:Class"),
        ("actors", "_x=m:C", "actor name"),
        ("actors", "x=m:C,x=m:D", "one name"),
        ("on_exit", "go", "stay or leave, not 'go'"),
        ("srv", "a.example,a b", "host 'a b'"),
        ("master_list", "ftp://h/x", "no http or https URL"),
        ("master_list", "http:///x", "no http or https URL"),
        ("master_list", "http://[::1", "no http or https URL"),
        ("master_list", "http://h/a b", "no http or https URL"),
        ("master_list", "http://h\udcff/", "no http or https URL"),
        ("master_list", "http://h:99999/x", "port 99999"),
        ("tls_hostnames", "yes", "true or false, not 'yes'"),
        ("tls_hostnames", "1", "true or false, not '1'"),
        ("rfactor", "0", "rfactor"),
        ("rfactor", "100000000", "rfactor"),
        ("pfactor", "-1", "pfactor"),
        ("config.call_timeout", "soon", "a number, not 'soon'"),
        ("config.call_timeout", "1_0.5", "a number, not '1_0.5'"),
        ("config.call_timeout", " 2.5", "a number, not ' 2.5'"),
        ("config.call_timeout", ".", "a number, not '.'"),
        ("config.call_timeout", "nan", "above 0"),
        ("config.call_timeout", "0", "above 0"),
        ("config.max_message", "1", "max_message is"),
        ("config.max_message", "1e6", "a whole number"),
        ("config.outbox_policy", "wat", "no outbox_policy is called 'wat'"),
        ("config.phi_threshold", "1000", "phi_threshold is"),
    ],
)
def test_an_impossible_text_is_refused(name, text, told):
    row = ROWS[name]
    with pytest.raises(ConfigError) as caught:
        row.read(row.kind.from_text(text))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", True),
        ("port", "7022"),
        ("port", 7022.0),
        ("name", 7),
        ("name", ""),
        ("state", ""),
        ("state", "a\0b"),
        ("meet", "a@b:1"),
        ("meet", [1]),
        ("meet", {}),
        ("actors", {"a": 1}),
        ("actors", 1),
        ("tls_hostnames", "true"),
        ("tls_hostnames", 1),
        ("config.call_timeout", True),
        ("config.call_timeout", "5"),
        ("config.detector", 5),
        ("config.detector", {}),
    ],
)
def test_a_value_of_another_kind_is_refused(name, value):
    with pytest.raises(ConfigError):
        ROWS[name].read(value)
