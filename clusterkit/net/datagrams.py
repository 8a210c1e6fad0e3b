"""The seam to UDP, and the real one: one socket that hears a group and a port.

What datagrams mean is of no concern here. The invariant is that nothing that
comes in raises: whoever can reach the port may send what he likes.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Final, Protocol

import trio

from clusterkit.frozen import frozen
from clusterkit.names import Address

if TYPE_CHECKING:
    from collections.abc import Awaitable

_MOST: Final = 2_048
"""Bytes that are read of a datagram: enough to tell that one is too long."""

_READS: Final = 200
_READ_TIME: Final = 0.01
"""So many reads in this many seconds are made; the system drops the rest. Each costs
some 15 µs, so a flood takes a third of a core."""

_SIOCGIFADDR, _SIOCGIFFLAGS = 0x8915, 0x8913
_LIVE: Final = 0x1 | 0x40  # IFF_UP, IFF_RUNNING: no cable, no network
_LOOPBACK_UP_RUNNING: Final = 0x8 | _LIVE

_MULTICAST_ALL: Final = 49  # IP_MULTICAST_ALL of Linux, which Python has no name for


@frozen(kw_only=True)
class Reach:
    """Whom a socket hears, and whom it speaks to.

    Attributes:
        port: Of all of them.
        group: The multicast group to join, None for none.
        broadcast: Where broadcasts go, None for nowhere.
        interface: Address of the interface to use; None: the system's choice.
    """

    port: int
    group: str | None = None
    broadcast: str | None = None
    interface: str | None = None

    @property
    def destinations(self) -> tuple[Address, ...]:
        """Where to send what all shall hear."""
        hosts = (self.group, self.broadcast)
        return tuple(Address(host, self.port) for host in hosts if host is not None)


class Datagrams(Protocol):
    """A bound socket."""

    async def receive(self) -> tuple[bytes, str]:
        """Return the next datagram and the host it came from.

        Raises:
            OSError: The socket can be used no more.
        """
        ...

    def send(self, data: bytes, to: Address) -> Awaitable[None]:
        """Send a datagram; it may be lost, and nobody is told.

        Raises:
            OSError: It did not even leave.
        """
        ...

    def close(self) -> None:
        """Close at once."""
        ...


class DatagramTransport(Protocol):
    """Makes sockets for datagrams."""

    async def open(self, reach: Reach) -> Datagrams:
        """Bind; several processes of a machine may have the same port.

        Raises:
            OSError: The port cannot be had, or the group not joined.
        """
        ...

    async def leaves_by(self, host: str) -> str:
        """Return this machine's address on the way to `host`; nothing is sent.

        Raises:
            OSError: No way leads there.
        """
        ...

    def addresses(self) -> tuple[str, ...]:
        """Return the IPv4 addresses of interfaces that are up, loopback left out.

        None at all where that cannot be found out.
        """
        ...


class UdpDatagrams:
    """Two UDP sockets, or one that is both; see `Datagrams`.

    Args:
        sock: Hears all that comes to the port.
        mouth: Speaks: bound to an interface's address, since only what has a
            source leaves by its interface when it goes to everybody.
        reach: Whom both are for.
    """

    def __init__(
        self, sock: trio.socket.SocketType, mouth: trio.socket.SocketType, reach: Reach
    ) -> None:
        self._sock = sock
        self._mouth = mouth
        self._reach = reach
        self._reads = 0
        self._since = trio.current_time()

    async def receive(self) -> tuple[bytes, str]:
        """Return the next datagram and the host it came from."""
        await self._give_way()
        while True:
            try:
                data, where = await self._sock.recvfrom(_MOST)
            except ConnectionError:
                continue  # an ICMP answer to what this socket sent before
            except OSError as error:
                # Windows has an error for what is longer than the buffer.
                if getattr(error, "winerror", None) != 10040:
                    raise
                continue  # no beacon is
            return data, str(where[0])

    async def _give_way(self) -> None:
        """Wait where more has been read than should be."""
        self._reads += 1
        if self._reads < _READS:
            return
        left = self._since + _READ_TIME - trio.current_time()
        if left > 0:
            await trio.sleep(left)
        self._reads, self._since = 0, trio.current_time()

    async def send(self, data: bytes, to: Address) -> None:
        """Send a datagram."""
        if to.host == self._reach.group:
            # Interfaces come and go, and with them who has joined: each time anew.
            _join(self._sock, self._mouth, self._reach)
        await self._mouth.sendto(data, tuple(to))

    def close(self) -> None:
        """Close at once."""
        self._sock.close()
        self._mouth.close()


class UdpTransport:
    """Makes UDP sockets, of IPv4; see `DatagramTransport`."""

    async def open(self, reach: Reach) -> UdpDatagrams:
        """Bind and join."""
        sock = mouth = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            _share_port(sock)
            # To all addresses: a socket bound to one hears no group and no
            # broadcast.
            await sock.bind(("", reach.port))
            if reach.interface is not None:
                mouth = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                await mouth.bind((reach.interface, 0))
            if reach.broadcast is not None:
                mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if reach.group is not None:
                _join(sock, mouth, reach)
        except BaseException:
            sock.close()
            mouth.close()
            raise
        return UdpDatagrams(sock, mouth, reach)

    async def leaves_by(self, host: str) -> str:
        """Return this machine's address on the way to `host`."""
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            with suppress(OSError):  # not needed but for a broadcast address
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            await sock.connect((host, 9))  # any port: connecting sends nothing
            found = str(sock.getsockname()[0])
        if found == "0.0.0.0":  # noqa: S104 - what some systems say instead of an error
            raise OSError(errno.ENETUNREACH, f"no way leads to {host}")
        return found

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of interfaces that are up."""
        return _up_addresses() if sys.platform == "linux" else ()


def _share_port(sock: trio.socket.SocketType) -> None:
    """Let other processes have the port, too: each hears groups and broadcasts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # On Linux it would keep processes of other users out, and is not needed.
    if hasattr(socket, "SO_REUSEPORT") and sys.platform != "linux":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _join(
    sock: trio.socket.SocketType, mouth: trio.socket.SocketType, reach: Reach
) -> None:
    """Hear the group, and speak to it, by the interface as it is now."""
    ours = IPv4Address(reach.interface or 0).packed
    joined = IPv4Address(reach.group or 0).packed + ours
    try:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:  # it has joined
            raise
    mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours)
    mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    if sys.platform == "linux":
        # Not what others on this machine have joined.
        sock.setsockopt(socket.IPPROTO_IP, _MULTICAST_ALL, 0)


def _up_addresses() -> tuple[str, ...]:
    """Ask Linux for the first address of each interface (netdevice(7))."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                flags = _asked(sock, _SIOCGIFFLAGS, name, 2)
                if int.from_bytes(flags, sys.byteorder) & _LOOPBACK_UP_RUNNING == _LIVE:
                    found.append(
                        str(IPv4Address(_asked(sock, _SIOCGIFADDR, name, 8)[4:]))
                    )
            except OSError:
                continue  # no IPv4, or gone meanwhile
    return tuple(found)


def _asked(sock: socket.socket, what: int, name: str, size: int) -> bytes:
    request = struct.pack("16s24x", name.encode())
    return fcntl.ioctl(sock, what, request)[16 : 16 + size]


def is_ipv4(host: object) -> bool:
    """Say whether a host is written as an IPv4 address."""
    try:
        return isinstance(host, str) and ip_address(host).version == 4
    except ValueError:
        return False
