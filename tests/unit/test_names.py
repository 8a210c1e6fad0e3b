"""Addresses as people write them."""

from __future__ import annotations

import pytest

from clusterkit.errors import ConfigError
from clusterkit.names import Address, NodeInfo


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("h:1", ("h", 1)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[::1]:7022", ("::1", 7022)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
    ],
)
def test_an_address_is_read_and_written_again(text, address):
    assert Address.parse(text) == address
    assert str(Address.parse(text)) == text
    assert NodeInfo.parse(f"foo@{text}") == NodeInfo("foo", *address)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("h", "h", 7),
        ("h:", "h", 7),
        ("h:1", "h", 1),
        ("[::1]", "::1", 7),
        ("[::1]:1", "::1", 1),
        ("::1", "::1", 7),
        ("::", "::", 7),
        ("fe80::1:7022", "fe80::1:7022", 7),
    ],
)
def test_the_port_may_be_left_out_where_there_is_a_default(text, host, port):
    assert Address.parse(text, default_port=7) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":1",
        "::1",
        "::1:7022",
        "h",
        "h:",
        "h:x",
        "h:-1",
        "h:0",
        "h:65536",
        "h:²",
        "[::1",
        "[::1]",
        "::1]:1",
        "[::1:1",
        "[[::1]]:1",
        "[]:1",
        "[::1]1",
        "h]:1",
        "[h:1",
        "h h:1",
        "a:b:1",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError):
        Address.parse(text)


@pytest.mark.parametrize(
    "text", ["", ":", ":1", "[::1", "::1]", "[]", "h:0", "[::1]1", "a:b:1", ":::::"]
)
def test_a_default_port_excuses_nothing_else(text):
    with pytest.raises(ConfigError):
        Address.parse(text, default_port=7)


def test_an_ipv6_host_without_brackets_is_told_of_them():
    with pytest.raises(ConfigError, match=r"\[::1\]"):
        Address.parse("::1:7022")
