"""What may befall a TCP connection, as a seeded plan, and the wire that does it.

A plan is a list of faults, and a function of its seed. Each waits until so
many bytes have gone to one of the two nodes, then strikes: at any byte, or
inside the header or the tag of a frame. One fault comes after the other: the
plan is of both wires between two nodes, since only one of them carries the
connection at a time.
"""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from time import monotonic
from typing import NamedTuple

import trio

from clusterkit.wire.frame import HEADER, LENGTH
from clusterkit.wire.seal import TAG_BYTES

from .nodes import Wire, reset

KINDS = {
    "reset": 6,
    "close": 3,
    "vanish": 2,
    "deafen": 2,
    "stall": 2,
    "repeat": 2,
    "skip": 2,
    "refuse": 3,
    "slow": 2,
    "nip": 2,
}
"""What a fault does, with weights.

reset: both ends get a RST, nothing after the byte arrives. close: a FIN in
place of the rest. vanish: half-open; nothing goes through any more, and nobody
is told. deafen: the same in one direction. stall: a pause, then all goes on.
repeat, skip: some bytes come twice, or never. refuse, slow: a reset, and new
connections are refused, or take long, for a while. nip: a reset, and the next
connection is reset within its handshake.
"""

PLACES = ("any", "any", "header", "tag")
PAUSE = 0.4
"""Seconds that a stall, or a refusal to connect, lasts at most."""

REAL = 128
"""Bytes of a frame that surely carries a message. Damage waits until one has
passed: a link whose same record is damaged twice is given up."""


class Fault(NamedTuple):
    """One thing that goes wrong."""

    kind: str
    to: str
    """The node whose bytes are counted and harmed."""
    after: int
    """Bytes from the fault before."""
    place: str
    """Where in a frame: `any`, `header`, `tag`."""
    some: int
    """Which byte of the header or tag; how many come twice, or never."""
    seconds: float


def plan(seed, count, reach):
    """Return `count` faults of all kinds, each within `reach` bytes of the last."""
    rng = Random(f"chaos/{seed}")
    kinds = rng.sample(list(KINDS), min(count, len(KINDS)))
    kinds += rng.choices(list(KINDS), list(KINDS.values()), k=count - len(kinds))
    return [
        Fault(
            kind,
            rng.choice("ab"),
            rng.randrange(1, reach),
            rng.choice(PLACES),
            rng.randrange(1, TAG_BYTES),
            rng.random() * PAUSE,
        )
        for kind in kinds
    ]


class Frames:
    """Follows the frames of one direction of a connection.

    Attributes:
        at: Bytes that have passed.
        real: Whether one that carries messages has passed.
    """

    def __init__(self):
        self.at = 0
        self.real = False
        self._start, self._end = 0, None
        self._head = b""

    def feed(self, data):
        """Yield begin and end of each frame whose length comes with `data`."""
        before, self.at = self.at, self.at + len(data)
        while True:
            if self._end is None:
                have = len(self._head)
                self._head += data[self._start + have - before :][: LENGTH.size - have]
                if len(self._head) < LENGTH.size:
                    return
                self._end = self._start + LENGTH.size + LENGTH.unpack(self._head)[0]
                yield self._start, self._end
            if self.at < self._end:
                return
            self.real = self.real or self._end - self._start >= REAL
            self._start, self._end, self._head = self._end, None, b""


class Chaos:
    """A plan under way.

    Attributes:
        left: The faults to come; the next one first.
        done: Those that have struck.
        healed: When the way was free again, by the machine's monotonic clock.
        wires: The two wires that it is of.
    """

    def __init__(self, faults):
        self.left = deque(faults)
        self.done = []
        self.healed = []
        self.refused_until = self.slow_until = 0.0
        self.wires = []
        self._gone = 0

    def strikes(self, to, frames, data):
        """Take bytes to node `to`; return where in them which fault strikes, if one."""
        before, known = frames.at, list(frames.feed(data))
        fault = self.left[0] if self.left else None
        if fault is None or fault.to != to:
            return None
        earliest = before + max(0, fault.after - self._gone)
        self._gone += len(data)
        if fault.kind in ("repeat", "skip") and not frames.real:
            return None
        index = _place(fault, earliest, known) - before
        if not 0 < index < len(data):
            return None  # at the next chance, then
        self._gone = 0
        self.done.append(self.left.popleft())
        return index, fault

    def heal(self, after=0.0):
        """Note when connections can be made again: in `after` seconds."""
        self.healed.append(monotonic() + after)


