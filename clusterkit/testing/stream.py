"""The two ends of a simulated connection, and what accepts them.

Here live the seams `Stream` and `Listener` of `clusterkit.net.transport` over
two pipes. Who can reach whom, ports and faults are `network.py`. Invariant:
an end that is closed or broken never hands out a byte that it had not
received in order, and never takes one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.net.transport import StreamBroken, always
from clusterkit.testing.pipe import FIN, RST

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.names import Address
    from clusterkit.testing.host import MemoryTransport
    from clusterkit.testing.pipe import Pipe

BACKLOG: Final = 128
"""Connections that wait to be accepted; more are not answered."""


class Waiter:
    """The one task that waits for something, if there is one."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    async def wait(self) -> None:
        """Wait for `wake`.

        Raises:
            trio.BusyResourceError: Another task waits already.
        """
        if self._task is not None:
            raise trio.BusyResourceError("another task is waiting here already")
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def wake(self) -> None:
        """Wake the task that waits; without one, nothing happens."""
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        # Only marks: trio aborts tasks in the order of a set, which differs
        # between processes.
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class MemoryStream:
    """One end of a connection between two simulated hosts."""

    def __init__(
        self, transport: MemoryTransport, name: str, outgoing: Pipe, incoming: Pipe
    ) -> None:
        self.transport = transport
        self.name = name
        self.outgoing = outgoing
        self.incoming = incoming
        self.closed = False
        self.broken: str | None = None
        self.gone = False  # closed or broken; asked for each segment
        self._reader = Waiter()
        self._writer = Waiter()
        outgoing.sender = incoming.receiver = self
        transport.streams[self] = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.broken or "open"
        return f"<MemoryStream {self.name} {state}>"

    async def secure(self, heeded: Callable[[], bool] = always) -> bytes:
        """Return that there is nothing to tie greetings to: all is in clear."""
        return b""

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Hand over as many bytes as fit now; 0 when none do.

        Raises:
            StreamBroken: The connection is gone.
        """
        if self.gone:
            raise StreamBroken(self._why())
        pipe = self.outgoing
        size = min(len(data), pipe.room)
        short = pipe.courier.short
        if short and size > 1 and pipe.route.rng.random() < short:
            size = pipe.route.rng.randrange(1, size)
        if size:
            pipe.send(bytes(data if size == len(data) else data[:size]))
        return size

    async def wait_writable(self) -> None:
        """Return when `send_nowait` may take bytes, or the stream broke.

        Raises:
            StreamBroken: This end was closed.
            trio.BusyResourceError: Another task waits here.
        """
        await trio.lowlevel.checkpoint()
        while not self.gone and not self.outgoing.room:
            await self._writer.wait()
        if self.closed:
            raise StreamBroken(self._why())

    async def receive(self) -> bytes:
        """Return the bytes that are there, at least one; `b""` at the end.

        Bytes that are there are returned without a checkpoint.

        Raises:
            StreamBroken: The connection is gone.
            trio.BusyResourceError: Another task waits here.
        """
        pipe = self.incoming
        while not pipe.arrived:
            if self.gone:
                raise StreamBroken(self._why())
            if pipe.ended:
                await trio.lowlevel.checkpoint()
                return b""
            await self._reader.wait()
        return pipe.take()

    def close(self) -> None:
        """Close at once; a task that waits here gets `StreamBroken`.

        What was handed over still travels, and the end after it. If bytes
        have arrived that nobody read, the peer gets a reset instead of the
        end, as from Linux (RFC 2525, section 2.17).
        """
        if self.closed:
            return
        alive = not self.gone
        unread = bool(self.incoming.arrived)
        self.closed = self.gone = True
        self.incoming.arrived.clear()
        if alive:
            self.outgoing.send(RST if unread else FIN)
        self._let_go()

    def reset(self, reason: str) -> None:
        """Break this end; a seeded part of what was unread can still be read.

        Args:
            reason: What `StreamBroken` will say.
        """
        if self.gone:
            return
        self.broken, self.gone = reason, True
        self.incoming.tear()
        self.transport.network.trace(f"{self.name} {reason}")
        self._let_go()

    def abort(self, reason: str, *, tell: bool = True) -> None:
        """End this side and all it had not read; `tell` the peer by a reset."""
        if self.gone:
            return
        self.broken, self.gone = reason, True
        self.incoming.arrived.clear()
        if tell:
            self.outgoing.send(RST)
        self._let_go()

    def sever(self) -> None:
        """Let everything vanish from now on, both ways, and tell nobody."""
        for pipe in (self.outgoing, self.incoming):
            pipe.severed = True
            pipe.lose()

    def wake_reader(self) -> None:
        """Something arrived."""
        self._reader.wake()

    def wake_writer(self) -> None:
        """There is room."""
        self._writer.wake()

    def _let_go(self) -> None:
        self._reader.wake()
        self._writer.wake()
        self.transport.streams.pop(self, None)
        # The last end to go takes the pipes along; until then bytes under
        # way must find an end that is gone, to be answered with a reset.
        if self.outgoing.receiver.gone:
            for pipe in (self.outgoing, self.incoming):
                pipe.lose()
                pipe.route.pipes.pop(pipe, None)

    def _why(self) -> str:
        return f"{self.name} {'closed' if self.closed else self.broken}"


class MemoryListener:
    """A port of a simulated host that accepts connections."""

    def __init__(self, transport: MemoryTransport, address: Address) -> None:
        self._transport = transport
        self._address = address
        self._queue: deque[MemoryStream] = deque()
        self._acceptor = Waiter()
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._queue)} waiting"
        return f"<MemoryListener {self._address} {state}>"

    @property
    def address(self) -> Address:
        """Where it is bound; the port is the real one."""
        return self._address

    @property
    def full(self) -> bool:
        """Whether `BACKLOG` connections wait to be accepted."""
        return len(self._queue) >= BACKLOG

    async def accept(self) -> tuple[MemoryStream, str]:
        """Return the next connection and the peer's host.

        Raises:
            StreamBroken: The listener is closed.
            trio.BusyResourceError: Another task waits here.
        """
        await trio.lowlevel.checkpoint()
        while not self._queue:
            if self._closed:
                raise StreamBroken(f"the listener at {self._address} is closed")
            await self._acceptor.wait()
        stream = self._queue.popleft()
        return stream, stream.outgoing.receiver.transport.name

    def admit(self, stream: MemoryStream) -> None:
        """Queue a connection for `accept`."""
        self._queue.append(stream)
        self._acceptor.wake()

    def close(self) -> None:
        """Stop listening; connections nobody accepted are reset."""
        if self._closed:
            return
        self._closed = True
        self._transport.listeners.pop(self._address.port, None)
        for stream in self._queue:
            stream.abort("was never accepted")
        self._queue.clear()
        self._acceptor.wake()
