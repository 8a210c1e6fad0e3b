"""Outward: calls and casts from this node to an actor here or elsewhere."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.actors.here import Here
from clusterkit.actors.own_thread import elsewhere
from clusterkit.errors import (
    CallingSelf,
    CallTimeout,
    ClusterError,
    NodeDown,
    NoSuchActor,
    OutboxFull,
)
from clusterkit.names import check_timeout
from clusterkit.net.peer import GATHER, Lack
from clusterkit.wire import messages as m
from clusterkit.wire.bulk import MOST_WHOLE
from clusterkit.wire.codec import too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clusterkit.actors.calls import Pending
    from clusterkit.actors.process import Process
    from clusterkit.actors.runtime import Runtime
    from clusterkit.net.link import Link
    from clusterkit.wire.outbox import Entry

YIELD_EVERY: Final = 256
"""A sender of casts lets others run this often: about every millisecond. Once
per cast costs seven eighths of the throughput; never lets one actor starve the
node."""

_SIZED: Final = frozenset({bytes, bytearray, str})


class Sending:
    """Sends for the actors of a node, and for whoever else holds a `ClusterNode`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._thread = runtime.thread
        self._casts = 0

    async def call(
        self,
        node: str,
        actor: str,
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        timeout: float | None,
    ) -> Any:
        """Call an actor; see `ActorRef.call`."""
        runtime = self._runtime
        # Else one from a cancelled scope would be sent before it is withdrawn.
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._thread.ours:
            raise elsewhere()
        if timeout is None:
            timeout = runtime.config.call_timeout
        else:
            check_timeout(timeout)
        if node == runtime.name:
            pending = self._open_local(actor, event, args, kwargs, timeout)
        else:
            link = runtime.link_to(node)
            if not link.at_ease:
                large = looks_large(args) or looks_large(kwargs.values())
                admitted = self._admit_call(link, actor, event, timeout, large=large)
                link, timeout = await admitted
            pending = self._open_remote(link, actor, event, args, kwargs, timeout)
        # `Calls.wait` in line: this is the path of every call.
        try:
            if pending.id in runtime.calls.pending:
                pending.task = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(pending.leave)
        except BaseException:
            runtime.calls.give_up(pending)
            raise
        finally:
            pending.peer.interest -= 1
        if pending.error is not None:
            raise pending.error
        return pending.value

    async def cast(
        self,
        node: str,
        actor: str,
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Cast to an actor; see `ActorRef.cast`."""
        runtime = self._runtime
        await trio.lowlevel.checkpoint_if_cancelled()
        record = [m.CAST, actor, event, list(args), kwargs or None]
        if node == runtime.name:
            process = runtime.registry.get(actor)
            if process is not None and process.mailbox.full:
                await runtime.pressure.room_here(process, event)
            self._put_local(record)
        else:
            link = runtime.link_to(node)
            data = runtime.encode(record, link.max_message)
            outbox = link.outbox
            # `at_ease` and `append` in line: this is the path of every cast.
            if (
                len(outbox.queue) >= link.easy_messages
                or outbox.bytes >= link.easy_bytes
                or link.choked
                or outbox.bulk is not None
                or len(data) > MOST_WHOLE
            ):
                await self._cast_slowly(link, actor, event, data)
            else:
                outbox.queue.append((data, m.CAST, actor))
                outbox.bytes += len(data)
                if len(outbox.queue) == 1:  # else the writer is, or will be, awake
                    link.wake()
        self._casts += 1
        if self._casts % YIELD_EVERY == 0:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def cast_nowait(
        self,
        node: str,
        actor: str,
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Cast without waiting; see `ActorRef.cast_nowait`."""
        if not self._thread.ours:
            raise elsewhere()
        runtime = self._runtime
        record = [m.CAST, actor, event, list(args), kwargs or None]
        if node == runtime.name:
            process = runtime.registry.get(actor)
            if process is not None and process.mailbox.full:
                self._expect_room(process, event)
            self._put_local(record)
            return
        link = runtime.link_to(node)
        data = runtime.encode(record, link.max_message)
        if not link.at_ease:
            self._expect_not_given_up(link)
            if actor in link.choked:
                raise runtime.pressure.full(node, actor, event)
            if link.full:
                self._make_room(link, actor, wait=False)
        link.post(data, m.CAST, actor, flow=actor)
        link.wake()

    def abandon(self, pending: Pending) -> None:
        """Take back a call whose caller has given up, or tell the callee."""
        runtime, peer = self._runtime, pending.peer
        if isinstance(peer, Here):
            runtime.cancel(peer, pending.id)
        elif not peer.outbox.withdraw(pending.ticket):
            runtime.post_control(peer, [m.CANCEL, pending.id])

    def _open_local(
        self,
        actor: str,
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        timeout: float,
    ) -> Pending:
        runtime = self._runtime
        here = runtime.here
        process = runtime.registry.get(actor)
        if process is None:
            raise self._absent(actor, event)
        if process.task is trio.lowlevel.current_task():
            raise CallingSelf(
                "a serial handler cannot call its own actor", to=actor, event=event
            )
        # `full`, and below `put`, in line: this is the path of every local call.
        mailbox = process.mailbox
        if len(mailbox.queue) >= mailbox.mark or mailbox.bytes >= mailbox.byte_mark:
            self._expect_room(process, event)
        calls = runtime.calls
        calls.last_id = call_id = calls.last_id + 1
        record = [m.CALL, actor, event, list(args), kwargs or None, call_id, 0]
        if runtime.copies:
            record = runtime.localise(record)
        pending = calls.open(call_id, here, actor, event, timeout, runtime.now())
        here.open_calls[call_id] = record
        here.interest += 1
        if mailbox.task is not None:
            mailbox.wake()
        mailbox.queue.append((record, here, 0, inf))
        return pending

    async def _admit_call(
        self, link: Link, actor: str, event: str, timeout: float, *, large: bool = False
    ) -> tuple[Link, float]:
        """Wait until a call may be queued on a link that is busy or choked.

        A large one waits, as large casts do, until those before it are nearly
        sent: encoding many at once would hold up all that is small, and so
        would an outbox that is full of them.

        Returns:
            The link, which may be another after the wait, and the seconds
            that are left for the call.

        Raises:
            NodeDown: The peer is known to be down.
            MailboxFull: The actor has choked us.
            OutboxFull, CallTimeout: There is no room, or was none in time.
        """
        ends = trio.current_time() + timeout
        while actor not in link.choked:
            lack: Lack | None = Lack.OUTBOX
            if not link.full or self._make_room(link, actor, wait=True):
                lack = link.lack(actor, large=True) if large else None
            if lack is None:
                return link, timeout
            self._expect_up(link)
            with trio.move_on_at(ends) as scope:
                await link.room(lack)
            if scope.cancelled_caught:
                self._count_outbox_full(link, actor)
                raise CallTimeout(
                    f"the outbox to {link.name} stayed full for {timeout:g} s",
                    to=f"{actor}@{link.name}",
                    event=event,
                )
            link = self._present(link)
            timeout = max(0.0, ends - trio.current_time())
        raise self._runtime.pressure.full(link.name, actor, event)

    def _expect_room(self, process: Process, event: str) -> None:
        """Make room in a full mailbox of this node, or raise MailboxFull."""
        pressure = self._runtime.pressure
        if not pressure.room_now(process):
            raise pressure.full(self._runtime.name, process.name, event)

    def _make_room(self, link: Link, actor: str, *, wait: bool) -> bool:
        """Apply the policy of a full outbox; see `Peer.make_room`."""

        def count(entry: Entry) -> None:
            runtime, to = self._runtime, str(entry.about)
            if not to.startswith("_"):  # no loss: the ring says its news again
                runtime.accounts.drop("outbox_oldest", peer=link.name, actor=to)

        try:
            return link.make_room(wait=wait, dropped=count)
        except OutboxFull:
            self._count_outbox_full(link, actor)
            raise

    def _count_outbox_full(self, link: Link, actor: str) -> None:
        self._runtime.accounts.refuse("outbox_full", peer=link.name, actor=actor)

    def _expect_up(self, link: Link) -> None:
        """Raise NodeDown if the peer is known to be down."""
        link.ensure_dialling()
        if link.down or link.given_up is not None:
            raise NodeDown(f"{link.name} is down", outcome="not sent")

    def _expect_not_given_up(self, link: Link) -> None:
        """Raise NodeDown if nothing will be sent on a link any more."""
        if link.given_up is not None:
            text = f"{link.name} is down: the link was given up ({link.given_up})"
            raise NodeDown(text, outcome="not sent")

    def _present(self, link: Link) -> Link:
        """Return the link that stands for the node now, after a wait."""
        return self._runtime.link_to(link.name) if link.gone else link

    def _open_remote(
        self,
        link: Link,
        actor: str,
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        timeout: float,
    ) -> Pending:
        runtime = self._runtime
        if link.connection is None:
            self._expect_up(link)
        calls = runtime.calls
        calls.last_id = call_id = calls.last_id + 1
        budget = m.budget_ms(timeout)
        data = runtime.encode(
            [m.CALL, actor, event, list(args), kwargs or None, call_id, budget],
            link.max_message,
        )
        pending = calls.open(call_id, link, actor, event, timeout, runtime.now())
        outbox = link.outbox
        queue = outbox.queue
        if outbox.bulk is None and len(data) <= MOST_WHOLE:  # `append` in line
            queue.append((data, m.CALL, call_id))
            outbox.bytes += len(data)
            pending.ticket = outbox.taken + len(queue)
        else:
            pending.ticket = outbox.append(data, m.CALL, call_id, actor)
        link.interest += 1
        waiting = len(queue)
        if waiting >= GATHER or link.interest == 1:
            link.flush()  # enough for a frame, or nothing else is under way
        elif waiting <= 1:
            link.wake()
        return pending

    def _absent(self, actor: str, event: str) -> ClusterError:
        if self._runtime.kernel.ended:
            return NodeDown("this node has ended", outcome="not sent")
        what = f"no actor {actor!r} runs on {self._runtime.name}"
        return NoSuchActor(what, to=actor, event=event)

    def _put_local(self, record: list[Any]) -> None:
        runtime = self._runtime
        process = runtime.registry.get(record[m.ACTOR])
        if process is None:
            runtime.delivery.drop_unknown(record, runtime.name)
            return
        process.mailbox.put((runtime.localise(record), runtime.here, 0, inf))

    async def _cast_slowly(
        self, link: Link, actor: str, event: str, data: bytes
    ) -> None:
        """Queue a cast that is large, or may have to wait."""
        large = len(data) > MOST_WHOLE
        link = await self._remote_room(link, actor, event, large=large)
        if len(data) > link.max_message:  # known only since it is up
            raise too_large(len(data), link.max_message)
        link.post(data, m.CAST, actor, flow=actor)
        link.wake()
        if large:  # it took a while to make
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _remote_room(
        self, link: Link, actor: str, event: str, *, large: bool
    ) -> Link:
        """Wait until a cast may be queued on a link that is busy or choked.

        Returns:
            The link, which may be another after the wait.

        Raises:
            NodeDown: The link was given up; it is not tried any more.
            MailboxFull, OutboxFull: There was no room in time.
        """
        with trio.move_on_after(self._runtime.config.busy_wait):
            while True:
                link = self._present(link)
                self._expect_not_given_up(link)
                if actor in link.choked:
                    if link.choked[actor] == "raise":
                        break
                    await link.change()
                elif link.full and not self._make_room(link, actor, wait=True):
                    await link.room(Lack.OUTBOX)
                elif (lack := link.lack(actor, large=large)) is not None:
                    await link.room(lack)
                else:
                    return link
        if actor in link.choked:
            raise self._runtime.pressure.full(link.name, actor, event)
        self._count_outbox_full(link, actor)
        raise OutboxFull(
            f"the outbox to {link.name} stayed full for "
            f"{self._runtime.config.busy_wait:g} s"
        )


def looks_large(values: Iterable[Any]) -> bool:
    """Say quickly whether arguments will make a large message.

    It looks at what has a length only, and not inside: what it misses is merely
    not held back, up to the bounds of the outbox.
    """
    return any(type(v) in _SIZED and len(v) > MOST_WHOLE for v in values)
