"""Signed, batched records over a socket: the ceiling that `baseline.py` runs.

    frame = u32 length | u64 counter | records in MessagePack | 32-byte HMAC

Whatever waits when a frame is made goes into it: one pack, one seal, one write.
A wire on which nothing else is under way is written directly by the task that
has something to say. One process's one connection, one fixed key.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from struct import Struct
from typing import TYPE_CHECKING, Any

import msgpack
import outcome
import trio
from trio import lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

    Record = tuple[int, int, str | None, Any]

CALL, CAST, REPLY = range(3)
HEADER = Struct(">IQ")
TAG_BYTES = 32
OVERHEAD = HEADER.size - 4 + TAG_BYTES
KEY = b"k" * 64  # as long as a SHA-256 block, so that it needs no padding
BATCH = 1_024
"""Casts after which the caster gives way, so that they are written."""
RECEIVE_BYTES = 256 * 1024


class Seal:
    """HMAC-SHA256 with the two key blocks hashed beforehand."""

    def __init__(self) -> None:
        self.inner = hashlib.sha256(bytes(x ^ 0x36 for x in KEY))
        self.outer = hashlib.sha256(bytes(x ^ 0x5C for x in KEY))

    def tag(self, *parts: bytes | memoryview) -> bytes:
        inner = self.inner.copy()
        for part in parts:
            inner.update(part)
        outer = self.outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def _nothing(event: str, value: Any) -> Any:
    raise LookupError(f"nothing here answers {event}")


class Wire:
    """One connection: calls and casts out, a handler for those that come."""

    def __init__(
        self,
        sock: trio.socket.SocketType,
        handle: Callable[[str, Any], Any] = _nothing,
    ) -> None:
        # trio's socket checkpoints on every operation; a plain one lets a send
        # go out without a turn of the scheduler.
        self.sock = socket.socket(fileno=sock.detach())
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.handle = handle
        self.pack = msgpack.Packer(autoreset=True).pack
        self.tag = Seal().tag
        self.queue: list[Record] = []
        self.unsent: list[memoryview] = []
        self.writer: lowlevel.Task | None = None
        self.calls: dict[int, lowlevel.Task] = {}
        self.last_call = self.sent = self.received = 0

    async def call(self, event: str, value: Any) -> Any:
        """Send a call and wait for its reply."""
        self.last_call += 1
        alone = not self.calls and not self.queue
        self.calls[self.last_call] = lowlevel.current_task()
        self.queue.append((CALL, self.last_call, event, value))
        if alone:
            self.write_now()
        else:
            self.wake_writer()
        return await lowlevel.wait_task_rescheduled(_abort)

    async def cast(self, event: str, value: Any) -> None:
        """Queue a cast, giving way when a batch is full."""
        self.queue.append((CAST, 0, event, value))
        if len(self.queue) >= BATCH:
            self.wake_writer()
            await lowlevel.checkpoint()
            while len(self.queue) >= BATCH:
                await lowlevel.checkpoint()

    async def run(self) -> None:
        """Read and write until the other side closes."""
        with self.sock:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.write)
                await self.read()
                nursery.cancel_scope.cancel()

    # Out

    def frame(self) -> list[memoryview]:
        """Turn all that waits into one frame."""
        body = self.pack(self.queue)
        self.queue.clear()
        self.sent += 1
        header = HEADER.pack(len(body) + OVERHEAD, self.sent)
        return [memoryview(part) for part in (header, body, self.tag(header, body))]

    def write_now(self) -> None:
        """Write what waits if the writer is idle; else it will."""
        if self.writer is not None and self.queue:
            self.unsent = self.frame()
            self.push()
            if self.unsent:
                self.wake_writer()

    def push(self) -> None:
        """Give the socket as much as it takes."""
        try:
            sent = self.sock.sendmsg(self.unsent)
        except BlockingIOError:
            return
        while self.unsent and sent >= len(self.unsent[0]):
            sent -= len(self.unsent.pop(0))
        if self.unsent:
            self.unsent[0] = self.unsent[0][sent:]

    def wake_writer(self) -> None:
        if self.writer is not None:
            lowlevel.reschedule(self.writer)
            self.writer = None

    async def write(self) -> None:
        """Write frames for ever, parked while there is nothing to say."""
        me = lowlevel.current_task()
        while True:
            if self.unsent:
                await lowlevel.wait_writable(self.sock)
                self.push()
            elif self.queue:
                self.unsent = self.frame()
                self.push()
            else:
                self.writer = me
                await lowlevel.wait_task_rescheduled(_abort)

    # In

    async def read(self) -> None:
        """Cut what comes into frames and act on them."""
        buffer = bytearray(RECEIVE_BYTES)
        end = 0
        while True:
            try:
                got = self.sock.recv_into(memoryview(buffer)[end:])
            except BlockingIOError:
                await lowlevel.wait_readable(self.sock)
                continue
            if not got:
                return
            end = self.take(buffer, end + got)
            self.write_now()

    def take(self, buffer: bytearray, end: int) -> int:
        """Act on the whole frames of `buffer`; return what is left in it."""
        position = 0
        with memoryview(buffer) as view:
            while end - position >= HEADER.size:
                stop = position + 4 + HEADER.unpack_from(view, position)[0]
                if stop > end:
                    break
                self.open(view[position:stop])
                position = stop
            if position < end:
                view[: end - position] = view[position:end]
        end -= position
        if end >= HEADER.size:
            # A memoryview of the buffer is released by now, so it can grow.
            missing = 4 + HEADER.unpack_from(buffer)[0] - len(buffer)
            buffer.extend(bytes(max(missing, 0)))
        return end

    def open(self, frame: memoryview) -> None:
        """Check a frame's seal and act on its records."""
        self.received += 1
        if HEADER.unpack_from(frame)[1] != self.received or not hmac.compare_digest(
            self.tag(frame[:-TAG_BYTES]), frame[-TAG_BYTES:]
        ):
            raise ValueError("a frame that the other side has not signed")
        records = msgpack.unpackb(frame[HEADER.size : -TAG_BYTES])
        frame.release()
        for kind, number, event, value in records:
            if kind == REPLY:
                lowlevel.reschedule(self.calls.pop(number), outcome.Value(value))
            else:
                answer = self.handle(event, value)
                if kind == CALL:
                    self.queue.append((REPLY, number, None, answer))


def _abort(_: object) -> lowlevel.Abort:
    return lowlevel.Abort.SUCCEEDED
