"""One live connection: a stream, the session on it, and the three tasks between.

The reader delivers what comes, the writer sends what waits, the timer keeps
Acks and Pings on time. The one subtle thing is when to write: on an idle wire
the task that has something to say writes it itself (`flush`), which saves a
task switch; on a busy one it only wakes the writer (`wake`), which then sends
everything that has gathered in one frame. One pack, one seal and one write per
scheduler pass instead of per message is where the throughput comes from.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import ProtocolError
from clusterkit.net.alarm import alarm
from clusterkit.net.transport import StreamBroken

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.net.transport import Stream
    from clusterkit.wire.messages import Record
    from clusterkit.wire.outbox import Outbox
    from clusterkit.wire.session import Session

logger = logging.getLogger("clusterkit.net")

DIRECT_BYTES: Final = 64 * 1024
"""More than this waiting is the writer's work, not the sender's."""

DIRECT_WRITES: Final = 16
"""Direct writes in a row, with nothing received in between, before the writer
takes over: a task that sends many small things is better batched."""

WRITE_TURN: Final = 256 * 1024
"""The writer lets others run after so many bytes that the socket took at once."""

READ_TURN: Final = 1024 * 1024
READ_RECORDS: Final = 1024
"""The reader lets others run after so many bytes or records. Many small ones
count, too: a reader that outruns the actors only fills their mailboxes."""


class Connection:
    """Runs a session on a stream until one of them ends.

    Args:
        stream: Connected; closed when the connection ends.
        session: Authenticated.
        outbox: What the session takes its records from.
        deliver: Gets the records of each frame and its size, at once.
        early: Bytes that came together with the end of the handshake.
    """

    __slots__ = (
        "_alarm",
        "_deliver",
        "_direct",
        "_early",
        "_heard",
        "_idle",
        "_now",
        "_outbox",
        "_parked",
        "_rest",
        "_scope",
        "_stream",
        "ended",
        "error",
        "session",
    )

    def __init__(
        self,
        stream: Stream,
        session: Session,
        outbox: Outbox,
        deliver: Callable[[list[Record], int], None],
        early: bytes = b"",
    ) -> None:
        self._stream = stream
        self.session = session
        self._outbox = outbox
        self._deliver = deliver
        self._early = early
        self._scope = trio.CancelScope()
        self._alarm = alarm()
        # `trio.current_time` without its two layers: it is asked for every frame.
        self._now = trio.lowlevel.current_clock().current_time
        self._parked: trio.lowlevel.Task | None = None
        self._rest: bytes | memoryview = b""
        self._direct = 0
        self._heard: trio.Event | None = None
        self._idle: trio.Event | None = None
        self.ended: str | None = None
        self.error: ProtocolError | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.ended or 'open'} {self.session!r}>"

    async def run(self) -> str:
        """Carry the session until it ends; return why it did.

        Returns:
            `closed`, `bye`, `dead`, the reason of the `error` if the peer
            broke the protocol, `error` if what it sent could not be taken for
            a fault of ours, the text of a broken stream, or what `detach` was
            given.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._keep_time)
                    await self._read()
        finally:
            self.detach("closed")
        return self.ended or "closed"

    def detach(self, reason: str) -> None:
        """End at once: nothing more is read, delivered or written."""
        if self.ended is None:
            self.ended = reason
            self._stream.close()
            self._scope.cancel()
            if self._idle is not None:
                self._idle.set()

    def wake(self) -> None:
        """Have the writer send what waits, with all that comes until it runs."""
        task = self._parked
        if task is not None:
            # First, since it raises in another thread; then nothing has changed.
            trio.lowlevel.reschedule(task)
            self._parked = None

    def flush(self) -> None:
        """Write what waits from this task if the wire is free, else `wake`."""
        if self._rest:
            return  # the writer is at work and will take it along
        if self._direct >= DIRECT_WRITES or self._outbox.bytes > DIRECT_BYTES:
            self.wake()
            return
        self._direct += 1
        session = self.session
        frame = session.next_frame(self._now())
        if frame is None:
            return
        try:
            sent = self._stream.send_nowait(frame)
        except StreamBroken as error:
            self.detach(str(error))
            return
        if sent < len(frame):
            self._rest = memoryview(frame)[sent:]
            self.wake()
        elif session.has_work:
            self.wake()

    async def probe(self, patience: float) -> bool:
        """Ping the peer; say whether any byte came within `patience` seconds."""
        heard = self._heard
        if heard is None or heard.is_set():  # else another waits on it, too
            heard = self._heard = trio.Event()
        self.session.say_ping()
        self.flush()
        with trio.move_on_after(patience):
            await heard.wait()
        return heard.is_set()

    def leave(self) -> trio.Event:
        """Say Bye; what is queued from here on is not sent on this connection.

        Returns:
            What is set when all is written, or the connection has ended.
        """
        if self._idle is None:
            self._idle = trio.Event()
            self.session.say_bye()
            self.wake()
        return self._idle

    async def finish(self) -> None:
        """Say Bye, wait until it is on its way, and end."""
        if self.ended is not None:
            return
        await self.leave().wait()
        self.detach("bye")

    async def _read(self) -> None:
        """Deliver what comes; detach with the reason when it ends."""
        turn = records = 0
        try:
            if self._early:
                self._take(self._early)
            while data := await self._stream.receive():
                if self.ended is not None:
                    return
                turn += len(data)
                records += self._take(data)
                if turn >= READ_TURN or records >= READ_RECORDS:
                    turn = records = 0
                    await trio.lowlevel.checkpoint()
            self.detach("closed")
        except StreamBroken as error:
            self.detach(str(error))
        except ProtocolError as error:
            self.error = error
            self.detach(error.reason)

    def _take(self, data: bytes) -> int:
        """Deliver what `data` completes; return how many records that was."""
        count = 0
        session = self.session
        self._direct = 0
        for records, size in session.receive_data(data, self._now()):
            count += len(records)
            try:
                self._deliver(records, size)
            except Exception:  # a bug above costs this connection, not the node
                logger.exception("the records of a frame were not all taken")
                self.detach("error")
            if self.ended is not None:  # delivering one record closed the link
                return count
        if self._heard is not None:
            self._heard.set()
        if session.peer_left:
            self.detach("bye")
        elif session.has_work:
            self.flush()
        due = session.ack_due
        if due is not None:
            self._alarm.hasten(due)
        return count

    async def _write(self) -> None:
        turn = 0
        try:
            while True:
                self._direct = 0
                if not self._rest:
                    self._rest = self.session.next_frame(self._now()) or b""
                if not self._rest:
                    await self._park()
                    turn = 0
                    continue
                turn += len(self._rest)
                await self._send_rest()
                if turn > WRITE_TURN:
                    turn = 0
                    await trio.lowlevel.checkpoint()
        except StreamBroken as error:
            self.detach(str(error))

    async def _send_rest(self) -> None:
        view = memoryview(self._rest)
        while view:
            sent = self._stream.send_nowait(view)
            view = self._rest = view[sent:]
            if view:
                await self._stream.wait_writable()
        self._rest = b""

    async def _park(self) -> None:
        if self._idle is not None:
            self._idle.set()
        self._parked = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _keep_time(self) -> None:
        """Wake the session when something is due; end it when the peer is dead."""
        while True:
            await self._alarm.wait(self.session.next_deadline)
            if not self.session.on_time(trio.current_time()):
                # When a handler has held the loop, bytes may be there that the
                # reader only gets to see in this very pass.
                await trio.lowlevel.checkpoint()
                if not self.session.on_time(trio.current_time()):
                    self.detach("dead")
            if self.session.has_work:
                self.flush()
