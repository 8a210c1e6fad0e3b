"""A mailbox: a deque and one parked task, with marks instead of a wall.

A batch of arrivals is one wake-up. At the mark, senders are choked and wait at
their own end; only what was already on its way goes on filling the mailbox, up
to twice the mark, where it is refused and reported. Concurrent handlers count
as if what they work on still waited, or there would be no bound to them; what
never left the process (timers, Downs) does not count.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast as typed

import trio

from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from clusterkit.net.peer import Peer

Item = tuple[list[Any], Any, int, float]
"""A record, its origin (a `Peer`, or the runtime's `Here`), its size in bytes,
and the time after which a call is not worth running."""

_NONE: Final = typed("deque[Item]", ())
"""The queue of a mailbox that has none: always empty, and takes nothing."""

_NOBODY: Final = typed("trio.lowlevel.Task", object())
"""In the place of a task: there is none to wake, but the queue is not made."""


class Mailbox:
    """Messages waiting for one actor.

    Most actors of a node are idle most of the time, and an empty deque takes
    as much memory as all else of an actor; so while the actor is parked with
    nothing to do, its mailbox has no queue. Hence the order of whoever puts
    something in: if `task` is set, `wake` first, and only then look at `queue`.

    Attributes:
        queue: What waits; the loop pops from the left.
        bytes: Encoded size of what waits or is being worked on beside;
            local messages count nothing.
        mark: Length of `queue` at which senders are choked. Higher by what
            waits there and does not count, lower by what counts and does not
            wait there, so that looking at it is all a message costs.
        byte_mark: Bytes at which they are.
        choked: Who was told, and in which of our conversations with it.
        refused: Casts refused since each peer was last told.
        abandoned: Queued calls whose callers have given up, at most.
        waited_for: Whether something is to be done when there is room again.
        task: The actor's, while it is parked; see above.
    """

    __slots__ = (
        "_ahead",
        "_messages",
        "_waiting",
        "abandoned",
        "byte_mark",
        "bytes",
        "choked",
        "mark",
        "queue",
        "refused",
        "task",
        "waited_for",
    )

    def __init__(self, mark: int, byte_mark: int) -> None:
        self.queue = _NONE
        self.bytes = 0
        self.mark = self._messages = mark
        self.byte_mark = byte_mark
        self.task: trio.lowlevel.Task | None = _NOBODY
        self.choked: dict[Peer, int] | None = None
        self.refused: dict[Peer, int] | None = None
        self.abandoned = 0
        self.waited_for = False
        self._waiting: trio.lowlevel.ParkingLot | None = None
        # How many messages are ahead of the oldest cast at least, and the last
        # of them: a mailbox full of calls is not looked through again for each
        # cast that comes. Kept no longer than the mailbox is under pressure.
        self._ahead: tuple[int, Item] | None = None

    def __repr__(self) -> str:
        return f"<Mailbox messages={len(self.queue)} bytes={self.bytes}>"

    @property
    def full(self) -> bool:
        """Whether it is at its mark: senders should wait."""
        return len(self.queue) >= self.mark or self.bytes >= self.byte_mark

    @property
    def overfull(self) -> bool:
        """Whether it is at twice its mark: messages are refused."""
        length, twice = len(self.queue), self.mark + self._messages
        return length >= twice or self.bytes >= 2 * self.byte_mark

    @property
    def relaxed(self) -> bool:
        """Whether it is down to half its mark: senders may go on."""
        messages = len(self.queue) - self.mark + self._messages
        return 2 * messages <= self._messages and 2 * self.bytes <= self.byte_mark

    def put(self, item: Item) -> None:
        """Queue an item and wake the actor, once per batch."""
        if self.task is not None:
            self.wake()
        self.queue.append(item)
        self.bytes += item[2]

    def put_own(self, record: list[Any]) -> None:
        """Queue what never left the process, which counts nothing."""
        self.mark += 1
        self.put((record, None, 0, inf))

    def begin(self, size: int) -> None:
        """Count what the actor begins to work on beside other messages."""
        self.mark -= 1
        self.bytes += size

    def end(self, size: int) -> None:
        """Count it no longer."""
        self.mark += 1
        self.bytes -= size

    def wake(self) -> None:
        """Wake the actor if it is parked; make its queue if it has none."""
        task = self.task
        if task is not None and task is not _NOBODY:
            # First, since it raises in another thread; then nothing has changed.
            trio.lowlevel.reschedule(task)
        self.task = None
        if self.queue is _NONE:
            self.queue = deque()

    def park(self, task: trio.lowlevel.Task) -> Awaitable[Any]:
        """Return what the actor awaits until `put` or `wake`.

        Args:
            task: The actor's own, which is the current one.
        """
        self.task = task
        if not self.queue:
            self.queue = _NONE
        return trio.lowlevel.wait_task_rescheduled(self._abort)  # noqa: ASYNC105

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self.task = _NOBODY
        return trio.lowlevel.Abort.SUCCEEDED

    async def room(self) -> None:
        """Wait until a local sender may go on."""
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        self.waited_for = True
        await self._waiting.park()

    def choke(self, peer: Peer, conversation: int) -> bool:
        """Note that a peer has to wait; say whether it has to be told."""
        if self.choked is None:
            self.choked = {}
        if self.choked.get(peer) == conversation:
            return False
        self.choked[peer] = conversation
        self.waited_for = True
        return True

    def release(self) -> list[Peer]:
        """Let local senders go on; return the peers to unchoke."""
        if self._waiting is not None:
            self._waiting.unpark_all()
            self._waiting = None
        choked, self.choked = self.choked, None
        self.waited_for = False
        self._ahead = None
        return list(choked or ())

    def drop_oldest_cast(self) -> Item | None:
        """Remove and return the cast that waits for longest, None if none does."""
        queue, ahead = self.queue, self._known_ahead()
        while ahead < len(queue) and queue[ahead][0][m.KIND] != m.CAST:
            ahead += 1
        self._ahead = (ahead, queue[ahead - 1]) if ahead else None
        self.waited_for = True  # so that `release` forgets it
        if ahead == len(queue):
            return None
        item = queue[ahead]
        del queue[ahead]
        self.bytes -= item[2]
        return item

    def _known_ahead(self) -> int:
        """Return how many messages at the front are known to be no casts."""
        if self._ahead is None:
            return 0
        count, last = self._ahead
        # What was handled since, it is nearer to the front.
        for index in range(min(count, len(self.queue)) - 1, -1, -1):
            if self.queue[index] is last:
                return index + 1
        return 0

    def clear(self) -> tuple[int, int]:
        """Forget what waits; return how many casts and abandoned calls that were."""
        queue, self.queue, self.bytes = self.queue, _NONE, 0
        self.mark, self.task = self._messages, _NOBODY
        self.abandoned, self._ahead = 0, None
        casts = sum(item[0][m.KIND] == m.CAST for item in queue)
        return casts, sum(abandoned(item[0], item[1]) for item in queue)

    def purge(self) -> int:
        """Forget calls whose callers have given up; return how many."""
        if not self.abandoned:
            return 0
        self.abandoned = 0
        gone = [item for item in self.queue if abandoned(item[0], item[1])]
        if gone:
            alive = [item for item in self.queue if not abandoned(item[0], item[1])]
            self.queue.clear()
            self.queue.extend(alive)
            self.bytes -= sum(item[2] for item in gone)
        return len(gone)


def abandoned(record: list[Any], origin: Any) -> bool:
    """Say whether nobody waits any more for the answer to a queued call."""
    return record[m.KIND] in m.ASKS and (
        origin.open_calls.get(record[m.CALL_ID]) is not record
    )
