"""What the tests of the simulated network share: pairs of ends, and patience."""

from __future__ import annotations

from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from clusterkit.names import Address
from clusterkit.net.transport import StreamBroken

PORT = 7022
JITTER = 1e-5  # what the seeded jitter of a few segments may add up to


def play(main, *args):
    return trio.run(main, *args, clock=MockClock(autojump_threshold=0))


async def open_pair(network, a="a", b="b"):
    """Return the ends of a new stream: that of `a`, which dialled, and of `b`."""
    host = network.host(b)
    listener = await host.listen(Address(b, 0))
    ours = await network.host(a).connect(listener.address)
    theirs, _ = await listener.accept()
    listener.close()
    return ours, theirs


async def receive_exactly(stream, size):
    data = b""
    while len(data) < size:
        chunk = await stream.receive()
        assert chunk, "the stream ended"
        data += chunk
    return data


async def is_silent(stream, seconds=60.0):
    """Whether nothing comes in this time, neither bytes nor an end."""
    with trio.move_on_after(seconds):
        await stream.receive()
        return False
    return True


async def breaks(stream):
    """Read until the stream breaks; return what came before."""
    data = b""
    with trio.fail_after(60):
        while True:
            try:
                chunk = await stream.receive()
            except StreamBroken:
                return data
            assert chunk, "the stream ended in order"
            data += chunk


@asynccontextmanager
async def reading(stream):
    """Collect what arrives in a list."""
    arrived = []

    async def read():
        while True:
            arrived.append(await stream.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        yield arrived
        nursery.cancel_scope.cancel()
