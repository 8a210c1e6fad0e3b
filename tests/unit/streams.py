"""The actor that the tests of streams open streams to, here and elsewhere."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from itertools import count

import pytest
import trio

from clusterkit import GenServer, Rejected, Stream, call, cast, stream
from tests.unit.nodes import alone, pair


class Refused(Rejected):
    code = "test_refused"


class Files(GenServer):
    """Has a stream of each sort, and notes how their handlers end."""

    def __init__(self):
        self.log = []
        self.sent = 0
        self.taken = 0

    async def terminate(self, reason):
        self.log.append(f"terminate {reason}")

    @stream
    async def read(self, out: Stream, *messages):
        """Send messages, and return how many."""
        for message in messages:
            await out.send(message)
        return len(messages)

    @stream
    async def pour(self, out: Stream, piece=b"x" * 1000):
        """Send without end."""
        with self.noting("pour"):
            for _ in count():
                await out.send(piece)
                self.sent += 1

    @stream
    async def write(self, incoming: Stream, pause=0.0):
        """Return everything that comes, taking it slowly."""
        got = []
        with self.noting("write"):
            async for piece in incoming:
                got.append(piece)
                self.taken += len(piece) if isinstance(piece, bytes) else 1
                await trio.sleep(pause)
        return got

    @stream
    async def collect(self, incoming: Stream, limit=10_000_000):
        return await incoming.collect(limit)

    @stream
    async def echo(self, both: Stream):
        async for message in both:
            await both.send(message)
        return "all"

    @stream
    async def wait(self, nothing: Stream, seconds=math.inf):
        with self.noting("wait"):
            await trio.sleep(seconds)
        return seconds

    @stream
    async def refuse(self, out: Stream, *before):
        for message in before:
            await out.send(message)
        raise Refused("no", 7)

    @stream
    async def crash(self, out: Stream, *before):
        for message in before:
            await out.send(message)
        raise KeyError("broken")

    @stream
    async def give_up(self, out: Stream, *before):
        """Fail its own direction, and go on to the end."""
        for message in before:
            await out.send(message)
        out.fail(Refused("half"))
        out.fail(ValueError("again"))
        out.end()
        return "done"

    @stream
    async def half(self, out: Stream, seconds):
        """Send, end, and take a while to return."""
        await out.send(b"half")
        out.end()
        await trio.sleep(seconds)
        return "whole"

    @stream
    async def grouped(self, incoming: Stream):
        """Read in a task of its own."""

        async def read():
            async for _ in incoming:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)

    @stream
    async def caught(self, incoming: Stream):
        """Tell the name of what ends the reading."""
        try:
            await incoming.collect()
        except Exception as error:
            return type(error).__name__
        return None

    @call
    async def ping(self):
        return "pong"

    @call
    async def read_log(self):
        return list(self.log)

    @call
    async def open_own(self):
        async with self.ref.stream(Files.read):
            pass

    @cast
    async def note(self, word):
        self.log.append(word)

    def noting(self, name):
        return Noting(self.log, name)


class Noting:
    """Writes down how a block ends."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def __enter__(self):
        self.log.append(f"{self.name} begins")

    def __exit__(self, kind, *_):
        self.log.append(f"{self.name} {kind.__name__ if kind else 'ends'}")


@asynccontextmanager
async def files_here(**options):
    async with alone(actors={"files": Files}, **options) as node:
        yield node, node


@asynccontextmanager
async def files_copied(**options):
    async with alone(actors={"files": Files}, copy_local=True, **options) as node:
        yield node, node


@asynccontextmanager
async def files_there(**options):
    async with pair(actors={"files": Files}, **options) as nodes:
        yield nodes


PLACES = {"here": files_here, "copied": files_copied, "there": files_there}
EVERYWHERE = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


def files_of(nodes):
    """A reference for the first node to the actor on the second."""
    user, host = nodes
    return user.ref(Files, "files", at=host.name)


def server_of(nodes):
    return nodes[1]._runtime.local("files").server


async def drain(s, pause=0.0):
    """Receive up to the end, whatever that is."""
    async for _ in s:
        await trio.sleep(pause)


async def send_often(s, message, times=10):
    for _ in range(times):
        await s.send(message)


def at_rest(nodes):
    """Whether nothing of any stream is left on either node."""
    for node in nodes:
        runtime = node._runtime
        if runtime.calls.pending or runtime.here.open_calls or runtime.here.interest:
            return False
        for peer in node.kernel.peers.values():
            if peer.open_calls or peer.interest or len(peer.outbox):
                return False
    return True
