"""The seams to the outside: byte streams and the disk.

Everything above speaks to these protocols only. `net/tcp.py` and
`net/disk.py` are the real ones; `clusterkit.testing` has the simulated ones,
with the same partial writes, bounded buffers and failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.names import Address


class StreamBroken(Exception):
    """The connection is gone: reset, refused, or closed under us."""


def always() -> bool:
    """Say yes."""
    return True


class Stream(Protocol):
    """One connected byte stream; `secure` is the first that is asked of it."""

    async def secure(self, heeded: Callable[[], bool] = always) -> bytes:
        """Make it fit for greetings; return what ties them to this connection.

        A stream in clear has nothing to do and nothing to tie to: `b""`.

        Args:
            heeded: Asked, once the peer has spoken, before anything is done for
                it that costs much; if not, the peer is not let in.

        Raises:
            StreamBroken: The connection is gone.
            ProtocolError: The peer is not let in, or does not let us in.
        """
        ...

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Hand over as many bytes as fit now; 0 when none do.

        Raises:
            StreamBroken: The connection is gone.
        """
        ...

    async def wait_writable(self) -> None:
        """Return when `send_nowait` may take bytes, or the stream broke."""
        ...

    async def receive(self) -> bytes:
        """Return the bytes that are there, at least one; `b""` at the end.

        May return without a checkpoint when bytes are there already.

        Raises:
            StreamBroken: The connection is gone.
        """
        ...

    def close(self) -> None:
        """Close at once; a task that waits here gets `StreamBroken`."""
        ...


class Listener(Protocol):
    """A bound listening socket."""

    @property
    def address(self) -> Address:
        """Where it is bound; the port is the real one."""
        ...

    async def accept(self) -> tuple[Stream, str]:
        """Return the next connection and the peer's host.

        Raises:
            StreamBroken: The listener is closed.
        """
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Transport(Protocol):
    """Makes streams and listeners."""

    async def connect(self, address: Address) -> Stream:
        """Open a connection.

        Raises:
            StreamBroken: Refused or unreachable; the text says which.
        """
        ...

    async def listen(self, address: Address) -> Listener:
        """Bind; port 0 takes any free one.

        Raises:
            OSError: The address is in use or not ours.
        """
        ...


class Disk(Protocol):
    """A few small files that survive a crash. All calls may block a thread."""

    async def lock(self, path: str) -> None:
        """Take `path` for the life of this process, or of this object.

        Raises:
            StateInUse: Somebody else holds it.
            OSError: There cannot be such a file, or no lock on it.
        """
        ...

    def unlock(self, path: str) -> None:
        """Give back what `lock` took; unknown paths are ignored."""
        ...

    async def read(self, path: str) -> bytes | None:
        """Return the content, None when there is no such file.

        Raises:
            OSError: There is one but it cannot be read.
        """
        ...

    async def replace_atomically(self, path: str, data: bytes) -> None:
        """Write `data` so that a crash leaves the old or the new, synced.

        Raises:
            OSError: The disk refused; the old content stands.
        """
        ...

    async def append_synced(self, path: str, data: bytes) -> None:
        """Append `data` and sync it.

        Raises:
            OSError: The disk refused; a torn tail may stand.
        """
        ...
