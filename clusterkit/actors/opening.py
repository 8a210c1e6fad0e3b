"""Opening a stream to an actor, here or elsewhere, and this end of it.

To the rest of the node a stream that is open is a call that has not been
answered: the same number, the same ends. See `calls`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.actors.calls import Pending
from clusterkit.actors.serving import ServedEnd
from clusterkit.actors.stream_end import StreamEnd
from clusterkit.actors.stream_ways import ToHere, ToPeer
from clusterkit.errors import CallingSelf, StreamClosed
from clusterkit.names import check_timeout
from clusterkit.wire import messages as m
from clusterkit.wire.stream_values import encode_open
from clusterkit.wire.streams import OPENER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clusterkit.actors.here import Origin
    from clusterkit.actors.process import Process
    from clusterkit.actors.runtime import Runtime
    from clusterkit.errors import StreamError
    from clusterkit.net.link import Link


class Opened(Pending):
    """A stream among the calls that wait."""

    __slots__ = ("end",)

    end: OpenedEnd

    def over(self) -> None:
        """It was answered, or has failed."""
        self.end.answered(self)


class OpenedEnd(StreamEnd):
    """This end of a stream to an actor.

    Args:
        runtime: The node's.
        target: The names of the actor's node and the actor.
        event: The handler's.
        args: For the handler.
        kwargs: Likewise.
        patience: Seconds that either end may wait with nothing moving; None
            for what the config says.
    """

    __slots__ = ("_asked", "_runtime", "_target", "_value", "pending")

    def __init__(
        self,
        runtime: Runtime,
        target: tuple[str, str],
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        patience: float | None,
    ) -> None:
        if patience is None:
            patience = runtime.config.stream_timeout
        check_timeout(patience)
        super().__init__(runtime.thread, runtime.config.stream_bytes, patience)
        self._runtime = runtime
        self._target = target
        self._asked = (event, list(args), dict(kwargs) or None)
        self._value: Any = None
        self.pending: Opened | None = None
        self.over = True  # so far
        self.failure = RuntimeError("a stream is open within its `async with` block")

    async def open(self) -> None:
        """Have the handler started; return when that is on its way."""
        runtime, (node, actor) = self._runtime, self._target
        await trio.lowlevel.checkpoint_if_cancelled()
        runtime.thread.require()
        if self.pending is not None:
            raise RuntimeError("a stream is opened once; ask the reference for another")
        if node == runtime.name:
            self._open_here(actor)
            return
        link = runtime.link_to(node)
        if not link.at_ease:
            admit = runtime.sending.admit_call
            link, _ = await admit(link, actor, self._asked[0], self.patience)
        self._open_there(link, actor)

    def answered(self, pending: Opened) -> None:
        """The handler has returned, or something else has ended the stream."""
        pending.peer.interest -= 1
        self._value = pending.value
        self.close(pending.error)

    def cut_off(self, failure: StreamError) -> StreamError:
        """End the stream from here; cancel its handler."""
        self._abandon()
        return super().cut_off(failure)

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more is sent, or why; do nothing if that is known."""
        if self.pending is None:  # the other end would never hear of it
            self.check_sending()
        super().end(error)

    def leave(self) -> None:
        """The block is left: nobody sends, receives or waits any more."""
        self.thread.require()
        if self.pending is not None:
            what = "the block of this stream has been left"
            self.cut_off(StreamClosed(what, **self.where))

    async def result(self) -> Any:
        """Wait for the handler's value."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self.thread.require()
        while not self.over:
            await self.change()
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        return self._value

    def _abandon(self) -> None:
        pending = self.pending
        if pending is not None and self._runtime.calls.take(pending.id) is not None:
            pending.peer.interest -= 1
            self._runtime.sending.abandon(pending)

    def _begin(self, peer: Origin, actor: str) -> Opened:
        """Return the stream as a call that waits, but not among those yet."""
        calls = self._runtime.calls
        calls.last_id += 1
        event = self._asked[0]
        pending = Opened(calls.last_id, peer, actor, event, self.patience, None)
        pending.end = self
        return pending

    def _open_there(self, link: Link, actor: str) -> None:
        runtime = self._runtime
        if link.connection is None:
            runtime.sending.expect_up(link)
        pending = self._begin(link, actor)
        patience = m.budget_ms(self.patience)
        window = self.inflow.window
        record = [m.OPEN, actor, *self._asked, pending.id, patience, window]
        data = encode_open(runtime.kernel.codec, record, link.max_message)
        pending.ticket = link.post(data, m.OPEN, pending.id, flow=actor)
        self.way = ToPeer(runtime, link, pending.id, OPENER)
        self.inflow.beyond = link.beyond
        self._go_on(pending)
        link.flush()

    def _open_here(self, actor: str) -> None:
        runtime = self._runtime
        process = self._process(actor)
        pending = self._begin(runtime.here, actor)
        copy = runtime.localise([m.CALL, actor, *self._asked, pending.id, 0])
        other = ServedEnd(runtime, runtime.here, self.inflow.window, self.patience)
        other.way, self.way = ToHere(runtime, self), ToHere(runtime, other)
        record = [m.OPEN, *copy[1 : m.PATIENCE], 0, 0, other]
        other.record = runtime.here.open_calls[pending.id] = record
        self._go_on(pending)
        process.mailbox.put((record, runtime.here, 0, inf))

    def _process(self, actor: str) -> Process:
        """Return an actor of this node that takes the stream now."""
        runtime, event = self._runtime, self._asked[0]
        process = runtime.registry.get(actor)
        if process is None:
            raise runtime.sending.absent(actor, event)
        if process.task is trio.lowlevel.current_task():
            what = "a serial handler cannot open a stream to its own actor"
            raise CallingSelf(what, to=actor, event=event)
        if process.mailbox.full and not runtime.pressure.room_now(process):
            raise runtime.pressure.full(runtime.name, actor, event)
        return process

    def _go_on(self, pending: Opened) -> None:
        """From here on it is open, and will end."""
        self.pending = pending
        self.over, self.failure = False, None
        self.where = pending.where()
        self._runtime.calls.pending[pending.id] = pending
        pending.peer.interest += 1
        self.inflow.open()
