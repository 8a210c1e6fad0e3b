"""Calls that wait for an answer, and their deadlines.

A call ends in exactly one way, decided by whoever takes it out of `pending`
first: the reply, the reaper, the loss of the peer, or the caller's own
cancellation. What comes later finds nothing, is counted, and dropped.

Deadlines are kept in one insertion-ordered dict per distinct timeout: within
one, the first entry is always the earliest, so there is no heap, and an
answered call leaves nothing behind but, for a while, an empty dict.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.errors import CallTimeout, ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.here import Origin


MOST_QUEUES: Final = 64
"""Different timeouts of which the deadlines are kept apart without tidying up."""


class Pending:
    """One call that waits.

    Attributes:
        id: Its number.
        peer: The link it goes over, or `here`.
        ticket: Its place in the link's outbox.
        actor: The name of the actor.
        event: The event.
        timeout: Seconds that it may take.
        queue: The deadlines that its own is among, None if it has none.
        task: Its caller's, while it is parked.
        value: The answer, once there is one.
        error: The error instead.
    """

    __slots__ = (
        "actor",
        "error",
        "event",
        "id",
        "peer",
        "queue",
        "task",
        "ticket",
        "timeout",
        "value",
    )

    def __init__(
        self,
        id: int,
        peer: Origin,
        actor: str,
        event: str,
        timeout: float,
        queue: dict[int, float] | None,
    ) -> None:
        self.id = id
        self.peer = peer
        self.actor = actor
        self.event = event
        self.timeout = timeout
        self.queue = queue
        self.ticket = 0
        self.task: trio.lowlevel.Task | None = None
        self.value: Any = None
        self.error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Pending {self.id} {self.actor}@{self.peer.name} {self.event}>"

    def where(self) -> dict[str, Any]:
        """Return the keyword arguments that a `CallError` takes."""
        to = f"{self.actor}@{self.peer.name}" if self.actor else ""
        return {"call_id": self.id, "to": to, "event": self.event}

    def over(self) -> None:
        """It has ended, and no task waits for that."""

    def leave(self, _: object) -> trio.lowlevel.Abort:
        """Let a cancelled caller go; trio's `abort_fn`.

        Only marks: what follows is done by the woken task, so that its order
        does not depend on the order of cancellation.
        """
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Calls:
    """All calls of one node that are not answered.

    Args:
        last_id: Number before that of the first call.
        abandon: Takes back a call whose caller has given up.
        late: Is told who has answered a call that had ended.

    Attributes:
        pending: By id.
        last_id: The newest call's number; whoever opens one takes the next.
    """

    def __init__(
        self,
        last_id: int,
        abandon: Callable[[Pending], None],
        late: Callable[[Origin], None] = lambda _: None,
    ) -> None:
        self.pending: dict[int, Pending] = {}
        self._late = late
        self.last_id = last_id
        self._abandon = abandon
        self._queues: dict[float, dict[int, float]] = {}
        self._reaper = trio.CancelScope()
        self._reaps_at = -inf

    def open(
        self, id: int, peer: Origin, actor: str, event: str, timeout: float, now: float
    ) -> Pending:
        """Return call number `id`, pending, with its deadline running."""
        queue = None
        if timeout != inf:
            queue = self._queues.get(timeout)
            if queue is None:
                queue = self._new_queue(timeout)
            queue[id] = deadline = now + timeout
            if deadline < self._reaps_at:
                self._reaps_at = self._reaper.deadline = deadline
        pending = Pending(id, peer, actor, event, timeout, queue)
        self.pending[id] = pending
        return pending

    def _new_queue(self, timeout: float) -> dict[int, float]:
        # An empty one stays, for the next call with the same patience; but
        # patience may be computed, and never be the same again.
        if len(self._queues) >= MOST_QUEUES:
            self._tidy()
        queue = self._queues[timeout] = {}
        return queue

    def _tidy(self) -> None:
        self._queues = {t: queue for t, queue in self._queues.items() if queue}

    async def wait(self, pending: Pending) -> Any:
        """Wait for the end of a call; return its value.

        Raises:
            CallError: It ended otherwise.
            NodeDown: Its node did.
        """
        if pending.id in self.pending:  # else it has ended already
            pending.task = trio.lowlevel.current_task()
            try:
                await trio.lowlevel.wait_task_rescheduled(pending.leave)
            except BaseException:
                self.give_up(pending)
                raise
        if pending.error is not None:
            raise pending.error
        return pending.value

    def give_up(self, pending: Pending) -> None:
        """Forget a call whose caller waits no longer, if it has not ended."""
        if self.take(pending.id) is not None:
            self._abandon(pending)

    def take(self, id: int) -> Pending | None:
        """Remove a call and its deadline; None if it has ended."""
        pending = self.pending.pop(id, None)
        if pending is not None and pending.queue is not None:
            del pending.queue[id]
        return pending

    def resolve(self, id: int, peer: Origin, value: Any) -> None:
        """End a call with its value, if it waits for one from `peer`."""
        pending = self.pending.get(id)
        if pending is None or pending.peer is not peer:
            self._late(peer)
            return
        # `take` and `_wake` in line: this is the path of every answer.
        del self.pending[id]
        if pending.queue is not None:
            del pending.queue[id]
        pending.value = value
        task, pending.task = pending.task, None
        if task is not None:
            trio.lowlevel.reschedule(task)
        else:
            pending.over()

    def fail(self, id: int, peer: Origin, error: BaseException) -> None:
        """End a call with an error, if it waits for an answer from `peer`."""
        pending = self.pending.get(id)
        if pending is None or pending.peer is not peer:
            self._late(peer)
            return
        self.take(id)
        pending.error = error
        self._wake(pending)

    def fail_all(
        self,
        peer: Origin,
        error: Callable[[], ClusterError],
        which: Callable[[Pending], bool] | None = None,
    ) -> None:
        """End the calls over one link, or those of them that `which` selects."""
        for pending in list(self.pending.values()):
            if pending.peer is peer and (which is None or which(pending)):
                self.fail(pending.id, peer, error())

    async def reap(self) -> None:
        """Time calls out, until cancelled."""
        while True:
            self._tidy()
            fronts = [next(iter(queue.values())) for queue in self._queues.values()]
            self._reaps_at = min(fronts, default=inf)
            with trio.CancelScope(deadline=self._reaps_at) as self._reaper:
                await trio.sleep_forever()
            # When a handler has held the loop, answers may be there that only
            # get in with this very pass.
            await trio.lowlevel.checkpoint()
            self._reap(trio.current_time())

    def _reap(self, now: float) -> None:
        for queue in list(self._queues.values()):
            while queue:
                call_id, deadline = next(iter(queue.items()))
                if deadline > now:
                    break
                self._time_out(self.pending[call_id])

    def _time_out(self, pending: Pending) -> None:
        self.take(pending.id)
        pending.error = CallTimeout(
            f"no answer within {pending.timeout:g} s", **pending.where()
        )
        self._abandon(pending)
        self._wake(pending)

    def _wake(self, pending: Pending) -> None:
        task, pending.task = pending.task, None
        if task is not None:
            trio.lowlevel.reschedule(task)
        else:
            pending.over()
