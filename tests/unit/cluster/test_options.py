"""Options of `create_cluster` that cannot be: each is named, and nothing is bound."""

from __future__ import annotations

from functools import partial

import pytest

from clusterkit import GenServer, create_cluster
from clusterkit.cluster.platform import Platform
from clusterkit.config import Config
from clusterkit.discovery import SeedFile
from clusterkit.errors import ConfigError, NameTaken
from clusterkit.names import Address
from clusterkit.net.tcp import TcpTransport, is_unspecified

WRONG = {
    "name": [("a b", "node name"), (None, "node name")],
    "host": [("", "host ''"), (5, "host 5"), ("*", "wildcard|host")],
    "discover": [("lan", "discover"), ([5], "discover"), (SeedFile, "discover")],
    "port": [(-1, "port"), ("7022", "port"), (70_000, "port")],
    "cookie": [
        ("", "empty"),
        (5, "text or bytes"),
        ([5], "type int"),
        ([], "empty"),
        (["good", None], "type NoneType"),
    ],
    "ring": [("", "ring name"), ("b d", "ring name"), (None, "ring name")],
    "actors": [
        ({"a": 5}, "'a' is a GenServer class"),
        ({"_a": GenServer}, "actor name"),
        ({5: GenServer}, "actor name"),
        ([GenServer], "maps names"),
    ],
    "seeds": [
        ("foo@127.0.0.1:7022", "list"),
        (5, "list"),
        ([5], "name@host:port"),
        (["foo"], "foo"),
    ],
    "state": [(5, "path"), ("", "path"), ("a\0b", "path"), (b"a", "path")],
    "advertise": [
        (5, "advertise"),
        ("", "host"),
        ("h:0", "port 0"),  # leave the port out to tell the bound one
        ("0.0.0.0", "peers cannot dial"),
        ("0", "peers cannot dial"),
        ("[::0]:7022", "peers cannot dial"),
    ],
    "on_exit": [("leaves", "on_exit"), (True, "on_exit"), ([], "on_exit")],
    "rfactor": [(n, "rfactor") for n in (0, -1, 1.5, True, 10**6)],
    "pfactor": [(n, "pfactor") for n in (-1, "2", True)],
    "config": [({}, "Config"), (5, "Config")],
}


class Unbindable(TcpTransport):
    async def listen(self, address):
        raise AssertionError("it was bound")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [(o, value, said) for o, cases in WRONG.items() for value, said in cases],
    ids=lambda value: repr(value)[:30],
)
async def test_an_impossible_option_is_a_config_error_before_anything(
    option, value, said
):
    options = {"name": "a", "host": "127.0.0.1", "port": 0, "cookie": "monster"}
    options |= {"platform": Platform(transport=Unbindable()), option: value}
    with pytest.raises(ConfigError, match=said):
        async with create_cluster(**options):
            pass


@pytest.mark.parametrize("name", ["command", "ring"])
async def test_the_nodes_own_names_are_taken(name):
    with pytest.raises(NameTaken, match="own"):
        async with create_cluster("a", cookie="monster", actors={name: GenServer}):
            pass


UNSPECIFIED = ["0.0.0.0", "0", "0x0", "0.0", "::", "::0", "0:0::0", "::ffff:0.0.0.0"]


@pytest.mark.parametrize("host", UNSPECIFIED)
async def test_a_wildcard_needs_an_address_to_tell_peers_however_it_is_spelled(host):
    assert is_unspecified(host)
    with pytest.raises(ConfigError, match=f"peers cannot dial {host}: .* advertise= "):
        async with create_cluster("a", host, 0, cookie="monster"):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0", "0.example", "h"])
def test_an_address_of_one_interface_is_specified(host):
    assert not is_unspecified(host)


class Everywhere(TcpTransport):
    """A machine whose name resolves to all of its addresses."""

    listeners: list = []

    async def listen(self, address):
        listener = await super().listen(Address("127.0.0.1", 0))
        listener.address = listener.address._replace(host="0.0.0.0")
        self.listeners.append(listener)
        return listener


async def test_a_name_that_stands_for_all_addresses_is_refused_when_bound():
    platform = Platform(transport=Everywhere())
    with pytest.raises(ConfigError, match="wildcard"):
        async with create_cluster("a", "all", 0, cookie="monster", platform=platform):
            pass
    (listener,) = Everywhere.listeners
    assert listener._sock.fileno() < 0  # closed


async def test_what_is_possible_is_taken(tmp_path):
    async with create_cluster(
        "a",
        port=0,
        cookie=["new", b"old"],
        actors={"one": GenServer, "two": partial(GenServer), "three": GenServer()},
        seeds=iter(()),
        state=tmp_path / "a.state",
        advertise="localhost",
        on_exit="leave",
        pfactor=0,
        config=Config(),
    ) as node:
        assert node.address == f"a@localhost:{node.port}"


def test_a_plan_shows_no_cookie():
    from clusterkit.cluster.assembly import Plan
    from clusterkit.cluster.cookies import Found

    assert Plan.__dataclass_fields__["secrets"].type == "Found"
    assert "secret" not in repr(Found([b"secret"]))
