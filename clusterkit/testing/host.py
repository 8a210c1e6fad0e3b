"""One simulated host: its ports, its streams, one life long.

Here lives the seam `Transport` of `clusterkit.net.transport`. Faults are
`network.py`. Invariant: a transport whose host has crashed reaches nobody,
so a dying node cannot act after its death.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.names import Address
from clusterkit.net.transport import StreamBroken
from clusterkit.testing.stream import MemoryListener, MemoryStream

if TYPE_CHECKING:
    from clusterkit.testing.datagrams import MemoryDatagrams
    from clusterkit.testing.network import MemoryNetwork

_EPHEMERAL: Final = range(49_152, 65_536)  # RFC 6335, section 6
_SYN_RETRIES: Final = (1, 2, 4, 8, 16, 32, 64)  # seconds; Linux retries six times
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_WILDCARD: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - in memory only


class MemoryTransport:
    """One life of one host; `MemoryNetwork.host` makes it.

    Attributes:
        name: The host's.
        alive: Whether this life goes on.
    """

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self.network = network
        self.name = name
        self.alive = True
        self.listeners: dict[int, MemoryListener] = {}
        self.streams: dict[MemoryStream, None] = {}
        self.sockets: dict[MemoryDatagrams, None] = {}
        self._ports_taken = 0

    def __repr__(self) -> str:
        state = f"{len(self.streams)} streams" if self.alive else "dead"
        return f"<MemoryTransport {self.name} {state}>"

    async def connect(self, address: Address) -> MemoryStream:
        """Open a connection; takes one round trip.

        Raises:
            StreamBroken: Nobody listens there, there is no such host, this
                one has crashed, or no answer came for 127 s.
        """
        peer = self.name if address.host in _LOOPBACK else address.host
        for retry in _SYN_RETRIES:
            stream = await self._try_to_connect(peer, address)
            if stream is not None:
                return stream
            await trio.sleep(retry)
        raise StreamBroken(f"{address} did not answer")

    async def listen(self, address: Address) -> MemoryListener:
        """Bind; port 0 takes any free one.

        The host is this one's name, a loopback or a wildcard address; a
        listener is reached by all of them alike.

        Raises:
            OSError: The address is in use or not ours.
        """
        await trio.lowlevel.checkpoint()
        if not self.alive:
            raise OSError(errno.ENETDOWN, f"host {self.name} has crashed")
        if address.host not in {self.name} | _LOOPBACK | _WILDCARD:
            raise OSError(errno.EADDRNOTAVAIL, f"{address} is not of {self.name}")
        port = address.port or self._free_port()
        if port in self.listeners:
            raise OSError(errno.EADDRINUSE, f"{address} is in use")
        listener = MemoryListener(self, Address(address.host, port))
        self.listeners[port] = listener
        return listener

    def die(self, *, silent: bool) -> None:
        """End everything; `silent` says that no peer is told."""
        self.alive = False
        for stream in list(self.streams):
            stream.abort("ended with its host", tell=not silent)
        for listener in list(self.listeners.values()):
            listener.close()
        for socket in list(self.sockets):
            socket.close()

    async def _try_to_connect(self, peer: str, address: Address) -> MemoryStream | None:
        """Return the stream, or None if no answer comes this time."""
        network = self.network
        self._host(peer)
        there, back = network.route(self.name, peer), network.route(peer, self.name)
        walled = network.walled(self.name, peer)
        if walled or there.loses_one() or back.loses_one():
            await trio.lowlevel.checkpoint()
            return None
        await trio.sleep(0 if there.direct else there.one_way() + back.one_way())
        host = self._host(peer)
        if there.blocked:
            return None
        listener = host.listeners.get(address.port)
        if listener is None:
            network.trace(f"{self.name} -> {address} refused")
            raise StreamBroken(f"{address} refused the connection")
        return None if listener.full else self._join(host, address, listener)

    def _host(self, name: str) -> MemoryTransport:
        if not self.alive:
            raise StreamBroken(f"host {self.name} has crashed")
        host = self.network.find(name)
        if host is None:
            raise StreamBroken(f"there is no host {name}")
        return host

    def _join(
        self, host: MemoryTransport, address: Address, listener: MemoryListener
    ) -> MemoryStream:
        network = self.network
        there = network.pipe(self.name, host.name)
        back = network.pipe(host.name, self.name)
        name = f"{self.name}:{self._free_port()}"
        theirs = MemoryStream(host, f"{address} -> {name}", back, there)
        ours = MemoryStream(self, f"{name} -> {address}", there, back)
        network.trace(f"{ours.name} connected")
        listener.admit(theirs)
        return ours

    def _free_port(self) -> int:
        for _ in _EPHEMERAL:
            port = _EPHEMERAL[self._ports_taken % len(_EPHEMERAL)]
            self._ports_taken += 1
            if port not in self.listeners:
                return port
        raise OSError(errno.EADDRINUSE, f"host {self.name} has no free port")
