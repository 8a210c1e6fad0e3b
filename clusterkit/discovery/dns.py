"""DNS: all the addresses of a name, as of a headless service of Kubernetes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.discovery.allowed import Allowed
from clusterkit.discovery.entries import MOST_ENTRIES, check_interval, tell_all
from clusterkit.names import Address, check_host, check_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.discovery.source import Found, Surroundings
    from clusterkit.names import NodeInfo

RESOLVE_WITHIN: Final = 10.0
"""Seconds for one answer."""


class Dns:
    """Find the nodes at all addresses (A and AAAA) of a name.

    By the system's resolver, so `/etc/hosts` counts as well. DNS knows no nodes'
    names: who answers at an address says it, under the cookie.

    Args:
        host: The name.
        port: The port of all of them.
        interval: Seconds between two questions, about.
        allow: Networks that may be dialled; all, if none is given.

    Raises:
        ConfigError: A value is impossible.
    """

    name: Final = "dns"

    def __init__(
        self,
        host: str,
        port: int = 7022,
        *,
        interval: float = 10.0,
        allow: Iterable[str] = (),
    ) -> None:
        self._host = check_host(host)
        self._port = check_port(port)
        self._interval = check_interval(interval)
        self._allowed = Allowed(allow)

    def __repr__(self) -> str:
        return f"<Dns {Address(self._host, self._port)}>"

    async def run(self, found: Found, node: Surroundings) -> None:
        """Ask now and then; see `Source.run`."""
        while True:
            try:
                with trio.fail_after(RESOLVE_WITHIN):
                    addresses = await self._resolve()
            except (OSError, UnicodeError, trio.TooSlowError) as error:
                node.count("unresolved")
                node.say("unresolved", host=self._host, error=said(error))
            else:
                await tell_all(addresses, self._allowed, found, node)
            await node.refresh(self._interval)

    async def _resolve(self) -> list[NodeInfo | Address]:
        answers = await trio.socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        )
        hosts = dict.fromkeys(str(answer[4][0]) for answer in answers)
        found: list[NodeInfo | Address] = [Address(host, self._port) for host in hosts]
        return found[:MOST_ENTRIES]


def said(error: Exception) -> str:
    """Return what is wrong."""
    if isinstance(error, trio.TooSlowError):
        return f"no answer within {RESOLVE_WITHIN:g} s"
    return str(error) or type(error).__name__
