"""Whatever a source cannot work with is a `ConfigError`, when the source is made."""

from __future__ import annotations

from math import inf, nan

import pytest

from clusterkit.discovery import Beacons, Dns, DnsSrv, MasterList, SeedFile
from clusterkit.errors import ConfigError

SOURCES = {
    "beacons": Beacons,
    "dns": lambda **options: Dns("nodes", **options),
    "srv": lambda **options: DnsSrv("_a._tcp.nodes", **options),
    "list": lambda **options: MasterList("http://h/x", **options),
    "file": lambda **options: SeedFile("/x", **options),
}
NUMBERS = [0, -1, nan, -inf, "1", None, [1]]
HOSTS = ["", "a b", "a\0b", 5, None, b"nodes", "x" * 300]
NO_ADDRESSES = ["", "eth0", "::1", 5, b"10.0.0.1", "10.0.0.1/24", "256.1.1.1"]


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
@pytest.mark.parametrize("source", ["beacons", "dns", "list", "file"])
def test_an_interval_is_a_number_of_seconds(source, value):
    with pytest.raises(ConfigError):
        SOURCES[source](interval=value)


@pytest.mark.parametrize("value", [*NUMBERS, inf], ids=repr)
@pytest.mark.parametrize("option", ["interval", "window"])
def test_of_beacons_it_is_finite(option, value):
    with pytest.raises(ConfigError):
        Beacons(**{option: value})


@pytest.mark.parametrize("source", ["dns", "list", "file"])
def test_a_source_may_look_once(source):
    SOURCES[source](interval=inf)


@pytest.mark.parametrize("value", [0, -1, 65536, "7022", None, True, 7022.0], ids=repr)
@pytest.mark.parametrize("source", ["beacons", "dns"])
def test_a_port_is_a_port(source, value):
    with pytest.raises(ConfigError):
        SOURCES[source](port=value)


@pytest.mark.parametrize("value", NO_ADDRESSES, ids=repr)
@pytest.mark.parametrize("option", ["group", "broadcast", "interface"])
def test_where_beacons_go_is_an_address(option, value):
    with pytest.raises(ConfigError):
        Beacons(**{option: value})


@pytest.mark.parametrize("value", HOSTS, ids=repr)
@pytest.mark.parametrize("source", [Dns, DnsSrv])
def test_a_name_is_one(source, value):
    with pytest.raises(ConfigError):
        source(value)


@pytest.mark.parametrize("value", [5, None, b"\0", "/a\0b", "~nobody-of-that-name/x"])
def test_a_path_is_one(value):
    with pytest.raises(ConfigError):
        SeedFile(value)


@pytest.mark.parametrize(
    "value",
    ["10.0.0.0/8", [5], ["10.0.0.1/8"], ["a b"], [""], 5, [None], ["10.0.0.0/33"]],
)
@pytest.mark.parametrize("source", ["dns", "srv", "list", "file"])
def test_what_is_allowed_is_a_list_of_networks_and_names(source, value):
    with pytest.raises(ConfigError):
        SOURCES[source](allow=value)
