"""DNS SRV records, which name hosts with their ports.

By dnspython, since the system's resolver does not know such records. It speaks DNS
over trio's sockets, so a question can be cancelled.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.discovery.allowed import Allowed
from clusterkit.discovery.dns import RESOLVE_WITHIN, said
from clusterkit.discovery.entries import MOST_ENTRIES, tell_all
from clusterkit.errors import ConfigError
from clusterkit.names import Address, check_host, check_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.discovery.source import Found, Surroundings
    from clusterkit.names import NodeInfo

SHORTEST_TTL: Final = 5.0
"""Least seconds between two questions, whatever the answer's TTL."""

LONGEST_TTL: Final = 300.0
"""Most seconds, likewise."""

_FAILED_PAUSE: Final = 5.0  # seconds until a question without an answer is repeated


class DnsSrv:
    """Find the nodes that the SRV records of a name point at.

    Asked again when the answer's TTL is over, but not more often than every
    `SHORTEST_TTL`. Priorities and weights say nothing here: all are found. Needs
    `clusterkit[dns]`.

    Args:
        name: Of the records, as `_cluster._tcp.example.org`.
        server: Address of the name server, `host:port` or `host`, an IP address;
            None: those of the system.
        allow: Networks and host names that may be dialled; all, if none is given.

    Raises:
        ConfigError: A value is impossible, or dnspython is not installed.
    """

    name: Final = "dns_srv"

    def __init__(
        self, name: str, *, server: str | None = None, allow: Iterable[str] = ()
    ) -> None:
        self._record = check_host(name)
        self._server = None if server is None else _checked_server(server)
        self._allowed = Allowed(allow)
        _resolver_module()

    def __repr__(self) -> str:
        return f"<DnsSrv {self._record}>"

    async def run(self, found: Found, node: Surroundings) -> None:
        """Ask now and then; see `Source.run`."""
        import dns.exception  # noqa: PLC0415 - an extra

        while True:
            try:
                with trio.fail_after(RESOLVE_WITHIN):
                    answer = await self._ask()
            except (dns.exception.DNSException, OSError, trio.TooSlowError) as error:
                node.count("unresolved")
                node.say("unresolved", host=self._record, error=said(error))
                pause = _FAILED_PAUSE
            else:
                await tell_all(_addresses(answer, node), self._allowed, found, node)
                pause = min(max(float(answer.rrset.ttl), SHORTEST_TTL), LONGEST_TTL)
            await node.refresh(pause)

    async def _ask(self) -> Any:
        module = _resolver_module()
        resolver = module.Resolver(configure=self._server is None)
        if self._server is not None:
            resolver.nameservers = [self._server.host]
            resolver.port = self._server.port
        return await resolver.resolve(
            self._record, "SRV", lifetime=RESOLVE_WITHIN, search=False
        )


def _checked_server(server: object) -> Address:
    """Return the address of a name server.

    Raises:
        ConfigError: It is none, or a name, which would need a name server.
    """
    if isinstance(server, str):
        address = Address.parse(server, default_port=53)
        with suppress(ValueError):
            ip_address(address.host)
            return address
    raise ConfigError(f"a name server is an IP address, host:port, not {server!r:.100}")


def _addresses(answer: Any, node: Surroundings) -> list[NodeInfo | Address]:
    found: list[NodeInfo | Address] = []
    for record in list(answer)[:MOST_ENTRIES]:
        host = record.target.to_text(omit_final_dot=True)
        if host == ".":  # the service is decidedly not there (RFC 2782)
            continue
        try:
            found.append(Address(check_host(host), check_port(record.port)))
        except ConfigError as error:
            node.count("invalid_entry")
            node.say("srv_record", host=host, error=error)
    return found


def _resolver_module() -> Any:
    try:
        import dns.asyncresolver  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            'DnsSrv needs another package: pip install "clusterkit[dns]"'
        ) from error
    return dns.asyncresolver
