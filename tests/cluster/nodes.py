"""Real nodes on real sockets, and a wire between them that can be cut."""

from __future__ import annotations

import resource
import socket
import struct
from contextlib import asynccontextmanager, suppress

import trio

from clusterkit import Config, GenServer, call, cast, create_cluster


class Sink(GenServer):
    """Keeps what it gets, in order."""

    def __init__(self):
        self.got = []

    @cast
    async def put(self, value):
        self.got.append(value)

    @call
    async def add(self, value):
        self.got.append(value)
        return value

    @call
    async def read(self):
        return self.got

    @call(concurrent=True)
    async def wait(self, seconds):
        await trio.sleep(seconds)
        return seconds


@asynccontextmanager
async def running(name, *, port=0, config=None, **options):
    """A node on 127.0.0.1, with the cookie `test` and a sink, if not told otherwise."""
    options = {"cookie": "test", "actors": {"sink": Sink}} | options
    settings = Config(**(config or {}))
    async with create_cluster(
        name, "127.0.0.1", port, config=settings, **options
    ) as node:
        yield node


@asynccontextmanager
async def linked(*, config=None, **options):
    """Two nodes, `a` and `b`; `a` has dialled `b`."""
    async with (
        running("b", config=config, **options) as b,
        running("a", config=config, **options) as a,
    ):
        await a.kernel.connect(b.address)
        yield a, b


@asynccontextmanager
async def crowded(node, silent=1000):
    """So many connections to a node that say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = min(2 * silent + 1024, hard)  # both ends are of this process
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    strangers = []
    try:
        for i in range(silent):
            strangers.append(socket.create_connection(("127.0.0.1", node.port)))
            if i % 50 == 0:
                await trio.lowlevel.checkpoint()
        yield
    finally:
        for sock in strangers:
            sock.close()


def got(node):
    """What the sink of a node has so far."""
    return node._runtime.local("sink").server.got


class Wire:
    """Forwards TCP connections to a port, until told otherwise.

    Attributes:
        port: Where it listens.
        target: The port it forwards to.
        bytes: How many it has forwarded.
        fuse: After so many more bytes both ends are reset; None for never.
        frozen: Whether bytes vanish instead of being forwarded.
        twice: Whether the next bytes to the target are sent twice.
        reflects: Whether the next bytes from the target go back to it, too.
        recorded: What each connection carried to the target, oldest first.
    """

    def __init__(self, listener):
        self.port = listener.socket.getsockname()[1]
        self.target = None
        self.bytes = 0
        self.cuts = 0
        self.fuse = None
        self.frozen = False
        self.twice = False
        self.reflects = False
        self.recorded = []
        self._listener = listener
        self._streams = set()
        self._targets = []

    def cut(self):
        """Reset every connection, at both ends."""
        self.cuts += 1
        self.fuse = None
        for stream in list(self._streams):
            reset(stream)
        self._streams.clear()

    async def inject(self, data):
        """Send bytes of our own to the target, on its newest connection."""
        await self._targets[-1].send_all(data)

    async def serve(self, nursery):
        while True:
            stream = await self._listener.accept()
            nursery.start_soon(self._carry, stream)

    async def _carry(self, ours):
        try:
            theirs = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            reset(ours)
            return
        record = bytearray()
        self.recorded.append(record)
        self._targets.append(theirs)
        pair = {ours, theirs}
        self._streams |= pair
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, ours, theirs, record)
            nursery.start_soon(self._forward, theirs, ours, None)
        self._streams -= pair
        for stream in pair:
            reset(stream)

    async def _forward(self, source, sink, record):
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some(65536):
                if self.frozen:
                    continue
                burns = self.fuse is not None and len(data) >= self.fuse
                if burns:
                    data = data[: self.fuse]
                elif self.fuse is not None:
                    self.fuse -= len(data)
                self.bytes += len(data)
                if record is not None:
                    record += data
                    if self.twice:
                        self.twice, data = False, data * 2
                elif self.reflects:
                    self.reflects = False
                    await source.send_all(data)
                await sink.send_all(data)
                if burns:
                    self.cut()
        for stream in (source, sink):
            with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                reset(stream)


def reset(stream):
    """Close a TCP stream so that the other end gets a reset at once."""
    sock = stream.socket
    if sock.fileno() >= 0:
        with suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        trio.lowlevel.notify_closing(sock)
        sock.close()


@asynccontextmanager
async def open_wire(target=None):
    """A `Wire`, for the length of the block."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, trio.open_nursery() as nursery:
        wire = Wire(listener)
        wire.target = target
        nursery.start_soon(wire.serve, nursery)
        yield wire
        nursery.cancel_scope.cancel()
        wire.cut()


@asynccontextmanager
async def wired(*, config=None, connected=True, **options):
    """Two nodes that reach each other over wires only; yields them and the wires."""
    async with open_wire() as to_a, open_wire() as to_b:
        there = {"advertise": f"127.0.0.1:{to_b.port}"}
        here = {"advertise": f"127.0.0.1:{to_a.port}"}
        async with (
            running("b", config=config, **there, **options) as b,
            running("a", config=config, **here, **options) as a,
        ):
            to_a.target, to_b.target = a.port, b.port
            a.kernel.know(b.info)
            b.kernel.know(a.info)
            if connected:
                await a.kernel.connect(b.address)
            yield a, b, (to_a, to_b)
            for wire in (to_a, to_b):
                wire.fuse, wire.frozen = None, False


@asynccontextmanager
async def stranger(node):
    """A connection to a node, by somebody who may say anything."""
    stream = await trio.open_tcp_stream("127.0.0.1", node.port)
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


async def say(stream, data):
    """Send, unless the node has closed the connection before all of it came."""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)


async def is_closed(stream):
    """Read until the node closes the connection; return what it said."""
    said = b""
    with trio.fail_after(10):
        with suppress(trio.BrokenResourceError):
            while data := await stream.receive_some():
                said += data
    return said
