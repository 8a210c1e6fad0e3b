"""The runtime: the actors of one node, and what carries them.

It ties the parts together: `sending` outward, `delivery` inward, `answering`,
`calls` that wait, `monitors`, and a process per actor. It speaks to the kernel's
links and knows nothing of sockets.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from clusterkit.actors.accounts import Accounts
from clusterkit.actors.answering import Answering
from clusterkit.actors.calls import Calls
from clusterkit.actors.delivery import Delivery
from clusterkit.actors.dropped import DroppedCasts
from clusterkit.actors.life import Beginning, Ending, end_each
from clusterkit.actors.monitors import Monitors
from clusterkit.actors.opening import OpenedEnd
from clusterkit.actors.own_thread import OwnThread
from clusterkit.actors.pressure import Pressure
from clusterkit.actors.process import Process
from clusterkit.actors.ref import ActorRef
from clusterkit.actors.sending import Sending
from clusterkit.actors.server import GenServer
from clusterkit.actors.stream import OpenStream
from clusterkit.errors import ConfigError, NodeDown, NoSuchActor
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from clusterkit.actors.here import Here
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.config import Config
    from clusterkit.events import Event
    from clusterkit.net.link import Link
    from clusterkit.net.peer import Peer

S = TypeVar("S", bound=GenServer)

PATIENCE: Final = 0.8
"""Of the time that the actors have to end with their node, the part for which
it waits for concurrent handlers and promised answers."""


class Runtime(Answering):
    """Runs the actors of a node.

    Args:
        name: The node's.
        config: Bounds and times.
        first_call_id: Random, so that answers to a former life of this node
            meet no call of this one.
        notify: Publishes an event.
        copy_local: Send what stays on the node through the codec, too.

    Attributes:
        node: The `ClusterNode`, for the actors' `self.node`.
        thread: The node's own.
        dropped: Says which casts nobody could handle.
    """

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
        super().__init__(name, copy_local=copy_local)
        self.config = config
        self.notify = notify
        self.thread = OwnThread.here()
        self.accounts = Accounts(self.spawn, notify, config.refused_interval)
        self.pressure = Pressure(self)
        self.sending = Sending(self)
        self.delivery = Delivery(self)
        self.monitors = Monitors(self)
        self.dropped = DroppedCasts(trio.current_time)
        self.calls = Calls(first_call_id, self.sending.abandon, self.say_late)
        # `trio.current_time` without its two layers: it is asked on every call.
        self.now = trio.lowlevel.current_clock().current_time
        self.call = self.sending.call
        self.cast = self.sending.cast
        self.cast_nowait = self.sending.cast_nowait
        self._ended = False

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
                self.accounts.tell()

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
        self.thread.require()
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
        self.thread.require()
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

    def stream(
        self,
        node: str,
        actor: str,
        event: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        timeout: float | None,
    ) -> OpenStream[Any]:
        """Return what opens a stream; see `ActorRef.stream`."""
        target = (node, actor)
        return OpenStream(OpenedEnd(self, target, event, args, kwargs, timeout))

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

    def post_control(self, peer: Peer, record: list[Any]) -> int:
        """Send a record that no outbox refuses; return its ticket."""
        ticket = peer.post(self.encode(record), record[m.KIND], None)
        peer.wake()
        return ticket


def _factory(
    server: Callable[..., S] | S, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[[], S], bool]:
    """Return what builds an instance, and whether it can do so again.

    Raises:
        ConfigError: It builds nothing.
    """
    if isinstance(server, GenServer):
        return (lambda: server), False
    if not callable(server):
        raise ConfigError(f"an actor is a GenServer class or instance, not {server!r}")
    return partial(server, *args, **kwargs) if args or kwargs else server, True
