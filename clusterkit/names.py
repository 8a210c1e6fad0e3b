"""Names and addresses: parse, check, format.

A *node* is `NodeInfo(id, host, port)`, written `id@host:port`; a *target* is
an actor on a node, written `name`, `name@node` or `name@id@host:port`. IPv6
hosts stand in brackets. All maps key on the id.
"""

from __future__ import annotations

import re
import sys
from ipaddress import IPv6Address
from math import inf
from typing import Any, NamedTuple

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen

MAX_NAME = 128
"""Longest node, ring or actor name, in characters (all of them ASCII)."""

_LONGEST = sys.float_info.max
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}")
_HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,255}")
_URL = re.compile(
    r"https?://(\[[0-9A-Fa-f:.]+\]|[^][\s/?#@:\\]+)(:[0-9]{1,5})?([/?#]\S*)?",
    re.IGNORECASE,
)
_SECRET_IN_URL = re.compile(r"([a-z][a-z0-9+.-]*:)?(//)?[^/?#]*@", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]:]+))(?::(?P<port>[0-9]{0,5}))?"
)


def check_name(name: object, what: str = "name") -> str:
    """Return `name` if it is a valid node, ring or actor name.

    Args:
        name: A letter or digit, then up to 127 of `A-Za-z0-9_.-`.
        what: How the error calls it.

    Raises:
        ConfigError: It is not; the message says what is allowed.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigError(
        f"{what} {name!r:.200} is not valid: use 1 to {MAX_NAME} of A-Z a-z 0-9 _ . - "
        "and begin with a letter or a digit"
    )


def check_actor_name(name: object) -> str:
    """Return `name` if it is one of an actor; those of a node itself begin with _.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(name, str) and name.startswith("_"):
        check_name(name[1:], "actor name")
        return name
    return check_name(name, "actor name")


def check_host(host: object) -> str:
    """Return `host` if it can be a host name or an IP address.

    Raises:
        ConfigError: It is empty, too long, or has characters no host has.
    """
    if isinstance(host, str) and _HOST.fullmatch(host):
        return host
    raise ConfigError(f"host {host!r:.200} is neither a host name nor an IP address")


def check_port(port: object, *, lowest: int = 1) -> int:
    """Return `port` if it is an integer from `lowest` to 65535.

    Raises:
        ConfigError: It is not.
    """
    if type(port) is int and lowest <= port <= 65535:
        return port
    raise ConfigError(f"port {port!r} is not a number from {lowest} to 65535")


def check_timeout(timeout: object) -> None:
    """Refuse what is no number of seconds to wait; infinity is one.

    Raises:
        ConfigError: It is something else, below 0, or NaN.
    """
    if not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ConfigError(f"a timeout is a number of seconds, not {timeout!r}")
    if inf > timeout > _LONGEST:
        raise ConfigError("a timeout is beyond all clocks; math.inf is for ever")


def check_url(url: object) -> str:
    """Return `url` if it is one of http or https, and names no user.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(url, str) and _SECRET_IN_URL.match(url):
        raise ConfigError(
            "a URL is shown and logged: its secret is CLUSTERKIT_MASTER_LIST_AUTH, "
            "or auth= in a program"
        )
    if isinstance(url, str) and url.isprintable() and (found := _URL.fullmatch(url)):
        check_port(int((found[2] or ":80")[1:]))
        return url
    raise ConfigError(f"{url!r:.200} is no http or https URL")


class Address(NamedTuple):
    """A host and a port, written `host:port` or `[host]:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = None) -> Address:
        """Read `host:port`; the port may be absent if there is a default.

        An IPv6 host stands in brackets; without a port it need not.

        Raises:
            ConfigError: The text has no host or no valid port.
        """
        if default_port is not None and _is_ipv6(text):
            return cls(text, default_port)
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"{text!r} is not host:port, nor [host]:port as for IPv6: [::1]:7022"
            )
        host, port = match["ipv6"] or match["host"], match["port"]
        if not port and default_port is not None:
            return cls(check_host(host), default_port)
        if not port:
            raise ConfigError(f"{text!r} is not host:port")
        return cls(check_host(host), check_port(int(port)))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


@frozen(order=True)
class NodeInfo:
    """A node as the ring knows it: id, host and port.

    Equal when all three are; ordered by id first. Construction checks
    nothing, so that it is cheap; `from_json` and `parse` do.
    """

    id: str
    """The node's name, as in `ClusterNode.name`."""

    host: str
    """A host name or an IP address, without brackets."""

    port: int
    """The TCP port it listens on."""

    def __str__(self) -> str:
        return f"{self.id}@{self.address}"

    @property
    def address(self) -> Address:
        """Where the node listens."""
        return Address(self.host, self.port)

    @classmethod
    def parse(cls, text: str) -> NodeInfo:
        """Read `id@host:port`.

        Args:
            text: As `str(node)` writes it; IPv6 hosts stand in brackets.

        Raises:
            ConfigError: A part is missing or not valid.
        """
        name, at, address = text.partition("@")
        if not at:
            raise ConfigError(f"{text!r} is not id@host:port")
        host, port = Address.parse(address)
        return cls(check_name(name, "node id"), host, port)

    def to_json(self) -> dict[str, Any]:
        """Return `{"id": …, "host": …, "port": …}`."""
        return {"id": self.id, "host": self.host, "port": self.port}

    @classmethod
    def from_json(cls, value: object) -> NodeInfo:
        """Read what `to_json` wrote; unknown fields are ignored.

        Args:
            value: As `json.loads` returns it.

        Raises:
            ConfigError: It is no object, or a field is missing or not valid.
        """
        if not isinstance(value, dict):
            raise ConfigError(f"a node is an object with id, host and port: {value!r}")
        return cls(
            check_name(value.get("id"), "node id"),
            check_host(value.get("host")),
            check_port(value.get("port")),
        )


def node_info(node: NodeInfo | str) -> NodeInfo:
    """Return `node` as a checked `NodeInfo`; text is read as `id@host:port`.

    Raises:
        ConfigError: It is not valid.
    """
    if isinstance(node, str):
        return NodeInfo.parse(node)
    if not isinstance(node, NodeInfo):
        raise ConfigError(f"{node!r} is no node: write id@host:port")
    return NodeInfo.from_json(node.to_json())


def split_target(target: str) -> tuple[str, str | None]:
    """Split `name`, `name@node` or `name@id@host:port` at its first `@`.

    Returns:
        The actor's name and what follows the `@`, None without one.

    Raises:
        ConfigError: Either half is empty, or the node has an address and no name.
    """
    try:
        name, at, node = target.partition("@")
    except (AttributeError, TypeError):  # the latter: of bytes
        raise ConfigError(
            f"{target!r} is not the name of an actor: use name or name@node; "
            "a reference has `call` and `cast` of its own"
        ) from None
    if not name or (at and not node):
        raise ConfigError(f"{target!r} is not an actor: use name or name@node")
    if ":" in node and "@" not in node:
        raise ConfigError(
            f"{target!r} names no node: an address needs its name before it, as in "
            f"{name}@NAME@{node}"
        )
    return name, node if at else None
