"""Where a node listens that is to be found, and what it tells others.

A node that nobody is to find listens on 127.0.0.1. One that is has to be reached:
it listens at all addresses, and tells that of the interface by which it reaches
the others. Whoever gives `host` decides that himself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from clusterkit.discovery.beacons import Beacons
from clusterkit.discovery.source import Source
from clusterkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clusterkit.net.datagrams import DatagramTransport

LOOPBACK: Final = "127.0.0.1"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - asked for by `discover`

_ELSEWHERE: Final = "192.0.2.1"
"""An address that is nobody's (RFC 5737): the way to it is the default route."""


def checked_sources(discover: object) -> tuple[Source, ...]:
    """Return the sources of addresses.

    Raises:
        ConfigError: It is neither a bool, nor a source, nor several.
    """
    if isinstance(discover, bool) or discover is None:
        return (Beacons(),) if discover else ()
    if isinstance(discover, Source) and not isinstance(discover, type):
        return (discover,)
    sources = tuple(discover) if isinstance(discover, Iterable) else (discover,)
    for source in sources:
        if isinstance(source, type) or not isinstance(source, Source):
            raise ConfigError(
                f"discover is True or sources as clusterkit.discovery has them, "
                f"not {source!r:.100}"
            )
    return sources


def chosen_host(host: str | None, sources: Sequence[Source]) -> str:
    """Return where to listen, given what was asked for."""
    if host is not None:
        return host
    return EVERYWHERE if sources else LOOPBACK


def placed(sources: Sequence[Source], host: str | None) -> tuple[Source, ...]:
    """Return the sources, beacons for the interface that a node listens at."""
    if host is None:
        return tuple(sources)
    return tuple(s.at(host) if isinstance(s, Beacons) else s for s in sources)


async def outward(
    sources: Sequence[Source], datagrams: DatagramTransport
) -> tuple[str, tuple[Source, ...]]:
    """Return the address of the interface that leads to the other nodes.

    The one by which beacons leave; without beacons that of the default route. A
    network from which no way leads out, as a switch alone, has neither: then it is
    that of the only interface.

    Returns:
        The address, and the sources, beacons for that interface if need be.

    Raises:
        ConfigError: There is none: this machine has no network, or several.
    """
    ways = [_ELSEWHERE]
    for source in sources:
        if isinstance(source, Beacons):
            if source.interface is not None:
                return source.interface, tuple(sources)
            ways.insert(0, source.destination)
    failure: OSError | None = None
    for host in ways:
        try:
            return await datagrams.leaves_by(host), tuple(sources)
        except OSError as error:
            failure = error
    found = datagrams.addresses()
    if len(found) == 1:
        return found[0], placed(sources, found[0])
    remedy = "which may be 127.0.0.1 for nodes of this machine only"
    if found:
        remedy = f"one of {', '.join(found)}"
    raise ConfigError(
        f"no interface leads to a network: give host=, {remedy}"
    ) from failure
