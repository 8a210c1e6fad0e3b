"""Bytes under way: one pipe per direction of a stream, one courier for all.

Here lives what has been written and not yet read. How long it takes is
`route.py`; what an end does with it `stream.py`. Invariants: a pipe never
reorders, whatever its route does, as TCP never does; and a segment costs no
task: one courier task with one heap serves the whole network.
"""

from __future__ import annotations

import zlib
from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

import trio

from clusterkit.testing.route import INSTANT, next_try

if TYPE_CHECKING:
    from clusterkit.testing.route import Route
    from clusterkit.testing.stream import MemoryStream

FIN: Final = b""
"""In a pipe: the sender will write no more."""

RST: Final = None
"""In a pipe: the sender's end is gone."""


class Pipe:
    """One direction of one connection: what is under way, what has arrived.

    `room` is what the sender may still hand over: a byte takes room from the
    write until the receiver has read it and its acknowledgement can travel
    back, so this one bound stands for both kernels' buffers.
    """

    __slots__ = (
        "_flight",
        "_stalled",
        "_unacknowledged",
        "arrived",
        "courier",
        "ended",
        "number",
        "receiver",
        "room",
        "route",
        "sender",
        "severed",
    )

    sender: MemoryStream
    receiver: MemoryStream

    def __init__(self, route: Route, courier: Courier, number: int, room: int) -> None:
        self.route = route
        self.courier = courier
        self.number = number
        self.room = room
        self.arrived: list[bytes] = []
        self.ended = False
        self.severed = False
        self._flight: deque[tuple[float, bytes | None]] = deque()
        self._stalled = inf
        self._unacknowledged = 0
        route.pipes[self] = None

    def send(self, segment: bytes | None) -> None:
        """Start `segment` (bytes, `FIN` or `RST`) on its way."""
        if segment:
            self.room -= len(segment)
            self.courier.count(self, segment)
        if self.severed:
            return
        route = self.route
        if route.direct and not self._flight:
            self._arrive(segment)
            return
        seconds = route.travel_time()
        if seconds < INSTANT and not self._flight and not route.blocked:
            self._arrive(segment)
            return
        due = trio.current_time() + seconds
        self._flight.append((due, segment))
        # The courier expects the first one only: later ones never overtake.
        if len(self._flight) == 1:
            self.courier.expect(due, self)

    def deliver(self, now: float) -> None:
        """Let arrive what is due by `now`; called by the courier only."""
        if self.route.blocked:
            self._stalled = now
            return
        while self._flight and self._flight[0][0] <= now:
            self._arrive(self._flight.popleft()[1])
        if self._flight:
            self.courier.expect(self._flight[0][0], self)

    def resume(self) -> None:
        """Go on after a partition, when TCP would next have tried."""
        self.sender.incoming.acknowledge(0)
        if self._stalled < inf:
            due = next_try(self._stalled, trio.current_time())
            self._stalled = inf
            self.courier.expect(due + self.route.travel_time(), self)

    def take(self) -> bytes:
        """Hand over what has arrived, which makes room for the sender."""
        arrived, self.arrived = self.arrived, []
        data = arrived[0] if len(arrived) == 1 else b"".join(arrived)
        rng, short = self.route.rng, self.courier.short
        if short and len(data) > 1 and rng.random() < short:
            size = rng.randrange(1, len(data))
            self.arrived.append(data[size:])
            data = data[:size]
        self.acknowledge(len(data))
        return data

    def acknowledge(self, size: int) -> None:
        """Give `size` bytes of room back, unless acknowledgements are held up."""
        self._unacknowledged += size
        if self.severed or self.receiver.outgoing.route.blocked:
            return
        self.room += self._unacknowledged
        self._unacknowledged = 0
        self.sender.wake_writer()

    def lose(self) -> None:
        """Forget everything that is under way."""
        self._flight.clear()

    def tear(self) -> None:
        """Keep a seeded beginning of what was not yet read, lose the rest.

        A reset may meet the receiver with all, some or none of the earlier
        bytes in its buffer, and cut them anywhere.
        """
        segments = self.arrived + [data for _, data in self._flight if data]
        data = b"".join(segments)
        rng = self.route.rng
        keep = rng.choice((0, len(data), rng.randint(0, len(data))))
        self.arrived = [data[:keep]] if keep else []
        self.lose()

    def _arrive(self, segment: bytes | None) -> None:
        receiver = self.receiver
        if receiver.gone:
            # Nobody is there any more: TCP answers data with a reset, and a
            # FIN or a reset with silence.
            if segment:
                receiver.outgoing.send(RST)
        elif segment is None:
            receiver.reset("reset by the peer")
        else:
            if segment:
                self.arrived.append(segment)
            else:
                self.ended = True
            receiver.wake_reader()


class Due(Protocol):
    """What the courier carries: a pipe, or a datagram."""

    def deliver(self, now: float) -> None:
        """Let arrive what is due by `now`."""
        ...


class Courier:
    """Delivers what is due, for all of a network; counts what is sent.

    `short` is the probability that a write takes, or a read returns, only a
    part of what it could. `driven` says that somebody calls `deliver` at
    `next_due`, as the virtual clock does; else a task of the courier's own
    does, in whatever time trio runs on.
    """

    def __init__(self, *, short: float = 0.0) -> None:
        self.short = short
        self.driven = False
        self.segments = 0
        self.bytes = 0
        self.checksum = 0
        self._heap: list[tuple[float, int, Due]] = []
        self._order = count()
        self._alarm: trio.CancelScope | None = None

    def count(self, pipe: Pipe, segment: bytes) -> None:
        """Enter one segment into the running totals and the checksum."""
        self.segments += 1
        self.bytes += len(segment)
        self.checksum = zlib.crc32(segment, self.checksum ^ pipe.number)

    def checkin(self, datagram: bytes, sender: str) -> None:
        """Enter one datagram into the running totals and the checksum."""
        self.segments += 1
        self.bytes += len(datagram)
        self.checksum = zlib.crc32(sender.encode() + datagram, self.checksum)

    @property
    def next_due(self) -> float:
        """When the next segment is due, in trio's time; infinite without one."""
        return self._heap[0][0] if self._heap else inf

    def expect(self, due: float, what: Due) -> None:
        """Call `what.deliver` at `due`, a time of trio's clock."""
        heappush(self._heap, (due, next(self._order), what))
        if self.driven:
            return
        if self._alarm is None:
            self._alarm = trio.CancelScope()
            # A system task ends with the run and needs no nursery, so that a
            # network can be made anywhere.
            trio.lowlevel.spawn_system_task(self._run)
        elif due < self._alarm.deadline:
            self._alarm.deadline = due

    def deliver(self, now: float) -> None:
        """Deliver what is due at `now`, or an instant later."""
        now += INSTANT
        while self._heap and self._heap[0][0] <= now:
            heappop(self._heap)[2].deliver(now)

    async def _run(self) -> None:
        try:
            while True:
                with trio.CancelScope(deadline=self.next_due) as self._alarm:
                    await trio.sleep_forever()
                self.deliver(trio.current_time())
        finally:
            self._alarm = None
