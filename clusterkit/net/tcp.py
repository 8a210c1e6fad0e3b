"""Real TCP: non-blocking sockets under trio's readiness, nothing above them.

trio's own streams cannot write a part and say how much; the direct write on
an idle wire needs just that, so this file goes one level lower. Every
`OSError` of a connected socket becomes `StreamBroken` here and nowhere else.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import trio

from clusterkit.names import Address
from clusterkit.net.transport import StreamBroken, always

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 132 * 1024
"""What one read takes at most: the longest frame of a busy link, and a bit."""

BACKLOG = 1024
"""Connections that wait to be accepted, also before the node accepts any; the
system may allow fewer."""

_CLOSED = {errno.EBADF, errno.ENOTSOCK, errno.EINVAL}
_ACCEPT_PAUSE = 0.1
STAGGER = 0.1
"""Seconds that one address of a host has before the next is tried beside it:
less than RFC 8305 proposes, since all of them share one `dial_timeout`."""


class TcpStream:
    """One connected TCP socket; see `transport.Stream`."""

    __slots__ = ("_drained", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        # Frames are whole answers already; waiting for more only delays them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._drained = True

    async def secure(self, heeded: Callable[[], bool] = always) -> bytes:
        """Return that there is nothing to tie greetings to: all is in clear."""
        return b""

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Hand over as many bytes as fit now; 0 when none do."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise StreamBroken(_say(error)) from error

    async def wait_writable(self) -> None:
        """Return when there is room, or the stream broke."""
        self._check_open()
        try:
            await trio.lowlevel.wait_writable(self._sock)
        except (OSError, trio.ClosedResourceError) as error:
            raise StreamBroken(_say(error)) from error

    async def receive(self) -> bytes:
        """Return the bytes that are there, waiting for one; `b""` at the end."""
        while True:
            if self._drained:
                self._check_open()
                try:
                    await trio.lowlevel.wait_readable(self._sock)
                except (OSError, trio.ClosedResourceError) as error:
                    raise StreamBroken(_say(error)) from error
            try:
                data = self._sock.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                self._drained = True
                continue
            except OSError as error:
                raise StreamBroken(_say(error)) from error
            # A short read has emptied the socket: asking again would only
            # cost a system call to be told so.
            self._drained = len(data) < READ_BYTES
            return data

    def _check_open(self) -> None:
        # A closed socket's descriptor is -1, which epoll would register for
        # every closed socket alike.
        if self._sock.fileno() < 0:
            raise StreamBroken("closed")

    def close(self) -> None:
        """Close at once and wake whoever waits here."""
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()


class TcpListener:
    """A bound listening socket; see `transport.Listener`."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._sock = sock
        self.address = Address(*sock.getsockname()[:2])

    async def accept(self) -> tuple[TcpStream, str]:
        """Return the next connection and the peer's host."""
        while True:
            # Before, not after: cancelled there, it would lose a connection.
            await trio.lowlevel.checkpoint()
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                await self._wait()
            except OSError as error:
                if error.errno in _CLOSED:
                    raise StreamBroken("closed") from error
                # Out of descriptors or memory: others' load, so wait for it to
                # pass. The rest is of one connection, or of the network (see
                # accept(2)); a listener that ended on it would leave the node
                # deaf.
                await trio.sleep(_ACCEPT_PAUSE)
            else:
                with suppress(OSError):  # gone again already: accept the next
                    return _stream(sock), peer[0]

    async def _wait(self) -> None:
        try:
            await trio.lowlevel.wait_readable(self._sock)
        except trio.ClosedResourceError:
            raise StreamBroken("closed") from None

    def close(self) -> None:
        """Stop listening."""
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()


class TcpTransport:
    """Makes TCP streams and listeners; see `transport.Transport`."""

    async def connect(self, address: Address) -> TcpStream:
        """Open a connection to the first address of the host that answers.

        A host may have several, one of which leads nowhere, as IPv6 does in
        many a network. They are tried in turn, the next `STAGGER` seconds
        after the last, and the first to connect is taken (RFC 8305).
        """
        try:
            stream = await trio.open_tcp_stream(
                address.host, address.port, happy_eyeballs_delay=STAGGER
            )
        except (socket.gaierror, UnicodeError) as error:  # the latter: no name at all
            text = f"cannot resolve {address.host}: {_say(error)}"
            raise StreamBroken(text) from error
        except OSError as error:
            raise StreamBroken(f"{address}: {_say(_last(error))}") from error
        try:
            return _stream(socket.socket(fileno=stream.socket.detach()))
        except OSError as error:
            raise StreamBroken(f"{address}: {_say(error)}") from error

    async def listen(self, address: Address) -> TcpListener:
        """Bind; port 0 takes any free one.

        Raises:
            OSError: The address is in use, or not of this machine.
        """
        try:
            found = await trio.socket.getaddrinfo(
                address.host,
                address.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
        except UnicodeError as error:
            raise OSError(errno.EADDRNOTAVAIL, f"no host: {address.host}") from error
        family, kind, protocol, _, where = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            # A restarted node takes its port back from TIME_WAIT at once.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(where)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        return TcpListener(sock)


def _stream(sock: socket.socket) -> TcpStream:
    """Return the stream on a socket, which is closed if it is none any more."""
    try:
        return TcpStream(sock)
    except OSError:
        sock.close()
        raise


def _last(error: OSError) -> Exception:
    """Return what the last of several addresses said."""
    cause = error.__cause__
    if isinstance(cause, ExceptionGroup):
        return cast("Exception", cause.exceptions[-1])
    return cause if isinstance(cause, OSError) else error


def _say(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "refused the connection"
    if isinstance(error, OSError) and error.errno == errno.ECONNRESET:
        return "connection reset"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def is_unspecified(host: str) -> bool:
    """Whether `host` stands for all addresses of a machine, however spelled.

    `0.0.0.0`, `0`, `0x0`, `::`, `::0` and the like: good to listen on, and
    nothing that a peer could dial. A name is not looked up.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        with suppress(OSError):
            return socket.inet_aton(host) == bytes(4)
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_unspecified)
