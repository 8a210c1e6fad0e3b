"""The runtime: the actors of one node, and what answers them.

It ties the parts together: `sending` outward, `delivery` inward, `calls` that
wait, `monitors`, and a process per actor. It speaks to the kernel's links and
knows nothing of sockets.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from clusterkit.actors.calls import Calls
from clusterkit.actors.delivery import Delivery
from clusterkit.actors.dropped import DroppedCasts
from clusterkit.actors.faults import from_fault, to_fault
from clusterkit.actors.here import Here, Origin
from clusterkit.actors.life import Beginning, Ending, end_each
from clusterkit.actors.monitors import Monitors
from clusterkit.actors.process import Process
from clusterkit.actors.ref import ActorRef
from clusterkit.actors.registry import Registry
from clusterkit.actors.sending import Sending
from clusterkit.actors.server import GenServer
from clusterkit.errors import (
    ActorDown,
    EncodeError,
    MessageTooLarge,
    NodeDown,
    NoSuchActor,
    RemoteFault,
)
from clusterkit.wire import messages as m
from clusterkit.wire.frame import array_header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from clusterkit.cluster.node import ClusterNode
    from clusterkit.config import Config
    from clusterkit.events import Event
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.link import Link
    from clusterkit.net.peer import Peer

S = TypeVar("S", bound=GenServer)

PATIENCE: Final = 0.8
"""Of the time that the actors have to end with their node, the part for which
it waits for concurrent handlers and promised answers."""


class Runtime:
    """Runs the actors of a node.

    Args:
        name: The node's.
        config: Bounds and times.
        first_call_id: Random, so that answers to a former life of this node
            meet no call of this one.
        notify: Publishes an event.
        copy_local: Send what stays on the node through the codec, too.

    Attributes:
        kernel: The node's links; see `attach`.
        node: The `ClusterNode`, for the actors' `self.node`.
        late_replies: Answers dropped because nobody waited any more.
        dropped: Says which casts nobody could handle.
    """

    kernel: Kernel
    node: ClusterNode
    _nursery: trio.Nursery  # from `run` on

    def __init__(
        self,
        name: str,
        config: Config,
        first_call_id: int,
        notify: Callable[[Event], None],
        *,
        copy_local: bool = False,
    ) -> None:
        self.name = name
        self.config = config
        self.notify = notify
        self.here = Here(name)
        self.registry = Registry()
        self.sending = Sending(self)
        self.delivery = Delivery(self)
        self.monitors = Monitors(self)
        self.dropped = DroppedCasts(trio.current_time)
        self.calls = Calls(first_call_id, self.sending.abandon)
        # `trio.current_time` without its two layers: it is asked on every call.
        self.now = trio.lowlevel.current_clock().current_time
        self.call = self.sending.call
        self.cast = self.sending.cast
        self.cast_nowait = self.sending.cast_nowait
        self.late_replies = 0
        self._ended = False
        self._copy_local = copy_local
        self._scopes: dict[int, trio.CancelScope] = {}

    def attach(self, kernel: Kernel) -> None:
        """Send by `kernel` from now on; before that, nothing can be sent."""
        self.kernel = kernel
        # These two serve every message.
        self.link_to = kernel.route
        self.encode = kernel.codec.encode

    def __repr__(self) -> str:
        return f"<Runtime {self.name} actors={len(self.registry)}>"

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Carry all actors until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await self.calls.reap()
            finally:
                self._ended = True  # the nursery is about to take no more tasks

    def spawn(
        self,
        task: Callable[..., Awaitable[Any]],
        *args: Any,
        name: str | None = None,
    ) -> None:
        """Start a task that lives no longer than the runtime; none after its end.

        Args:
            task: An async function.
            args: For it.
            name: What trio calls the task; made from the function by default.
        """
        if not self._ended:
            self._nursery.start_soon(task, *args, name=name)

    async def start(
        self,
        name: str | None,
        server: Callable[..., S] | S,
        /,
        *args: Any,
        reserved: bool = False,
        **kwargs: Any,
    ) -> ActorRef[S]:
        """Start an actor; see `ClusterNode.start`."""
        if self._ended:
            raise NodeDown("this node has ended", "not sent")
        factory, restartable = _factory(server, args, kwargs)
        process = Process(self, factory, restartable=restartable)
        process.name = self.registry.claim(name, process, reserved=reserved)
        if type(process.server).init is GenServer.init:
            self.spawn(process.run, name=process.name)
        else:
            process.beginning = beginning = Beginning()
            self.spawn(process.run, name=process.name)
            await beginning.over()
        return ActorRef(self, process.name, self.name)

    async def stop(self, name: str) -> None:
        """Stop an actor; see `ClusterNode.stop`."""
        process = self.registry.get(name)
        if process is not None:
            await process.stop()

    async def stop_all(self, deadline: float) -> None:
        """Stop the user's actors, the latest first, each with what waits for it.

        One is told after the other; see `end_each`. After `PATIENCE` of the
        time, concurrent handlers and promised answers are cut, so that
        `terminate` has the rest of it. What has not ended at the deadline is
        accounted for as if it had, and its task goes with the node. If one of
        them calls this, it is told, and not waited for.

        Args:
            deadline: When this returns at the latest.
        """
        began, me = trio.current_time(), trio.lowlevel.current_task()
        patience = began + PATIENCE * (deadline - began)
        told: dict[Process, Ending] = {}
        with trio.move_on_at(deadline):
            while fresh := [p for p in self._of_the_user() if p not in told]:
                others = [p for p in reversed(fresh) if not p.runs(me)]
                told |= {p: p.begin_to_end() for p in fresh if p.runs(me)}
                await end_each(others, told, patience)
                for process in others:
                    process.hurry()
                for process in others:
                    await told[process].done.wait()
        for process in list(self._of_the_user()):
            if not process.runs(me):
                process.give_up()

    def _of_the_user(self) -> Iterator[Process]:
        return (p for p in self.registry if not p.name.startswith("_"))

    def local(self, name: str) -> Process:
        """Return the process of an actor of this node.

        Raises:
            NoSuchActor: There is none.
        """
        process = self.registry.get(name)
        if process is None:
            raise NoSuchActor(f"no actor {name!r} runs on {self.name}")
        return process

    def end(self, process: Process) -> None:
        """A process has ended for good: free its name."""
        self.registry.release(process)
        if process.beginning is not None:
            process.beginning.done.set()

    def ref(self, name: str, node: str) -> ActorRef[Any]:
        """Return an untyped reference."""
        return ActorRef(self, name, node)

    def route(self, node: str) -> Link | Here:
        """Return the link to a node, or `here`.

        Raises:
            NodeUnknown: No address is known for it.
            NodeDown: This node has ended.
        """
        return self.here if node == self.name else self.kernel.route(node)

    def reply(self, origin: Origin, record: list[Any], value: Any) -> None:
        """Answer a call, if its caller still waits; send nothing yet.

        Raises:
            EncodeError, MessageTooLarge: The value cannot travel. The caller
                has been told; it is a fault of the handler.
        """
        call_id = record[m.CALL_ID]
        if origin.open_calls.get(call_id) is not record:
            self.late_replies += 1
            return
        if isinstance(origin, Here):
            if self._copy_local:
                value = self.localise([m.REPLY, call_id, value])[m.VALUE]
            del origin.open_calls[call_id]
            self.calls.resolve(call_id, origin, value)
            return
        try:
            data = self.encode([m.REPLY, call_id, value], origin.max_message)
        except (EncodeError, MessageTooLarge) as error:
            self.fault(origin, record, error)
            raise
        del origin.open_calls[call_id]
        origin.outbox.append(data, m.REPLY, None)

    def localise(self, record: list[Any]) -> list[Any]:
        """Return a record that stays on this node as its receiver gets it.

        Itself; a copy through the codec if this runtime was told so.

        Raises:
            EncodeError, MessageTooLarge: It could not travel to another node.
        """
        if not self._copy_local:
            return record
        body = array_header(1) + self.encode(record)
        copy: list[Any] = self.kernel.codec.decode(body)[0]
        return copy

    def fault(self, origin: Origin, record: list[Any], error: BaseException) -> None:
        """Answer a call with an error, if its caller still waits."""
        call_id = record[m.CALL_ID]
        if origin.open_calls.get(call_id) is not record:
            self.late_replies += 1
            return
        del origin.open_calls[call_id]
        self._send_fault(origin, call_id, error)

    def refuse_call(self, peer: Peer, record: list[Any], error: BaseException) -> None:
        """Answer a call that was never taken in, if the peer reads answers."""
        if peer.swamped:
            return
        self._send_fault(peer, record[m.CALL_ID], error)
        peer.wake()

    def _send_fault(self, origin: Origin, call_id: int, error: BaseException) -> None:
        """Send an error; if it cannot travel, less of it; in the end, that there is one.

        Never raises: that would be in the middle of what a peer has sent. The
        last form fits into the least that a peer may accept.
        """
        for most in (None, 256, 0):
            try:
                self._send_details(origin, call_id, *to_fault(error, most=most))
            except (EncodeError, MessageTooLarge):
                continue
            return
        self._send_details(origin, call_id, RemoteFault.code, ["Unsendable", ""])

    def _send_details(
        self, origin: Origin, call_id: int, code: str, details: list[Any]
    ) -> None:
        record = [m.FAULT, call_id, code, details]
        if isinstance(origin, Here):
            details = self.localise(record)[m.DETAILS]
            pending = self.calls.pending.get(call_id)
            where = pending.where() if pending is not None else {}
            self.calls.fail(call_id, origin, from_fault(code, details, where))
        else:
            data = self.encode(record, origin.max_message)
            origin.outbox.append(data, m.FAULT, None)

    def expire(self, origin: Origin, record: list[Any]) -> None:
        """Forget a call that its caller has timed out on."""
        origin.open_calls.pop(record[m.CALL_ID], None)

    def cancel(self, origin: Origin, call_id: int) -> None:
        """A caller gave up: forget its call, end its handler if that may be."""
        record = origin.open_calls.pop(call_id, None)
        if record is None:
            return  # answered already
        scope = self._scopes.get(id(record))
        if scope is not None:
            scope.cancel()
        elif (process := self.registry.get(record[m.ACTOR])) is not None:
            process.mailbox.abandoned += 1
            process.look_again()

    @contextmanager
    def cancellable(self, record: list[Any]) -> Iterator[trio.CancelScope]:
        """Yield a scope that is cancelled when the caller gives up."""
        scope = self._scopes[id(record)] = trio.CancelScope()
        try:
            yield scope
        finally:
            del self._scopes[id(record)]

    def _origins(self) -> list[Origin]:
        return [self.here, *self.kernel.everybody()]

    def has_calls_to(self, actor: str) -> bool:
        """Say whether anybody waits for an answer of an actor of this node."""
        return any(
            record[m.ACTOR] == actor
            for origin in self._origins()
            for record in origin.open_calls.values()
        )

    def look_again(self, actor: str) -> None:
        """A call to an actor of this node is over; its end may have waited for it."""
        process = self.registry.get(actor)
        if process is not None and process.settling:
            process.look_again()

    def fail_calls_to(self, actor: str, reason: str) -> None:
        """Answer every open call to an actor that has ended."""
        error = ActorDown(f"it ended ({reason}) before it answered")
        for origin in self._origins():
            records = [r for r in origin.open_calls.values() if r[m.ACTOR] == actor]
            for record in records:
                self.fault(origin, record, error)
            if records:
                origin.wake()

    def abandon_calls_of(self, origin: Origin) -> None:
        """An origin is gone: treat each of its open calls as given up."""
        for call_id in list(origin.open_calls):
            self.cancel(origin, call_id)

    def post_control(self, peer: Peer, record: list[Any]) -> int:
        """Send a record that no outbox refuses; return its ticket."""
        ticket = peer.post(self.encode(record), record[m.KIND], None)
        peer.wake()
        return ticket


def _factory(
    server: Callable[..., S] | S, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[[], S], bool]:
    """Return what builds an instance, and whether it can do so again."""
    if isinstance(server, GenServer):
        return (lambda: server), False
    return partial(server, *args, **kwargs) if args or kwargs else server, True
