"""The actors that most tests of actors and links run, and how to crash them."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import ActorDown, RemoteFault


class Sink(GenServer):
    """Keeps what it gets, in order."""

    def __init__(self):
        self.got = []

    @cast
    async def put(self, value):
        self.got.append(value)

    @cast
    async def slow(self, value):
        await trio.sleep(0.9)
        self.got.append(value)

    @call
    async def read(self):
        return self.got

    @call
    async def echo(self, value):
        return value

    @call
    async def sizes(self):
        return list(map(len, self.got))

    @call
    async def size(self, data):
        return len(data)

    @call
    async def mint(self, size):
        return b"x" * size

    @call
    async def sleep(self, seconds):
        await trio.sleep(seconds)
        return seconds


class SmallSink(Sink):
    """Is full soon."""

    mailbox = 8


class Counter(GenServer):
    """Has one handler of each kind."""

    @call
    async def add(self, n):
        return n

    @cast
    async def reset(self):
        pass


class Slow(GenServer):
    """Notes when each handler begins and ends."""

    def __init__(self):
        self.log = []

    @call
    async def work(self, name, seconds=1.0):
        self.log.append(f"{name} begins")
        await trio.sleep(seconds)
        self.log.append(f"{name} ends")
        return name

    @call(concurrent=True)
    async def beside(self, name, seconds=1.0):
        self.log.append(f"{name} begins")
        await trio.sleep(seconds)
        self.log.append(f"{name} ends")
        return name

    @call(cancellable=True)
    async def cancellable(self, name, seconds=1.0):
        self.log.append(f"{name} begins")
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.log.append(f"{name} cancelled")
            raise
        self.log.append(f"{name} ends")
        return name

    @cast
    async def note(self, name):
        self.log.append(name)

    @call
    async def read(self):
        return list(self.log)


class Fragile(GenServer):
    """Crashes on demand, and notes its lives."""

    def __init__(self, start=0):
        self.value = start

    @call
    async def add(self, n=1):
        self.value += n
        return self.value

    @call
    async def crash(self, error=ValueError):
        raise error("broken")

    @cast
    async def break_down(self):
        raise ValueError("broken")

    @call
    async def leave(self):
        self.exit()

    @call
    async def sleep(self, seconds):
        await trio.sleep(seconds)


async def crashed(ref, times=1):
    """Crash the `Fragile` at a reference, so often."""
    for _ in range(times):
        with pytest.raises((RemoteFault, ActorDown)):
            await ref.call(Fragile.crash)


class Lives(GenServer):
    """Writes down what happens to it, in a list that outlives it."""

    def __init__(self, log, *, failing=()):
        self.log = log
        self.failing = failing
        self.log.append("__init__")

    async def init(self):
        self.log.append("init")
        if "init" in self.failing:
            raise ValueError("no init")

    async def terminate(self, reason):
        self.log.append(f"terminate {reason}")
        if "terminate" in self.failing:
            raise ValueError("no end")

    @call
    async def crash(self):
        raise KeyError("gone")

    @call
    async def ping(self):
        return "pong"
