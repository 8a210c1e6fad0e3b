"""One end of a stream: what its two directions come to, and who waits for them.

The accounting is in `wire/streams.py`; here are the tasks. What comes in, by
`put`, `grant`, `hear_end` and `close`, is taken at once, whoever reads: it
waits in this end and nowhere else. What goes out waits for credit, and for
room on the link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from clusterkit.actors.faults import text_of
from clusterkit.errors import BadMessage, StreamClosed, StreamTimeout
from clusterkit.wire.shape import Undecodable
from clusterkit.wire.streams import MOST_CREDIT, Inflow, Outflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clusterkit.actors.own_thread import OwnThread
    from clusterkit.errors import ClusterError, StreamError
    from clusterkit.wire.streams import Chunk

YIELD_EVERY: Final = 64
"""Of messages that need not be waited for, one lets other tasks run."""


SIGN_OF_LIFE: Final = 0.25
"""Part of the patience after which a reader that goes on grants what it has taken.
Else a sender would take one that is slow for one that has stopped: it may have
thousands of messages before it."""


class Way(Protocol):
    """How what one end says gets to the other."""

    @property
    def crowded(self) -> bool:
        """Whether a chunk has to wait for others of the link."""
        ...

    async def room(self) -> None:
        """Wait until that may have changed."""
        ...

    def unpark(self) -> None:
        """Have whoever waits for room look again."""
        ...

    def cut(self, message: Any) -> Iterator[Chunk]:
        """Yield the chunks that a message travels as; raises if it cannot."""
        ...

    def chunk(self, chunk: Chunk) -> None:
        """Send a chunk."""
        ...

    def credit(self, credit: int) -> None:
        """Grant the other end credit."""
        ...

    def end(self, error: BaseException | None) -> None:
        """Say that no more will be sent, or why."""
        ...

    def value_of(self, chunk: Chunk) -> Any:
        """Return what the application gets, or an `Undecodable`."""
        ...


class StreamEnd:
    """What is common to the end that opened a stream and the handler's.

    Args:
        thread: The node's own; nobody else may use this.
        window: Bytes that the other end may be ahead of the reader here.
        patience: Seconds that somebody here waits with nothing moving.

    Attributes:
        thread: As given.
        inflow: What the other end sends.
        outflow: What this one does.
        way: How it gets there; once it is open.
        patience: As given.
        over: Whether nothing is sent in either direction any more.
        failure: Why it ended before its end, None if it has not.
        complaint: The last message that could not be built.
        where: What a `CallError` tells of the stream.
    """

    __slots__ = (
        "_granted",
        "_items",
        "_lot",
        "_moves",
        "_turn",
        "_without_room",
        "complaint",
        "failure",
        "inflow",
        "outflow",
        "over",
        "patience",
        "thread",
        "way",
        "where",
    )

    way: Way

    def __init__(self, thread: OwnThread, window: int, patience: float) -> None:
        self.thread = thread
        self.inflow = Inflow(min(window, MOST_CREDIT))
        self.outflow = Outflow()
        self.patience = patience
        self.over = False
        self.failure: BaseException | None = None
        self.complaint: BadMessage | None = None
        self.where: dict[str, Any] = {}
        self._granted = trio.current_time()
        self._lot = trio.lowlevel.ParkingLot()
        self._turn = trio.Lock()
        self._moves = self._items = self._without_room = 0

    def __repr__(self) -> str:
        state = "over" if self.over else "open"
        return f"<{type(self).__name__} {state} {self.inflow!r} {self.outflow!r}>"

    def put(self, chunk: Chunk) -> bool:
        """Take a chunk of the other end's; say whether it is one of this stream.

        Raises:
            StreamOverrun: The other end has no credit.
        """
        taken = self.inflow.put(chunk)
        self._moved()
        return taken

    def grant(self, credit: int) -> bool:
        """Take credit from the other end; say whether it was any."""
        granted = self.outflow.grant(credit)
        self._moved()
        return granted

    def hear_end(self, error: ClusterError | None) -> bool:
        """Hear that the other end sends no more; say whether that is news."""
        news = self.inflow.end(error)
        self._moved()
        return news

    def close(self, failure: BaseException | None = None) -> None:
        """End both directions; what has come can still be read."""
        self.over, self.failure = True, self.failure or failure
        self.inflow.end()
        self._moved()
        if self._without_room:
            self.way.unpark()

    def cut_off(self, failure: StreamError) -> StreamError:
        """End the stream from here, for a reason; return the failure."""
        self.inflow.discard()
        self.close(failure)
        return failure

    def owns(self, error: BaseException) -> bool:
        """Say whether an error was raised by this end, for what befell it."""
        return error in (self.failure, self.inflow.error, self.complaint)

    async def send(self, message: Any) -> None:
        """Send a message, each part of it when it may be."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self.thread.require()
        self.check_sending()
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()
        try:
            for chunk in self.way.cut(message):
                await self._until_it_may_be_sent()
                self.way.chunk(chunk)
                self.outflow.spend(chunk.size)
        finally:
            self._turn.release()
        await self._give_way()

    def check_sending(self) -> None:
        """Raise why nothing can be sent, if so."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        if self.over:
            what = "its handler has returned, and takes nothing more"
            raise StreamClosed(what, **self.where)
        if self.outflow.ended:
            raise RuntimeError("this end of the stream has said that it sends no more")

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more is sent, or why; do nothing if that is known."""
        self.thread.require()
        if self.outflow.end() and not self.over:
            self.way.end(error)

    async def next(self) -> Chunk | None:
        """Return the next chunk when there is one, None at the end."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self.thread.require()
        inflow = self.inflow
        while not inflow.chunks:
            # The sender's own word comes before what became of the stream later.
            failure = inflow.error or self.failure
            if failure is not None:
                raise failure.with_traceback(None)
            if inflow.ended:
                return None
            await self.change()
        chunk = inflow.pop()
        now = trio.current_time()
        credit = inflow.due(soon=now >= self._granted + SIGN_OF_LIFE * self.patience)
        if credit and not self.over:
            self._granted = now
            self.way.credit(credit)
        await self._give_way()
        return chunk

    def value_of(self, chunk: Chunk) -> Any:
        """Return what the application gets for a chunk.

        Raises:
            BadMessage: It cannot be built here.
        """
        value = self.way.value_of(chunk)
        if isinstance(value, Undecodable):
            self.complaint = BadMessage(text_of(value.reason), **self.where)
            raise self.complaint
        return value

    async def change(self) -> None:
        """Wait until something has moved; not longer than the patience lasts.

        Raises:
            StreamTimeout: Nothing has. The stream is over.
        """
        moves = self._moves
        with trio.move_on_after(self.patience):
            await self._lot.park()
            return
        await self._out_of_patience(moves)

    async def _out_of_patience(self, moves: int) -> None:
        # When a handler has held the loop, something may be there that only
        # gets in with this very pass.
        await trio.lowlevel.checkpoint()
        if self._moves == moves:
            text = f"nothing moved for {self.patience:g} s"
            raise self.cut_off(StreamTimeout(text, **self.where))

    async def _until_it_may_be_sent(self) -> None:
        while True:
            self.check_sending()
            if self.outflow.credit <= 0:
                await self.change()
            elif self.way.crowded:
                await self._room()
            else:
                return
            # What woke it may be a Cancel as well.
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _room(self) -> None:
        """Wait for room on the link, or an end of the stream."""
        moves = self._moves
        self._without_room += 1
        try:
            with trio.move_on_after(self.patience):
                await self.way.room()
                return
        finally:
            self._without_room -= 1
        await self._out_of_patience(moves)

    async def _give_way(self) -> None:
        """Let others run after some messages that nobody had to wait for."""
        self._items += 1
        if self._items % YIELD_EVERY == 0:
            # Shielded: what was sent or taken before would be denied.
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _moved(self) -> None:
        self._moves += 1
        if self._lot:
            self._lot.unpark_all()
