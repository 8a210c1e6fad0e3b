"""The handler's end of a stream, and how an actor comes to run the handler.

An Open waits in the mailbox like a call. When the actor comes to it, the
handler begins beside others, and with that the opener gets credit. The record
carries the handler's end, so whoever forgets the call forgets the stream.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from clusterkit.actors.handlers import LATER
from clusterkit.actors.stream import Stream
from clusterkit.actors.stream_end import StreamEnd
from clusterkit.actors.unhandled import unknown_handler
from clusterkit.errors import CallError, NoSuchHandler, StreamClosed
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from clusterkit.actors.handlers import Handler
    from clusterkit.actors.here import Origin
    from clusterkit.actors.loop import Loop
    from clusterkit.actors.runtime import Runtime
    from clusterkit.actors.server import GenServer
    from clusterkit.wire.messages import Record

SERVED: Final = m.WINDOW + 1
"""Where in an Open that waits or runs its `ServedEnd` is."""


MOST_AHEAD: Final = 64 * 1024 * 1024
"""Bytes that those who open streams at one node may be ahead with all of them. Of
many streams each gets a smaller window, or a peer could make this node keep
`stream_bytes` for each of its `inbound_calls`."""


def patience_of(record: Record) -> float:
    """Return the seconds that both ends of an Open are to wait at most."""
    patience: int = record[m.PATIENCE]
    return patience / 1000 if patience > 0 else inf


class ServedEnd(StreamEnd):
    """The handler's end of a stream.

    Args:
        runtime: The node's.
        origin: Who opened it.
        credit: What the handler may send at once.
        patience: Seconds that it may wait with nothing moving.

    Attributes:
        record: The Open.
    """

    __slots__ = ("_origin", "record")

    record: Record

    def __init__(
        self, runtime: Runtime, origin: Origin, credit: int, patience: float
    ) -> None:
        super().__init__(runtime.thread, runtime.config.stream_bytes, patience)
        self._origin = origin
        self.outflow.grant(credit)

    def check_sending(self) -> None:
        """Raise why nothing can be sent, if so."""
        if not self._open and self.failure is None:  # it is cancelled, and cleans up
            self.failure = self._forsaken()
        super().check_sending()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more is sent, or why; do nothing if that is known."""
        if self._open:
            super().end(error)

    def forsake(self) -> None:
        """Nobody is at the other end any more, so nobody waits for it here.

        The handler is cancelled; but it may be shielded, or have others use the
        stream.
        """
        self.close(None if self.inflow.ended else self._forsaken())

    def _leave(self) -> None:
        """The handler has ended; so does the stream for whoever else uses it."""
        whole = self.inflow.ended and not self.inflow.chunks
        self.inflow.discard()
        what = "its handler has ended"
        self.close(None if whole else StreamClosed(what, **self.where))

    def _forsaken(self) -> StreamClosed:
        return StreamClosed("nobody is at the other end any more", **self.where)

    async def run(self, handler: Handler, server: GenServer) -> Any:
        """Run the handler; return its value.

        Raises:
            Exception: What it raised. What befell the stream comes by itself,
                also if the handler raised it in a group.
        """
        kwargs = self.record[m.KWARGS] or {}
        self._begin()
        try:
            value = await handler.run(
                server, [Stream(self), *self.record[m.ARGS]], kwargs
            )
        except BaseExceptionGroup as group:
            # It wants a function, and takes no method for one.
            own, rest = group.split(lambda error: self.owns(error))  # noqa: PLW0108
            if own is None:
                raise
            raise _leaf(own) if rest is None else rest from None
        finally:
            self._origin.interest -= 1
            self._leave()
        if value is LATER:
            raise RuntimeError(
                "a stream's handler cannot answer later: it is the answer"
            )
        return value

    @property
    def _open(self) -> bool:
        return self._origin.open_calls.get(self.record[m.CALL_ID]) is self.record

    def _begin(self) -> None:
        """Let the opener send."""
        self._origin.interest += 1  # keeps the link, and notices when it is down
        if not self.inflow.ended:
            share = max(1, MOST_AHEAD // self._origin.interest)
            self.inflow.window = min(self.inflow.window, share)
            self.way.credit(self.inflow.open())
        self._origin.wake()


def serve(loop: Loop, record: Record, origin: Any) -> None:
    """Begin to run the handler of an Open that the actor has come to."""
    if loop.settling or origin.open_calls.get(record[m.CALL_ID]) is not record:
        loop.decline(record, origin)
        return
    try:
        handler = _handler_of(loop.server, record)
    except CallError as error:
        loop.runtime.fault(origin, record, error)
        origin.flush()
    else:
        loop.beside.begin(handler, record, origin)


def _handler_of(server: GenServer, record: Record) -> Handler:
    """Return the handler of an Open.

    Raises:
        NoSuchHandler: There is none.
        BadArguments: The arguments do not fit it.
    """
    event = record[m.EVENT]
    handler = server._handlers.get(event)  # noqa: SLF001
    if handler is None:
        raise unknown_handler(server, event, "stream")
    if not handler.is_stream:
        raise NoSuchHandler(f"{event!r} is a {handler.mark}, not a stream")
    handler.check(record[m.ARGS], record[m.KWARGS])
    return handler


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group that is no group itself."""
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, BaseExceptionGroup) else first
