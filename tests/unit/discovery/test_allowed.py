"""Which hosts of a list are dialled."""

from __future__ import annotations

import pytest

from clusterkit.discovery.allowed import Allowed
from clusterkit.errors import ConfigError


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "fe80::1%eth0", "foo.example"])
def test_without_entries_any_host_of_a_node_is_dialled(host):
    assert Allowed(()).admits(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "239.1.2.3", "255.255.255.255"])
def test_what_is_no_nodes_address_is_never_dialled(host):
    assert not Allowed(()).admits(host)
    assert not Allowed(["0.0.0.0/0", "::/0"]).admits(host)


def test_with_entries_only_those_are_dialled():
    allowed = Allowed(["10.0.0.0/8", "192.0.2.7", "Foo.example"])
    good = ["10.9.9.9", "192.0.2.7", "foo.example", "::ffff:10.1.1.1"]
    bad = [
        "11.0.0.1",
        "192.0.2.8",
        "bar.example",
        "localhost",
        "::1",
        "169.254.169.254",
    ]
    assert [allowed.admits(host) for host in good] == [True] * len(good)
    assert [allowed.admits(host) for host in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    "wrong", ["10.0.0.0/8", ["10.0.0.1/8"], ["no host"], [5], ["10.0.0.0/99"]], ids=str
)
def test_an_entry_that_is_none_is_a_config_error(wrong):
    with pytest.raises(ConfigError):
        Allowed(wrong)


@pytest.mark.parametrize(
    "host", ["10.0.0.1%.evil.example", "10.0.0.1%eth0", "10.0.0.1%", "::1%%", "::1%"]
)
def test_what_only_begins_as_an_address_is_a_name(host):
    # Or it would be judged as that address, and then looked up as a name.
    assert not Allowed(["10.0.0.0/8", "::/0"]).admits(host)


def test_an_address_with_a_zone_is_that_address():
    assert Allowed(["fe80::/10"]).admits("fe80::1%eth0")
    assert not Allowed(["fe80::/10"]).admits("::1%eth0")
    assert Allowed(["10.0.0.0/8"]).admits("::ffff:10.0.0.1%eth0")
