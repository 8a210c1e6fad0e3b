"""Which hosts of a list, or of DNS, are dialled at all.

Who can write to a list could otherwise have every node of a cluster dial any
address that the nodes can reach, and see from the answers what is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from clusterkit.errors import ConfigError
from clusterkit.names import check_host

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


class Allowed:
    """Networks and host names; without any, every host that can be a node's.

    Args:
        entries: Networks as `10.0.0.0/8`, single addresses, host names, and
            `*.example.org` for all names below one.

    Raises:
        ConfigError: One is none of these.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        if isinstance(entries, (str, bytes)) or not isinstance(entries, Iterable):
            raise ConfigError(f"allow is a list: [{entries!r:.100}]")
        self._entries = tuple(entries)
        self._networks = []
        self._names: set[str] = set()
        self._zones: list[str] = []
        for entry in self._entries:
            if _is_network(entry):
                self._networks.append(ip_network(entry))
            elif entry.startswith("*."):
                self._zones.append(f".{check_host(entry[2:]).lower()}")
            else:
                self._names.add(check_host(entry).lower())

    def __repr__(self) -> str:
        return f"<Allowed {', '.join(self._entries) or 'all'}>"

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._entries)

    def admits(self, host: str) -> bool:
        """Say whether a host may be dialled.

        A name passes only if it is allowed by name: what address it stands for is
        known no earlier than it is dialled, and may be another each time.
        """
        try:
            address = ip_address(host)  # as a whole: what follows may make it a name
        except ValueError:
            return not self._entries or self._has_name(host.lower())
        address = getattr(address, "ipv4_mapped", None) or address
        if not _is_of_a_node(address):
            return False
        return not self._entries or any(address in net for net in self._networks)

    def _has_name(self, name: str) -> bool:
        below = name.endswith(tuple(self._zones))
        return below or name in self._names


def _is_network(entry: object) -> bool:
    if not isinstance(entry, str):
        raise ConfigError(f"allow has networks and host names, not {entry!r:.100}")
    try:
        ip_network(entry)
    except ValueError as error:
        if "/" in entry:
            raise ConfigError(f"allow: {error}") from error
        return False
    return True


def _is_of_a_node(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or address.is_unspecified:
        return False
    return str(address) != "255.255.255.255"
