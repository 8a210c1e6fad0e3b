"""A mailbox: a deque and one parked task, with marks instead of a wall.

A batch of arrivals is one wake-up. At the mark, senders are choked and wait at
their own end; only what was already on its way goes on filling the mailbox, up
to twice the mark, where it is refused and reported.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from clusterkit.net.peer import Peer

Item = tuple[list[Any], Any, int, float]
"""A record, its origin (a `Peer`, or the runtime's `Here`), its size in bytes,
and the time after which a call is not worth running."""


class Mailbox:
    """Messages waiting for one actor.

    Attributes:
        queue: What waits; the loop pops from the left.
        bytes: Encoded size of it; local messages count nothing.
        mark: Messages at which senders are choked.
        byte_mark: Bytes at which they are.
        choked: Who was told, and in which of our conversations with it.
        refused: Casts refused since each peer was last told.
        abandoned: Queued calls whose callers have given up, at most.
    """

    __slots__ = (
        "_waiting",
        "abandoned",
        "byte_mark",
        "bytes",
        "choked",
        "mark",
        "queue",
        "refused",
        "task",
    )

    def __init__(self, mark: int, byte_mark: int) -> None:
        self.queue: deque[Item] = deque()
        self.bytes = 0
        self.mark = mark
        self.byte_mark = byte_mark
        self.task: trio.lowlevel.Task | None = None
        self.choked: dict[Peer, int] = {}
        self.refused: dict[Peer, int] = {}
        self.abandoned = 0
        self._waiting: trio.lowlevel.ParkingLot | None = None

    def __repr__(self) -> str:
        return f"<Mailbox messages={len(self.queue)} bytes={self.bytes}>"

    @property
    def full(self) -> bool:
        """Whether it is at its mark: senders should wait."""
        return len(self.queue) >= self.mark or self.bytes >= self.byte_mark

    @property
    def overfull(self) -> bool:
        """Whether it is at twice its mark: messages are refused."""
        return len(self.queue) >= 2 * self.mark or self.bytes >= 2 * self.byte_mark

    @property
    def relaxed(self) -> bool:
        """Whether it is down to half its mark: senders may go on."""
        return 2 * len(self.queue) <= self.mark and 2 * self.bytes <= self.byte_mark

    def put(self, item: Item) -> None:
        """Queue an item and wake the actor, once per batch."""
        self.queue.append(item)
        self.bytes += item[2]
        task = self.task
        if task is not None:
            self.task = None
            trio.lowlevel.reschedule(task)

    def wake(self) -> None:
        """Wake the actor though nothing came: its state has changed."""
        task, self.task = self.task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    async def park(self) -> None:
        """Wait for `put` or `wake`; only the actor's own task may."""
        self.task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def room(self) -> None:
        """Wait until a local sender may go on."""
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        await self._waiting.park()

    @property
    def awaited(self) -> bool:
        """Whether somebody has to be told when there is room again."""
        return bool(self.choked or self._waiting)

    def release(self) -> list[Peer]:
        """Let local senders go on; return the peers to unchoke."""
        if self._waiting is not None:
            self._waiting.unpark_all()
            self._waiting = None
        peers = list(self.choked)
        self.choked.clear()
        return peers

    def purge(self) -> None:
        """Forget calls whose callers have given up."""
        if not self.abandoned:
            return
        self.abandoned = 0
        alive = [item for item in self.queue if not abandoned(item[0], item[1])]
        if len(alive) < len(self.queue):
            self.queue.clear()
            self.queue.extend(alive)
            self.bytes = sum(item[2] for item in alive)


def abandoned(record: list[Any], origin: Any) -> bool:
    """Say whether nobody waits any more for the answer to a queued call."""
    return record[m.KIND] == m.CALL and (
        origin.open_calls.get(record[m.CALL_ID]) is not record
    )
