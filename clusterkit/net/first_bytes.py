"""What the first byte of a connection tells: TLS, or frames in clear.

A frame before authentication has a kilobyte at most, so the first byte of its
length is 0; that of a TLS record is 20 to 23. An end that speaks the one and
hears the other says so, to its log and to the peer, instead of puzzling over
the bytes until a deadline.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from clusterkit.errors import ProtocolError
from clusterkit.net.transport import StreamBroken
from clusterkit.wire.greetings import Refusal

if TYPE_CHECKING:
    from clusterkit.net.transport import Stream

_RECORDS: Final = frozenset(range(20, 24))
_FRAME: Final = 0


def refuse_tls(stream: Stream, data: bytes, *, answer: bool) -> None:
    """Refuse a peer that begins with TLS where this end has none.

    Args:
        stream: The connection.
        data: The first bytes of it.
        answer: Whether the peer waits for a greeting, and can be told.

    Raises:
        ProtocolError: It does (`reason="tls"`).
    """
    if data[0] in _RECORDS:
        _refuse(stream, "its links have no TLS", answer=answer)
        raise ProtocolError("it speaks TLS, this end does not", "tls")


def refuse_clear(stream: Stream, data: bytes, *, answer: bool) -> None:
    """Refuse a peer that begins with a frame where this end speaks TLS.

    Args:
        stream: The connection below TLS.
        data: The first bytes of it.
        answer: As for `refuse_tls`.

    Raises:
        ProtocolError: It does (`reason="tls"`).
    """
    if data[0] == _FRAME:
        _refuse(stream, "its links need TLS", answer=answer)
        raise ProtocolError("it does not speak TLS, this end does", "tls")


def _refuse(stream: Stream, why: str, *, answer: bool) -> None:
    if answer:
        with suppress(StreamBroken):  # it has not waited to be told
            stream.send_nowait(Refusal(reason="tls", detail=why).to_bytes())
