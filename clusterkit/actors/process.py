"""A running actor: its lives, crashes and restarts under one name.

What one life consists of is in `loop`. When it ends, everything it leaves
behind is accounted for, and a fresh instance is built under the same name, so
far as the restart intensity allows.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.actors.loop import INFO, STOP, Loop
from clusterkit.actors.server import GenServer, concurrent_caller
from clusterkit.core.restarts import RestartWindow
from clusterkit.events import ActorGaveUp, ActorRestarted
from clusterkit.logs import log
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.ref import ActorRef
    from clusterkit.actors.runtime import Runtime

logger = logging.getLogger("clusterkit.actors")


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored actor has ended; comes to `handle_info`.

    Attributes:
        monitor: What `monitor` returned.
        target: What was monitored.
        reason: Why it ended: `normal`, `shutdown`, the name of an exception,
            `noproc` (there was none), or `noconnection` (its node is down).
    """

    monitor: int
    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStatistics:
    """A snapshot of one actor.

    Attributes:
        name: Its name.
        type: Name of its class.
        state: `running`, `paused` or `restarting`.
        mailbox: Messages that wait.
        handled: Messages handled in all its lives.
        dropped: Casts that had no handler, did not fit, or were lost in a
            crash or at a full mailbox.
        restarts: Crashes it was restarted from.
    """

    name: str
    type: str
    state: str
    mailbox: int
    handled: int
    dropped: int
    restarts: int


class Process(Loop):
    """One actor under its name, across restarts.

    Args:
        runtime: The node's.
        factory: Builds an instance.
        restartable: Whether `factory` may be used again.

    Attributes:
        task: The actor's own, where all its serial handlers run.
        state: `running` or `restarting`.
        restarts: Lives after the first.
        started: Set when the first `init` is done; None if it needs no wait.
        ended: Set when there is no next life; made by whoever waits for it.
        failure: What the first `init` raised.
    """

    __slots__ = (
        "_factory",
        "_restartable",
        "_window",
        "ended",
        "failure",
        "restarts",
        "started",
        "state",
        "task",
    )

    def __init__(
        self, runtime: Runtime, factory: Callable[[], GenServer], *, restartable: bool
    ) -> None:
        super().__init__(runtime, factory())
        self._factory = factory
        self._restartable = restartable
        self._window: RestartWindow | None = None
        self.task: trio.lowlevel.Task | None = None
        self.state = "running"
        self.restarts = 0
        self.started: trio.Event | None = None
        self.ended: trio.Event | None = None
        self.failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Process {self.name} {self.state} {self.mailbox!r}>"

    @property
    def ref(self) -> ActorRef[Any]:
        """A reference to the actor."""
        return self.runtime.ref(self.name, self.runtime.here.name)

    def statistics(self) -> ActorStatistics:
        """Return a snapshot."""
        return ActorStatistics(
            name=self.name,
            type=type(self.server).__name__,
            state="paused" if self.paused else self.state,
            mailbox=len(self.mailbox.queue),
            handled=self.handled,
            dropped=self.dropped,
            restarts=self.restarts,
        )

    def pause(self) -> None:
        """Handle nothing more for now; keep what comes."""
        self.paused = True

    def resume(self) -> None:
        """Go on after `pause`; without one, nothing happens."""
        self.paused = False
        self.mailbox.wake()

    def make_room(self) -> bool:
        """Forget calls whose callers gave up; say whether there is room now."""
        self.mailbox.purge()
        return not self.mailbox.full

    async def stop(self) -> None:
        """End the actor after the messages that wait now; wait for it."""
        if self.ended is None:
            self.ended = trio.Event()
            self.resume()
            self.mailbox.put(([STOP], self.runtime.here, 0, inf))
        if self.task is not trio.lowlevel.current_task():
            await self.ended.wait()

    def tell(self, message: Any) -> None:
        """Queue a message for `handle_info`."""
        self.mailbox.put(([INFO, message], self.runtime.here, 0, inf))

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for `handle_info` later; return what takes it back."""
        scope, server = trio.CancelScope(), self.server

        async def ring() -> None:
            with scope:
                await trio.sleep(seconds)
                if self.server is server:  # a timer dies with the life it was set in
                    self.tell(message)

        self.runtime.spawn(ring)
        return scope.cancel

    async def run(self) -> None:
        """Live, crash, and live again, until there is no next life."""
        self.task = trio.lowlevel.current_task()
        if concurrent_caller.get() is not None:  # started by a concurrent handler
            concurrent_caller.set(None)
        while True:
            reason = await self._live()
            self._account(reason)
            if not self._begin_again(reason):
                break
        self.runtime.end(self)
        if self.ended is not None:
            self.ended.set()

    async def _live(self) -> str:
        """Run one instance from `init` to `terminate`; return why it ended."""
        server = self.server
        server._process = self  # noqa: SLF001
        try:
            if type(server).init is not GenServer.init:
                await server.init()
        except Exception as error:  # noqa: BLE001 - the crash barrier
            return self.crashed(error, None)
        self.state = "running"
        if self.started is not None:
            self.started.set()
        if any(handler.concurrent for handler in server._handlers.values()):  # noqa: SLF001
            async with trio.open_nursery() as self.nursery:
                reason = await self.handle_messages()
                self.nursery.cancel_scope.cancel()
        else:
            reason = await self.handle_messages()
        self.current = self.current_caller = None
        try:
            await server.terminate(reason)
        except Exception as error:  # noqa: BLE001 - the crash barrier
            self.log_crash(error, "terminate")
        return reason

    def _account(self, reason: str) -> None:
        """Account for everything that this life leaves behind."""
        self.current = self.current_caller = None
        self.exiting = None
        mailbox = self.mailbox
        for record, _, _, _ in mailbox.queue:
            if record[m.KIND] == m.CAST:
                self.dropped += 1
        mailbox.queue.clear()
        mailbox.bytes = 0
        self.relax()
        self.runtime.fail_calls_to(self.name, reason)
        self.runtime.monitors.ended(self.name, reason)

    def _begin_again(self, reason: str) -> bool:
        """Decide whether there is a next life, and prepare it."""
        crash, self.crash = self.crash, None
        never_started = self.started is not None and not self.started.is_set()
        if never_started:
            self.failure = crash
            return False
        if self.ended is not None or not self._may_restart(crash):
            if crash is not None:
                self.runtime.notify(ActorGaveUp(self.name, repr(crash)))
                log(logger, logging.ERROR, "actor_gave_up", actor=self.name)
            return False
        try:
            self.server = self._factory()
        except Exception as error:  # noqa: BLE001 - the crash barrier
            self.log_crash(error, "__init__")
            self.runtime.notify(ActorGaveUp(self.name, repr(error)))
            return False
        self.restarts += 1
        self.state = "restarting"
        self.runtime.notify(ActorRestarted(self.name, repr(crash) if crash else reason))
        return True

    def _may_restart(self, crash: BaseException | None) -> bool:
        policy = self.server.restart
        if not self._restartable or policy == "temporary":
            return False
        if crash is None and policy == "transient":
            return False
        if self._window is None:
            self._window = RestartWindow(*self.server.intensity)
        return self._window.allow(trio.current_time())
