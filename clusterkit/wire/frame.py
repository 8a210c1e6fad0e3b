"""Frames: a length, then that many bytes; nothing is believed before it.

    frame      = u32 length | body
    sealed     = u32 length | u64 counter | u64 ack | records | 32-byte tag

Lengths are big-endian and count what follows them. The length is checked
against the limit before a byte is kept for it, and a buffer grows only with
bytes that have arrived, so a peer that announces a gigabyte gets nothing.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from clusterkit.errors import ProtocolError
from clusterkit.wire.seal import TAG_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH: Final = Struct(">I")
HEADER: Final = Struct(">IQQ")
LONGEST: Final = 2**32 - 1
"""The longest frame that a length can announce."""

SEALED_OVERHEAD: Final = HEADER.size + TAG_BYTES - LENGTH.size
"""What a sealed frame's length counts beside its records."""


def array_header(count: int) -> bytes:
    """Return the msgpack header of an array of `count` items."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 65_536:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def bin_header(size: int) -> bytes:
    """Return the msgpack header of binary data of `size` bytes, in its long form."""
    return b"\xc6" + size.to_bytes(4, "big")


class FrameReader:
    """Cuts a byte stream into frames of at most `limit` bytes each."""

    __slots__ = ("_rest", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = bytearray()

    def __repr__(self) -> str:
        return f"<FrameReader waiting={len(self._rest)} limit={self.limit}>"

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """Yield each whole frame, its length prefix included.

        A view is valid until the next one is asked for; views of it, for as
        long as somebody holds them. Exhaust the iterator or drop the reader:
        what is left is kept only at its end.

        Raises:
            ProtocolError: A length is over the limit (`reason="size"`).
        """
        rest = self._rest
        if not rest and self._is_one(data):
            with memoryview(data) as frame:
                yield frame
            return
        if rest:
            rest += data
            source: bytes | bytearray = rest
        else:
            source = data
        position, end = 0, len(source)
        with memoryview(source) as view:
            while end - position >= 4:
                (length,) = LENGTH.unpack_from(view, position)
                if length > self.limit:
                    raise ProtocolError(
                        f"a frame of {length} bytes is over the limit of {self.limit}",
                        "size",
                    )
                stop = position + 4 + length
                if stop > end:
                    break
                with view[position:stop] as frame:
                    yield frame
                position = stop
        # A bytearray of which a view lives cannot change its size, and a view
        # may outlive its use: with its frame, in a traceback or a profiler. So
        # from here on nothing is done to one that frames were cut from.
        if source is not rest:
            rest += source[position:]
        elif position:
            self._rest = rest[position:]

    def _is_one(self, data: bytes) -> bool:
        """Say whether `data` is one whole frame, as it is on a quiet link."""
        return (
            len(data) >= LENGTH.size
            and len(data) == LENGTH.unpack_from(data)[0] + LENGTH.size
            and len(data) - LENGTH.size <= self.limit
        )

    @property
    def waiting(self) -> int:
        """How many bytes of an unfinished frame are here."""
        return len(self._rest)

    def take_rest(self) -> bytes:
        """Return and forget the bytes of an unfinished frame."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest
