"""TLS as a transport around a transport.

What happens on a connection is `tls_stream`. Here is where they come from, and
that each has the credentials of the moment in which it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from clusterkit.net.tls_stream import TlsStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.names import Address
    from clusterkit.net.credentials import Credentials
    from clusterkit.net.transport import Listener, Transport

Renewable: TypeAlias = "Callable[[], Credentials]"


class TlsListener:
    """A listening socket whose connections are encrypted; see `transport.Listener`."""

    def __init__(self, inner: Listener, credentials: Renewable) -> None:
        self._inner = inner
        self._credentials = credentials

    def __repr__(self) -> str:
        return f"<TlsListener on {self._inner!r}>"

    @property
    def address(self) -> Address:
        """Where it is bound; the port is the real one."""
        return self._inner.address

    async def accept(self) -> tuple[TlsStream, str]:
        """Return the next connection, not secured yet, and the peer's host.

        Raises:
            StreamBroken: The listener is closed.
        """
        stream, host = await self._inner.accept()
        return TlsStream(stream, self._credentials()), host

    def close(self) -> None:
        """Stop listening."""
        self._inner.close()


class TlsTransport:
    """Makes encrypted streams of another transport's; see `transport.Transport`.

    Args:
        inner: Makes what carries the bytes.
        credentials: Gives what to encrypt with, asked for each connection.
    """

    def __init__(self, inner: Transport, credentials: Renewable) -> None:
        self._inner = inner
        self._credentials = credentials

    def __repr__(self) -> str:
        return f"<TlsTransport on {self._inner!r}>"

    async def connect(self, address: Address) -> TlsStream:
        """Open a connection, not secured yet.

        Raises:
            StreamBroken: Refused or unreachable; the text says which.
        """
        stream = await self._inner.connect(address)
        return TlsStream(stream, self._credentials(), address.host)

    async def listen(self, address: Address) -> TlsListener:
        """Bind; port 0 takes any free one.

        Raises:
            OSError: The address is in use or not ours.
        """
        return TlsListener(await self._inner.listen(address), self._credentials)