def _place(fault, earliest, known):
    """Return which byte of the stream a fault waits for; -1 if it is not known."""
    if fault.place == "any":
        return earliest
    for start, end in known:
        tag = end - TAG_BYTES
        if fault.place == "header" and start >= earliest:
            return start + fault.some % HEADER.size
        if fault.place == "tag" and tag >= earliest:
            return tag + fault.some
    return -1


class ChaosWire(Wire):
    """A wire to one node, on which a plan is carried out."""

    def __init__(self, listener, chaos, name):
        super().__init__(listener)
        self.chaos, self.name = chaos, name
        self.dropped = set()
        chaos.wires.append(self)

    def cut(self):
        super().cut()
        for wire in self.chaos.wires:
            wire.fuse = None  # one handshake is enough
        self.chaos.heal()

    async def _carry(self, ours):
        if trio.current_time() < self.chaos.refused_until:
            reset(ours)
            return
        await trio.sleep_until(self.chaos.slow_until)
        await super()._carry(ours)

    async def _forward(self, source, sink, record):
        to = self.name if record is not None else "ab".replace(self.name, "")
        await super()._forward(Stricken(self, source, sink, to), sink, record)
        self.dropped.discard(source)


class Stricken:
    """One direction of a connection, as a stream to read from."""

    def __init__(self, wire, source, sink, to):
        self.socket = source.socket
        self._wire, self._source, self._sink, self._to = wire, source, sink, to
        self._frames = Frames()
        self._over = False

    async def send_all(self, data):
        await self._source.send_all(data)

    async def receive_some(self, most):
        while not self._over and (data := await self._source.receive_some(most)):
            if self._source in self._wire.dropped:
                continue
            struck = self._wire.chaos.strikes(self._to, self._frames, data)
            if struck is None:
                return data
            index, fault = struck
            data = await getattr(self, fault.kind)(data, index, fault)
            if data:
                return data
        return b""

    async def reset(self, data, index, fault):
        self._over = True
        self._wire.chaos.heal()
        return data[:index]

    async def close(self, data, index, fault):
        await self._sink.send_all(data[:index])
        await self._sink.send_eof()
        return await self.deafen(data, 0, fault)

    async def vanish(self, data, index, fault):
        self._wire.dropped.add(self._sink)
        return await self.deafen(data, index, fault)

    async def deafen(self, data, index, fault):
        self._wire.dropped.add(self._source)
        self._wire.chaos.heal()
        return data[:index]

    async def stall(self, data, index, fault):
        await trio.sleep(fault.seconds)
        return data

    async def repeat(self, data, index, fault):
        self._wire.chaos.heal()
        return data[:index] + data[max(0, index - fault.some) :]

    async def skip(self, data, index, fault):
        self._wire.chaos.heal()
        return data[:index] + data[index + fault.some :]

    async def refuse(self, data, index, fault):
        chaos = self._wire.chaos
        chaos.refused_until = trio.current_time() + fault.seconds
        chaos.heal(fault.seconds)
        return await self.reset(data, index, fault)

    async def slow(self, data, index, fault):
        chaos = self._wire.chaos
        chaos.slow_until = trio.current_time() + fault.seconds
        chaos.heal(fault.seconds)
        return await self.reset(data, index, fault)

    async def nip(self, data, index, fault):
        for wire in self._wire.chaos.wires:
            wire.fuse = len(data) + fault.some * 15  # of the handshake's 500
        return await self.reset(data, index, fault)


@asynccontextmanager
async def chaotic(faults):
    """Two wires, to `a` and to `b`, and the plan that they carry out."""
    chaos = Chaos(faults)
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for name in "ab":
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            await stack.enter_async_context(listener)
            wire = ChaosWire(listener, chaos, name)
            nursery.start_soon(wire.serve, nursery)
        yield chaos
        nursery.cancel_scope.cancel()
        for wire in chaos.wires:
            wire.cut()
