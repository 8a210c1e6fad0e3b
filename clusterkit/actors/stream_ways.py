"""The way from one end of a stream to the other: over a link, or within a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.actors.faults import from_fault, to_fault
from clusterkit.errors import EncodeError, MessageTooLarge, RemoteFault
from clusterkit.net.peer import UNSENT_BULK, Lack
from clusterkit.wire import messages as m
from clusterkit.wire.codec import too_large
from clusterkit.wire.shape import Undecodable
from clusterkit.wire.stream_values import CHUNK_ROOM, decode_value, encode_value
from clusterkit.wire.streams import CHUNK_BYTES, CHUNK_COST, PACKED, RAW, Chunk, about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clusterkit.actors.runtime import Runtime
    from clusterkit.actors.stream_end import StreamEnd
    from clusterkit.errors import ClusterError
    from clusterkit.net.peer import Peer

HERE: Final = -1
"""The form of a message that stays on its node: the data is the message itself."""

_BYTES = (bytes, bytearray, memoryview)


class ToPeer:
    """Over a link.

    Args:
        runtime: The node's.
        peer: Where the other end is.
        id: The stream's.
        side: The side of this end.
    """

    __slots__ = ("_about", "_id", "_peer", "_runtime", "_side")

    def __init__(self, runtime: Runtime, peer: Peer, id: int, side: int) -> None:
        self._runtime = runtime
        self._peer = peer
        self._id = id
        self._side = side
        self._about = about(id, side)

    @property
    def crowded(self) -> bool:
        """Whether more is unsent than a sender may add to."""
        peer = self._peer
        hurried = peer.connection is not None and peer.outbox.bulk_bytes > UNSENT_BULK
        return hurried or peer.full

    async def room(self) -> None:
        """Wait until half of that is sent, or something else has changed."""
        await self._peer.room(Lack.OUTBOX if self._peer.full else Lack.BULK)

    def unpark(self) -> None:
        """Have whoever waits for room look again."""
        self._peer.unpark()

    def cut(self, message: Any) -> Iterator[Chunk]:
        """Yield the chunks that a message travels as.

        Raises:
            EncodeError: It cannot travel.
            MessageTooLarge: It is more than the peer takes.
        """
        most = self._peer.max_message - CHUNK_ROOM
        if isinstance(message, _BYTES):
            yield from _pieces(message, min(CHUNK_BYTES, most))
            return
        data = encode_value(self._runtime.kernel.codec, message)
        if len(data) > most:
            raise too_large(len(data), most)
        yield Chunk(PACKED, data, len(data))

    def chunk(self, chunk: Chunk) -> None:
        """Send a chunk, together with what follows it."""
        self._post([m.CHUNK, self._id, self._side, chunk.form, chunk.data])

    def credit(self, credit: int) -> None:
        """Grant the other end credit."""
        self._post([m.CREDIT, self._id, self._side, credit])

    def end(self, error: BaseException | None) -> None:
        """Say that no more will be sent, or why."""

        def say(code: str, details: list[Any]) -> None:
            self._post([m.END, self._id, self._side, code, details])

        _say_end(error, say)

    def value_of(self, chunk: Chunk) -> Any:
        """Return what the application gets, or an `Undecodable`."""
        if chunk.form == RAW:
            return chunk.data
        if chunk.form == PACKED:
            return decode_value(self._runtime.kernel.codec, chunk.data)
        return Undecodable(f"its form {chunk.form} is not known here")

    def _post(self, record: list[Any]) -> None:
        """Queue a record; all of a stream's but its Open and its answer go by here.

        Chunks give way to what is small, each stream's in turn. What follows
        them in their direction, its answer included, stays behind them.
        """
        peer, kind = self._peer, record[m.KIND]
        data = self._runtime.encode(record, peer.max_message)
        if kind == m.CHUNK:
            peer.outbox.append_bulk(data, kind, self._about, self._about)
        elif kind == m.END:
            peer.post(data, kind, self._about, flow=self._about)
        else:
            peer.post(data, kind, self._about)
        peer.wake()


class ToHere:
    """Within the node: what one end says, the other has heard.

    Args:
        runtime: The node's.
        other: The other end.
    """

    __slots__ = ("_other", "_runtime")

    crowded = False

    def __init__(self, runtime: Runtime, other: StreamEnd) -> None:
        self._runtime = runtime
        self._other = other

    async def room(self) -> None:
        """Nothing waits for a link."""

    def unpark(self) -> None:
        """Nobody waits for one."""

    def cut(self, message: Any) -> Iterator[Chunk]:
        """Yield the chunks of a message: by reference, as in local calls.

        Raises:
            EncodeError, MessageTooLarge: In the simulator: it could not travel.
        """
        if isinstance(message, _BYTES):
            yield from _pieces(message, CHUNK_BYTES)
            return
        copy = self._runtime.localise([m.CHUNK, 0, 0, 0, message])[m.DATA]
        yield Chunk(HERE, copy, CHUNK_COST)

    def chunk(self, chunk: Chunk) -> None:
        """Hand over a chunk."""
        self._other.put(chunk)

    def credit(self, credit: int) -> None:
        """Grant the other end credit."""
        self._other.grant(credit)

    def end(self, error: BaseException | None) -> None:
        """Say that no more will be sent, or why."""

        def say(code: str, details: list[Any]) -> None:
            details = self._runtime.localise([m.END, 0, 0, code, details])[
                m.END_DETAILS
            ]
            self._other.hear_end(end_error(code, details, self._other.where))

        _say_end(error, say)

    def value_of(self, chunk: Chunk) -> Any:
        """Return what the application gets."""
        return chunk.data


def end_error(
    code: str, details: list[Any], where: dict[str, Any]
) -> ClusterError | None:
    """Return the error that an End means to who hears it, None if it is a plain one.

    Args:
        code: What `to_fault` gave, or "".
        details: The same.
        where: What a `CallError` tells of the stream.
    """
    return from_fault(code, details, where) if code else None


def _say_end(
    error: BaseException | None, say: Callable[[str, list[Any]], None]
) -> None:
    """Say why a direction ends; if that cannot travel, less of it."""
    if error is None:
        say("", [])
        return
    for most in (None, 256, 0):
        try:
            say(*to_fault(error, most=most))
        except (EncodeError, MessageTooLarge):
            continue  # with less of it
        return
    say(RemoteFault.code, ["Unsendable", ""])


def _pieces(data: bytes | bytearray | memoryview, most: int) -> Iterator[Chunk]:
    """Yield bytes in chunks of at most `most`; none for none."""
    if type(data) is bytes and 0 < len(data) <= most:
        yield Chunk(RAW, data, len(data))
        return
    view = memoryview(data)
    view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    for start in range(0, len(view), most):
        piece = bytes(view[start : start + most])
        yield Chunk(RAW, piece, len(piece))
