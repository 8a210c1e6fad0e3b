"""Calls that wait for an answer, and their deadlines.

A call ends in exactly one way, decided by whoever takes it out of `pending`
first: the reply, the reaper, the loss of the peer, or the caller's own
cancellation. What comes later finds nothing, is counted, and dropped.

Deadlines are kept in one insertion-ordered dict per distinct timeout: within
one, the first entry is always the earliest, so there is no heap, and an
answered call leaves nothing behind.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.errors import CallTimeout, ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.here import Origin


class Pending:
    """One call that waits.

    Attributes:
        id: Its number.
        peer: The link it goes over, or `here`.
        ticket: Its place in the link's outbox.
        to: The actor, as `name@node`.
        event: The event.
        timeout: Which deadline queue it is in, in seconds.
        value: The answer, once there is one.
        error: The error instead.
    """

    __slots__ = (
        "error",
        "event",
        "id",
        "peer",
        "task",
        "ticket",
        "timeout",
        "to",
        "value",
    )

    def __init__(
        self, id: int, peer: Origin, to: str, event: str, timeout: float
    ) -> None:
        self.id = id
        self.peer = peer
        self.to = to
        self.event = event
        self.timeout = timeout
        self.ticket = 0
        self.task: trio.lowlevel.Task | None = None
        self.value: Any = None
        self.error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Pending {self.id} {self.to} {self.event}>"

    def where(self) -> dict[str, Any]:
        """Return the keyword arguments that a `CallError` takes."""
        return {"call_id": self.id, "to": self.to, "event": self.event}


class Calls:
    """All calls of one node that are not answered.

    Attributes:
        pending: By id.
        late: Answers that came for calls which had ended.
    """

    def __init__(self, first_id: int, abandon: Callable[[Pending], None]) -> None:
        self.pending: dict[int, Pending] = {}
        self.late = 0
        self._next_id = first_id
        self._abandon = abandon
        self._queues: dict[float, dict[int, float]] = {}
        self._reaper = trio.CancelScope()
        self._reaps_at = -inf

    def open(
        self, peer: Origin, to: str, event: str, timeout: float, now: float
    ) -> Pending:
        """Return a new pending call with its deadline running."""
        self._next_id = call_id = self._next_id + 1
        pending = self.pending[call_id] = Pending(call_id, peer, to, event, timeout)
        if timeout != inf:
            queue = self._queues.get(timeout)
            if queue is None:
                queue = self._queues[timeout] = {}
            queue[call_id] = deadline = now + timeout
            if deadline < self._reaps_at:
                self._reaps_at = self._reaper.deadline = deadline
        return pending

    async def wait(self, pending: Pending) -> Any:
        """Wait for the end of a call; return its value.

        Raises:
            CallError: It ended otherwise.
            NodeDown: Its node did.
        """
        if pending.id in self.pending:  # else it has ended already
            pending.task = trio.lowlevel.current_task()

            def abort(_: object) -> trio.lowlevel.Abort:
                # Only marks: what follows is done by the woken task, so that
                # its order does not depend on the order of cancellation.
                pending.task = None
                return trio.lowlevel.Abort.SUCCEEDED

            try:
                await trio.lowlevel.wait_task_rescheduled(abort)
            except BaseException:
                if self.take(pending.id) is not None:
                    self._abandon(pending)
                raise
        if pending.error is not None:
            raise pending.error
        return pending.value

    def take(self, id: int) -> Pending | None:
        """Remove a call and its deadline; None if it has ended."""
        pending = self.pending.pop(id, None)
        if pending is not None and pending.timeout != inf:
            queue = self._queues[pending.timeout]
            del queue[id]
            if not queue:
                del self._queues[pending.timeout]
        return pending

    def resolve(self, id: int, peer: Origin, value: Any) -> None:
        """End a call with its value, if it waits for one from `peer`."""
        pending = self.pending.get(id)
        if pending is None or pending.peer is not peer:
            self.late += 1
            return
        self.take(id)
        pending.value = value
        self._wake(pending)

    def fail(self, id: int, peer: Origin, error: BaseException) -> None:
        """End a call with an error, if it waits for an answer from `peer`."""
        pending = self.pending.get(id)
        if pending is None or pending.peer is not peer:
            self.late += 1
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
