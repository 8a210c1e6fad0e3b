"""One encrypted stream on another stream.

OpenSSL is given bytes and gives bytes, in memory, and the stream below carries
them. So a write is still one call that says how much it took, and TLS runs on
whatever streams there are, simulated ones among them. The invariant: at most
one piece of ciphertext waits here, and nothing is taken while it does.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from clusterkit.errors import ProtocolError
from clusterkit.net.credentials import said
from clusterkit.net.first_bytes import refuse_clear
from clusterkit.net.transport import StreamBroken, always

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.net.credentials import Credentials
    from clusterkit.net.transport import Stream

PIECE: Final = 64 * 1024
"""Bytes encrypted before they are handed on: as much ciphertext waits at most,
and 1.5 KiB of overhead, in a stream whose peer does not read."""

MOST_GREETING: Final = 32 * 1024
"""Bytes that a peer may send until its TLS handshake is done: a chain of a dozen
certificates. OpenSSL takes up to six times that, for one message
whose length is announced."""

MOST_ANSWERS: Final = 64 * 1024
"""Bytes of answers of TLS itself that wait for a peer which asks and does not
read them."""

IN_VAIN: Final = "too many TLS handshakes from its address came to nothing lately"

_RECORD: Final = 16 * 1024


class TlsStream:
    """One encrypted stream; see `transport.Stream`.

    Args:
        inner: What carries the bytes.
        credentials: What to encrypt with.
        dialled: The host that was dialled, None if the peer has dialled.
    """

    __slots__ = (
        "_credentials",
        "_dialled",
        "_ended",
        "_failure",
        "_heard",
        "_incoming",
        "_inner",
        "_outgoing",
        "_owed",
        "_secured",
        "_tls",
        "_waiting",
    )

    _tls: ssl.SSLObject  # from `secure` on

    def __init__(
        self, inner: Stream, credentials: Credentials, dialled: str | None = None
    ) -> None:
        self._inner = inner
        self._credentials = credentials
        self._dialled = dialled
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._waiting: bytes | memoryview = b""
        self._owed = 0
        self._secured = self._heard = self._ended = False
        self._failure: ssl.SSLError | None = None

    def __repr__(self) -> str:
        return f"<TlsStream {'secured' if self._secured else 'new'} on {self._inner!r}>"

    async def secure(self, heeded: Callable[[], bool] = always) -> bytes:
        """Shake hands; return what ties greetings to this connection.

        The dialer's last words wait for the greeting, which follows at once: one
        segment, and a listener that refuses them has read all there is, so that
        its closing does not destroy its answer.

        Raises:
            StreamBroken: The connection ended first.
            ProtocolError: The peer has no certificate of the CA, refuses ours,
                speaks no TLS, or is not heeded (`reason="tls"`).
        """
        dialer = self._dialled is not None
        got = 0
        if not dialer:
            # A stranger that says nothing has cost nothing yet.
            got = await self._hear_greeting(got)
            if not heeded():
                raise ProtocolError(IN_VAIN, "tls")
        self._tls = self._wrapped()
        while not self._shaken():
            while not self._flush():
                await self._inner.wait_writable()
            got = await self._hear_greeting(got)
        self._secured = True
        return self._credentials.binding(self._tls, dialer=dialer)

    def _wrapped(self) -> ssl.SSLObject:
        if self._dialled is None:
            context = self._credentials.listener
            return context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        context = self._credentials.dialer
        # Without a need for it, the name would only be there for others to read.
        host = self._dialled if context.check_hostname else None
        try:
            return context.wrap_bio(
                self._incoming, self._outgoing, server_hostname=host
            )
        except ValueError as error:
            raise StreamBroken(f"{host} is no name for a certificate") from error

    async def _hear_greeting(self, got: int) -> int:
        """Take bytes of the peer's TLS handshake; return how many it were so far."""
        data = await self._inner.receive()
        if not data:
            raise StreamBroken("closed during the TLS handshake")
        if not got:
            refuse_clear(self._inner, data, answer=self._dialled is None)
        if got + len(data) > MOST_GREETING:
            raise ProtocolError("a TLS handshake without end", "tls")
        return got + self._incoming.write(data)

    def _shaken(self) -> bool:
        """Go on with the TLS handshake; say whether it is done at this end."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise self._refused(error) from error
        return True

    def _refused(self, error: ssl.SSLError) -> ProtocolError:
        """Tell the peer, and return what to raise."""
        with suppress(StreamBroken):  # it has not waited to be told
            self._flush()
        if isinstance(error, ssl.SSLCertVerificationError):
            return ProtocolError(f"its certificate is refused: {said(error)}", "tls")
        _, alert, reason = said(error).rpartition("alert ")
        if alert:
            return ProtocolError(f"it refuses TLS with this end: {reason}", "tls")
        return ProtocolError(f"no TLS with it: {reason}", "tls")

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Hand over as many bytes as fit now; 0 when none do.

        What is encrypted cannot be taken back. Where the stream below has no
        room for it, all but the last byte count as taken: the caller comes
        again for that one, as it must, and the ciphertext goes first.

        Raises:
            StreamBroken: The connection is gone.
        """
        if self._waiting and not self._flush():
            return 0
        taken, self._owed = min(self._owed, len(data)), 0
        with memoryview(data) as view:
            while taken < len(data):
                try:
                    taken += self._tls.write(view[taken : taken + PIECE])
                except ssl.SSLError as error:
                    raise StreamBroken(f"TLS: {said(error)}") from error
                if not self._flush():
                    self._owed = 1
                    return taken - 1
        return taken

    def _flush(self) -> bool:
        """Hand on what is encrypted; say whether all of it was taken."""
        if self._outgoing.pending:
            fresh = self._outgoing.read()
            self._waiting = b"".join((self._waiting, fresh)) if self._waiting else fresh
        waiting = self._waiting
        if waiting:
            sent = self._inner.send_nowait(waiting)
            if sent < len(waiting):
                self._waiting = memoryview(waiting)[sent:]
                return False
            self._waiting = b""
        return True

    async def wait_writable(self) -> None:
        """Return when there is room below, or the stream broke."""
        await self._inner.wait_writable()

    async def receive(self) -> bytes:
        """Return the bytes that are there, waiting for one; `b""` at the end.

        Raises:
            StreamBroken: The connection is gone, was cut off before the peer
                said that it ends, or what came was tampered with.
            ProtocolError: The peer refuses our certificate (`reason="tls"`).
        """
        while True:
            if self._incoming.pending:
                data = self._decrypted()
                if data:
                    return data
            if self._failure is not None:
                raise self._broken(self._failure) from self._failure
            if self._ended:
                return b""
            if self._outgoing.pending or self._waiting:
                self._answer()
            raw = await self._inner.receive()
            if not raw:
                raise StreamBroken("cut off without the end of TLS")
            self._incoming.write(raw)

    def _decrypted(self) -> bytes:
        """Return all that can be read, at most what one `receive` below gave."""
        pieces = []
        try:
            while self._incoming.pending and not self._ended:
                piece = self._tls.read(_RECORD)
                pieces.append(piece)
                self._ended = not piece
        except ssl.SSLWantReadError:
            self._heard = self._heard or bool(pieces)  # the rest is on its way
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as error:
            self._failure = error  # after what was whole
        if not pieces:
            return b""
        self._heard = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _broken(self, error: ssl.SSLError) -> Exception:
        """Return what to raise for a failure of TLS.

        In TLS 1.3 the dialer is done before the listener has looked at its
        certificate, so a refusal comes in place of the first answer.
        """
        if not self._heard:
            return self._refused(error)
        return StreamBroken(f"TLS: {said(error)}")

    def _answer(self) -> None:
        """Send what TLS itself has to say, or what waits."""
        if not self._flush() and len(self._waiting) > PIECE + MOST_ANSWERS:
            raise StreamBroken("TLS: it asks, and does not read the answers")

    def close(self) -> None:
        """Say that this is the end, as far as there is room, and close at once."""
        if self._secured:
            self._secured = False
            # The peer's own close_notify is not waited for; and one that has
            # broken needs to be told nothing.
            with suppress(ssl.SSLError, StreamBroken):
                self._tls.unwrap()
            with suppress(StreamBroken):
                self._flush()
        self._inner.close()
