"""UDP on a simulated network: what is sent may be late, or never come.

All hosts are one LAN, so every one hears a group that it has joined, and every
broadcast. A datagram is lost with the loss of its way, and where a partition lies
in between; unlike a stream's bytes it is never sent again.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from clusterkit.names import Address
    from clusterkit.net.datagrams import Reach
    from clusterkit.testing.host import MemoryTransport

_MOST_WAITING: Final = 1_000
"""Datagrams that wait to be read; a system drops what does not fit, too."""


class MemoryDatagrams:
    """One socket of one host; see `net.datagrams.Datagrams`."""

    def __init__(self, host: MemoryTransport, reach: Reach) -> None:
        self.reach = reach
        self._host = host
        self._waiting: deque[tuple[bytes, str]] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        host.sockets[self] = None

    def __repr__(self) -> str:
        return f"<MemoryDatagrams {self._host.name}:{self.reach.port}>"

    async def receive(self) -> tuple[bytes, str]:
        """Return the next datagram and the host it came from."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._waiting:
            self._check_open()
            await self._lot.park()
        return self._waiting.popleft()

    async def send(self, data: bytes, to: Address) -> None:
        """Send a datagram to a host, a group or all."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        network, sender = self._host.network, self._host.name
        for host in network.hosts():
            if any(socket.hears(to) for socket in host.sockets):
                Flight(self._host, host, data, to).depart()
        network.courier.checkin(data, sender)

    def hears(self, to: Address) -> bool:
        """Say whether what is sent there comes here."""
        hosts = (self._host.name, self.reach.group, self.reach.broadcast)
        return to.port == self.reach.port and to.host in hosts

    def put(self, data: bytes, source: str) -> None:
        """Take a datagram that has come."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((data, source))
            self._lot.unpark()

    def close(self) -> None:
        """Close at once."""
        self._host.sockets.pop(self, None)
        self._lot.unpark_all()

    def _check_open(self) -> None:
        if self not in self._host.sockets:
            raise OSError(errno.EBADF, "the socket is closed")


class MemoryUdp:
    """Makes sockets on a simulated host; see `net.datagrams.DatagramTransport`."""

    def __init__(self, host: MemoryTransport) -> None:
        self._host = host

    def __repr__(self) -> str:
        return f"<MemoryUdp {self._host.name}>"

    async def open(self, reach: Reach) -> MemoryDatagrams:
        """Bind; several sockets of a host may have the same port."""
        await trio.lowlevel.checkpoint()
        if not self._host.alive:
            raise OSError(errno.ENETDOWN, f"host {self._host.name} has crashed")
        return MemoryDatagrams(self._host, reach)

    async def leaves_by(self, host: str) -> str:
        """Return the host's name: it has no other address."""
        await trio.lowlevel.checkpoint()
        return self._host.name

    def addresses(self) -> tuple[str, ...]:
        """Return the host's name."""
        return (self._host.name,)


class Flight:
    """A datagram on its way from one host to another."""

    __slots__ = ("_data", "_receiver", "_sender", "_to")

    def __init__(
        self,
        sender: MemoryTransport,
        receiver: MemoryTransport,
        data: bytes,
        to: Address,
    ) -> None:
        self._sender = sender
        self._receiver = receiver
        self._data = data
        self._to = to

    def depart(self) -> None:
        """Start, unless it is lost at once."""
        network = self._sender.network
        if self._sender is self._receiver:  # it does not leave the machine
            network.courier.expect(trio.current_time(), self)
            return
        route = network.route(self._sender.name, self._receiver.name)
        if not route.blocked and not route.loses_one():
            network.courier.expect(trio.current_time() + route.one_way(), self)

    def deliver(self, now: float) -> None:
        """Arrive, unless the way was blocked meanwhile; called by the courier."""
        network, receiver = self._sender.network, self._receiver
        blocked = network.route(self._sender.name, receiver.name).blocked
        if receiver.alive and (self._sender is receiver or not blocked):
            for socket in list(receiver.sockets):
                if socket.hears(self._to):
                    socket.put(self._data, self._sender.name)
