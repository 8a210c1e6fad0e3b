"""Streams, as those see them who use them: a handler, and who opened one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from clusterkit.errors import ConfigError, StreamTooLong
from clusterkit.wire.streams import RAW

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from clusterkit.actors.opening import OpenedEnd
    from clusterkit.actors.stream_end import StreamEnd

R = TypeVar("R")

COLLECT_LIMIT: Final = 10_000_000
"""Bytes that `collect` keeps unless told otherwise."""


class Stream:
    """One end of a stream: what an actor's `@stream` handler gets.

    Both ends may send and receive at once, in each direction as much as the
    other end takes. Iterating receives:

        @stream
        async def write(self, incoming: Stream, path: str) -> int:
            size = 0
            async for piece in incoming:
                size += len(piece)
            return size

    Bytes arrive in pieces of at most 32 KiB, whatever they were sent as;
    anything else is a message, and arrives as it is.

    Guarantees:
        What one end sends the other receives in that order, once, also when
        the connection breaks and comes back in between; if not all, then it
        learns so by an exception. A sender is never further ahead of the
        reader than `stream_bytes` and one message. A stream ends with the
        life of the actor, of either process, and when the nodes lose sight
        of each other (`NodeDown`).

    Cancellation:
        Of a wait to receive: nothing is lost. Of a wait to send: a message
        was not sent; of bytes, perhaps some pieces were.
    """

    __slots__ = ("_end",)

    def __init__(self, end: StreamEnd) -> None:
        self._end = end

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._end!r}>"

    async def send(self, message: Any) -> None:
        """Send bytes, or any message that could be an argument of a call.

        Waits while the other end is too far behind, or the link is busy. Of
        several tasks that send at once, one comes after the other.

        Args:
            message: `bytes`, `bytearray` and `memoryview` are bytes. Within
                the node other messages are passed by reference: treat them as
                frozen.

        Raises:
            StreamClosed: The handler has returned: it takes no more.
            StreamTimeout: Nothing moved for too long. The stream is over.
            EncodeError, MessageTooLarge: The message cannot travel; the
                stream goes on.
            RuntimeError: This end has said that it sends no more.
            CallError, NodeDown: What else ended the stream.

        Cancellation:
            As the class says.
        """
        await self._end.send(message)

    def end(self) -> None:
        """Say that this end sends no more; it may go on receiving.

        A handler need not say so: it does by returning. What is said already
        is not said again.

        Raises:
            RuntimeError: The stream is not open yet.
        """
        self._end.end()

    def fail(self, error: Exception) -> None:
        """End what this end sends with an error, which the other end's reader raises.

        It gets what it would get of an error in a handler: a `Rejected` as it
        is, anything else as a `RemoteFault`. Does nothing after an end.

        Args:
            error: Why there is no more.

        Raises:
            TypeError: It is no exception, or a class of them.
            RuntimeError: The stream is not open yet.
        """
        if not isinstance(error, Exception):  # None would be an end without one
            raise TypeError(f"a stream fails with an exception, not {error!r:.100}")
        self._end.end(error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """Return the next piece or message.

        Raises:
            StopAsyncIteration: The other end sends no more.
            StreamTimeout: Nothing moved for too long. The stream is over.
            BadMessage: This message cannot be built here; go on with the next.
            CallError, NodeDown: What ended the stream, after all that came
                before; of the other end's `fail`, its error.
        """
        chunk = await self._end.next()
        if chunk is None:
            raise StopAsyncIteration
        return self._end.value_of(chunk)

    async def collect(self, limit: int = COLLECT_LIMIT) -> Any:
        """Receive everything up to the end.

        Args:
            limit: Most bytes to keep. Messages count as they are encoded; one
                from the same node counts 64.

        Returns:
            The bytes in one piece, `b""` if nothing came; a list if what came
            were messages.

        Raises:
            ConfigError: The limit is no number; nothing was received.
            StreamTooLong: There is more; the stream is over.
            CallError, NodeDown: As when receiving.

        Cancellation:
            What has been collected is lost.
        """
        _check_limit(limit)
        parts, size, raw = [], 0, True
        while (chunk := await self._end.next()) is not None:
            size += chunk.size
            if size > limit:
                error = StreamTooLong(f"more than {limit} bytes", **self._end.where)
                raise self._end.cut_off(error)
            raw = raw and chunk.form == RAW
            parts.append(self._end.value_of(chunk))
        return b"".join(parts) if raw else parts


class OpenStream(Stream, Generic[R]):
    r"""The end of who opens a stream; see `ActorRef.stream`.

    Entering the block opens it, leaving the block ends it: if the handler has
    not returned by then, it is cancelled.

        async with files.stream(Files.write, "log") as out:
            await out.send(b"one line\n")
            size = await out.finish()
    """

    __slots__ = ("_opened",)

    def __init__(self, end: OpenedEnd) -> None:
        super().__init__(end)
        self._opened = end

    async def __aenter__(self) -> Self:
        await self._opened.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.leave()

    async def result(self) -> R:
        """Wait for the handler to return; return its value.

        It may wait, in turn, for what you have to send, or until you receive
        what it sends; then do that first, or in another task.

        Raises:
            StreamTimeout: Nothing moved for too long. The stream is over, and
                the handler is cancelled.
            CallError, NodeDown: What ended the stream otherwise, as for a call.

        Cancellation:
            Ends the wait only.
        """
        value: R = await self._opened.result()
        return value

    async def finish(self) -> R:
        """Say that you send no more, and wait for the handler's value.

        Raises and is cancelled as `result`.
        """
        self.end()
        return await self.result()


def _check_limit(limit: object) -> None:
    if not isinstance(limit, (int, float)) or not limit >= 0:
        raise ConfigError(f"a limit is a number of bytes, not {limit!r:.100}")
