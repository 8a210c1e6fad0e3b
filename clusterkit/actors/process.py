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

from clusterkit.actors.faults import describe
from clusterkit.actors.loop import INFO, STOP, Loop
from clusterkit.actors.server import GenServer, concurrent_caller
from clusterkit.core.restarts import RestartWindow
from clusterkit.errors import ConfigError
from clusterkit.events import ActorGaveUp, ActorRestarted
from clusterkit.logs import log

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


class Beginning:
    """The first `init` of an actor, which somebody waits for.

    Attributes:
        scope: Around it; cancelled when nobody waits any more.
        done: Set when it has returned, or failed.
        failure: What it raised.
    """

    __slots__ = ("done", "failure", "scope")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.done = trio.Event()
        self.failure: BaseException | None = None

    async def over(self) -> None:
        """Wait for the end of `init`; end the actor if the wait is cancelled."""
        try:
            await self.done.wait()
        except trio.Cancelled:
            self.scope.cancel()
            raise
        if self.failure is not None:
            raise self.failure


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
        beginning: The first `init`, until it has returned; None if there is
            nothing to wait for.
        ended: Set when there is no next life; made by whoever waits for it.
        timers: Of this life; made by the first.
    """

    __slots__ = (
        "_factory",
        "_restartable",
        "_window",
        "beginning",
        "ended",
        "restarts",
        "state",
        "task",
        "timers",
    )

    def __init__(
        self, runtime: Runtime, factory: Callable[[], GenServer], *, restartable: bool
    ) -> None:
        self._factory = factory
        super().__init__(runtime, self._build(runtime))
        self._restartable = restartable
        if not restartable:  # whoever has the instance may add handlers to it
            self.server._own_handlers()  # noqa: SLF001
        self._window: RestartWindow | None = None
        self.task: trio.lowlevel.Task | None = None
        self.state = "running"
        self.restarts = 0
        self.beginning: Beginning | None = None
        self.ended: trio.Event | None = None
        self.timers: dict[trio.CancelScope, None] | None = None

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
        if not seconds >= 0:
            raise ConfigError(f"a timer is set to seconds from now, not {seconds!r}")
        if self.timers is None:
            self.timers = {}
        scope = trio.CancelScope()
        self.timers[scope] = None
        self.runtime.spawn(self._ring, scope, seconds, message, name=self.name)
        return scope.cancel

    async def _ring(
        self, scope: trio.CancelScope, seconds: float, message: Any
    ) -> None:
        with scope:
            await trio.sleep(seconds)
        # A timer dies with the life it was set in, also if it was due already.
        if self.timers is not None and scope in self.timers:
            del self.timers[scope]
            if not scope.cancelled_caught:
                self.tell(message)

    async def run(self) -> None:
        """Live, crash, and live again, until there is no next life."""
        self.task = trio.lowlevel.current_task()
        if concurrent_caller.get() is not None:  # started by a concurrent handler
            concurrent_caller.set(None)
        while True:
            # While an actor is parked, this frame and `handle_messages` are
            # all it has: each one more is a quarter of a kilobyte.
            try:
                reason = await self._begin()
                if reason is None:
                    if self.server._has_concurrent:  # noqa: SLF001
                        reason = await self._handle_beside()
                    else:
                        reason = await self.handle_messages()
                    await self._terminate(reason)
            except BaseExceptionGroup as group:
                reason = self._sift(group)
            self._account(reason)
            if not self._begin_again(reason):
                break
        self.runtime.end(self)
        if self.ended is not None:
            self.ended.set()

    async def _begin(self) -> str | None:
        """Run `init`; return why that ended this life, None if it did not."""
        server, beginning = self.server, self.beginning
        try:
            if beginning is not None:
                with beginning.scope:
                    await server.init()
            elif type(server).init is not GenServer.init:
                await server.init()
        except Exception as error:  # noqa: BLE001 - the crash barrier
            if beginning is not None:  # raised where it was started, not logged
                self.crash = error
                return type(error).__name__
            return self.crashed(error, None)
        self.state = "running"
        if beginning is not None:
            self.beginning = None
            beginning.done.set()
            if beginning.scope.cancel_called:  # nobody knows of it: end it again
                self.ended = trio.Event()
                self.exiting = "shutdown"
        return None

    async def _handle_beside(self) -> str:
        """Handle messages with a nursery for concurrent handlers."""
        async with trio.open_nursery() as self.nursery:
            reason = await self.handle_messages()
            self.nursery.cancel_scope.cancel()
        return reason

    async def _terminate(self, reason: str) -> None:
        self.current = self.current_caller = None
        try:
            await self.server.terminate(reason)
        except Exception as error:  # noqa: BLE001 - the crash barrier
            self.log_crash(error, "terminate")

    def _sift(self, group: BaseExceptionGroup[BaseException]) -> str:
        """Log the crash in a group; raise what in it is not ours to stop.

        A handler that crashes while it is being cancelled raises both.
        """
        crash, rest = group.split(Exception)
        if crash is not None:
            self.crash = crash
            self.log_crash(crash, None)
        if rest is not None:
            raise rest
        return type(crash).__name__

    def _account(self, reason: str) -> None:
        """Account for everything that this life leaves behind."""
        self.current = self.current_caller = None
        self.exiting = None
        for scope in self.timers or ():
            scope.cancel()
        self.timers = None
        self.dropped += self.mailbox.clear()
        self.relax()
        self.runtime.fail_calls_to(self.name, reason)
        self.runtime.monitors.ended(self.name, reason)

    def _begin_again(self, reason: str) -> bool:
        """Decide whether there is a next life, and prepare it."""
        crash, self.crash = self.crash, None
        if self.beginning is not None:
            self.beginning.failure = crash
            return False
        again = self.ended is None and self._wants_another_life(crash)
        while again and self._may_restart():
            try:
                self.server = self._build(self.runtime)
            except Exception as error:  # noqa: BLE001 - the crash barrier
                self.log_crash(error, "__init__")
                crash = error
            else:
                self.restarts += 1
                self.state = "restarting"
                why = describe(crash) if crash is not None else reason
                self.runtime.notify(ActorRestarted(self.name, why))
                return True
        if again or crash is not None:
            why = describe(crash) if crash is not None else reason
            self.runtime.notify(ActorGaveUp(self.name, why))
            log(logger, logging.ERROR, "actor_gave_up", actor=self.name)
        return False

    def _build(self, runtime: Runtime) -> GenServer:
        """Return an instance to run, which knows of this process.

        Raises:
            ConfigError: The factory does not build actors, or this very
                instance runs already.
            Exception: Whatever its constructor raised.
        """
        server = self._factory()
        if not isinstance(server, GenServer):
            raise ConfigError(
                f"a {type(server).__name__} is no GenServer, so it cannot be an "
                "actor; let the class inherit from clusterkit.GenServer"
            )
        former: Process = getattr(server, "_process", self)
        if former is not self and runtime.registry.get(former.name) is former:
            raise ConfigError(f"this instance runs already, as {former.name!r}")
        server._process = self  # noqa: SLF001
        return server

    def _wants_another_life(self, crash: BaseException | None) -> bool:
        policy = self.server.restart
        return self._restartable and (
            policy == "permanent" or (policy == "transient" and crash is not None)
        )

    def _may_restart(self) -> bool:
        """Count a restart; say whether it is within the intensity."""
        if self._window is None:
            self._window = RestartWindow(*self.server.intensity)
        return self._window.allow(trio.current_time())
