"""What streams have the codec do: an Open, and values that travel by themselves.

A message of a stream is packed before it is put into its Chunk. So both ends
know its size, which is what credit counts, and one that cannot be built is the
reader's error at that message, with no bearing on the frame it came in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.frame import LONGEST, array_header
from clusterkit.wire.shape import MAX_DEPTH, Undecodable, holds_undecodable, too_deep

if TYPE_CHECKING:
    from clusterkit.wire.codec import Codec
    from clusterkit.wire.messages import Record

CHUNK_ROOM: Final = 32
"""More bytes than a Chunk has beside its data."""

_CALL_HEADER: Final = 2  # bytes: the length of the array and the kind
_BEFORE_DATA: Final = 1 + m.DATA  # bytes of a Chunk whose numbers are small


def encode_open(codec: Codec, record: Record, limit: int = LONGEST) -> bytes:
    """Return the bytes of an Open: those of a Call, but for its kind and its window.

    Args:
        codec: The node's.
        record: The Open.
        limit: What the peer accepts, in bytes, the window not counted.

    Raises:
        EncodeError: A value cannot travel; names its path.
        MessageTooLarge: The result is over the limit.
    """
    as_call = codec.encode([m.CALL, *record[1 : m.WINDOW]], limit - CHUNK_ROOM)
    head = array_header(m.WINDOW + 1) + bytes([m.OPEN])
    window: bytes = msgpack.packb(record[m.WINDOW])
    return head + as_call[_CALL_HEADER:] + window


def encode_value(codec: Codec, value: Any) -> bytes:
    """Return the bytes of a value by itself.

    Raises:
        EncodeError: It cannot travel; names the path.
        MessageTooLarge: It is larger than any message of this node may be.
    """
    return codec.encode([m.CHUNK, 0, 0, 0, value])[_BEFORE_DATA:]


def decode_value(codec: Codec, data: bytes) -> Any:
    """Return what `encode_value` was given, or an `Undecodable`.

    Never raises: who reads it is not to blame for what was sent.
    """
    try:
        values = codec.decode(array_header(1) + data)
    except ProtocolError as error:
        return Undecodable(str(error))
    finally:
        codec.take_undecodable()
    if too_deep(values):
        return Undecodable(f"nested deeper than {MAX_DEPTH}")
    return holds_undecodable(values) or values[0]
