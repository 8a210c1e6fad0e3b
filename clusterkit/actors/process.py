"""A running actor: its lives, crashes and restarts under one name.

What one life consists of is in `loop`. When it ends, everything it leaves
behind is accounted for, and a fresh instance is built under the same name, so
far as the restart intensity allows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.actors.beside import Beside
from clusterkit.actors.faults import describe
from clusterkit.actors.life import Ending
from clusterkit.actors.loop import INFO, STOP, Loop
from clusterkit.actors.server import GenServer, concurrent_caller
from clusterkit.actors.settings import check_settings
from clusterkit.actors.statistics import ActorStatistics
from clusterkit.core.restarts import RestartWindow
from clusterkit.errors import ConfigError, NodeDown
from clusterkit.events import ActorGaveUp, ActorRestarted
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.life import Beginning
    from clusterkit.actors.ref import ActorRef
    from clusterkit.actors.runtime import Runtime

logger = logging.getLogger("clusterkit.actors")


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
        ending: Made when the actor is told to end, and not to live again.
        hurried: Whether its end waits for nothing but the handler that runs.
        timers: Of this life; made by the first.
    """

    __slots__ = (
        "_factory",
        "_restartable",
        "_window",
        "beginning",
        "ending",
        "hurried",
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
        self.ending: Ending | None = None
        self.hurried = False
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
        self.runtime.thread.require()
        self.paused = True

    def resume(self) -> None:
        """Go on after `pause`; without one, nothing happens."""
        self.runtime.thread.require()
        self.paused = False
        self.mailbox.wake()

    def make_room(self) -> bool:
        """Forget calls whose callers gave up; say whether there is room now."""
        self.say_abandoned(None, self.mailbox.purge())
        return not self.mailbox.full

    async def stop(self) -> None:
        """End the actor after what waits now and what it owes; wait for it.

        From one of its own handlers this returns at once.

        Raises:
            NodeDown: The node has ended, and did not wait for the actor.
        """
        ending = self.begin_to_end()
        if not self.runs(trio.lowlevel.current_task()):
            await ending.over()

    def begin_to_end(self) -> Ending:
        """Have the actor end after what waits now and what it owes."""
        if self.ending is None:
            self.ending = Ending()
            self.resume()
            self.mailbox.put_own([STOP])
        return self.ending

    def hurry(self) -> None:
        """Cut what runs beside, and what is promised, when the actor ends."""
        self.hurried = True
        self.look_again()

    def look_again(self) -> None:
        """Something that its end may have waited for is over."""
        if self.settling:
            self.exit("shutdown")

    def give_up(self) -> None:
        """Account for an actor that will not end before its node does."""
        log(logger, logging.WARNING, "actor_cut", actor=self.name)
        self.runtime.fail_calls_to(self.name, "shutdown")
        self.runtime.monitors.ended(self.name, "shutdown")

    def runs(self, task: trio.lowlevel.Task | None) -> bool:
        """Say whether a task is the actor's, or began in one that is."""
        while task is not None and task is not self.task:
            nursery = task.parent_nursery
            task = nursery.parent_task if nursery is not None else None
        return task is not None

    def tell(self, message: Any) -> None:
        """Queue a message for `handle_info`."""
        self.mailbox.put_own([INFO, message])

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Queue a message for `handle_info` later; return what takes it back."""
        if not seconds >= 0:
            raise ConfigError(f"a timer is set to seconds from now, not {seconds!r}")
        self.runtime.thread.require()
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
        try:
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
                            reason = await self._settle(reason)
                        await self._terminate(reason)
                except BaseExceptionGroup as group:
                    reason = self._sift(group)
                self._account(reason)
                if not self._begin_again(reason):
                    break
        except BaseException:  # the node ends, and waits for nobody any more
            self._cut()
            raise
        self.runtime.end(self)
        if self.ending is not None:
            self.ending.done.set()

    def _cut(self) -> None:
        """Let nobody wait for ever for an actor whose node has ended."""
        if self.beginning is not None:
            self.beginning.failure = NodeDown("this node has ended", "unknown")
        if self.ending is not None:
            self.ending.cut = True
            self.ending.done.set()
        self.runtime.end(self)

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
                self.begin_to_end()
                self.exiting = "shutdown"
        return None

    async def _handle_beside(self) -> str:
        """Handle messages with a nursery for concurrent handlers."""
        async with trio.open_nursery() as nursery:
            self.beside = Beside(self, nursery)
            reason = await self._settle(await self.handle_messages())
            nursery.cancel_scope.cancel()
        return reason

    async def _settle(self, reason: str) -> str:
        """Wait for what is under way when the loop has ended, unless by a crash.

        Meanwhile calls are refused, and all else is handled: it may be what
        an answer waits for. A serial handler is not torn, however late it is.

        Returns:
            The reason; another one if the actor crashed meanwhile.
        """
        if not self._waits():
            return reason
        timer, self.settling = trio.CancelScope(), True
        self.runtime.spawn(self._hurry_in_time, timer, name=self.name)
        try:
            while self._waits():
                self.exiting = None
                await self.handle_messages()
        finally:
            timer.cancel()
        return reason if self.crash is None else type(self.crash).__name__

    def _waits(self) -> bool:
        """Say whether the end of this life has something to wait for."""
        server = self.server
        if self.crash is not None or self.hurried or not server._lingers:  # noqa: SLF001
            return False
        if server._has_concurrent and len(self.beside):  # noqa: SLF001
            return True
        return self.ending is not None and self.runtime.has_calls_to(self.name)

    async def _hurry_in_time(self, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(self.runtime.config.drain_timeout)
        if not scope.cancel_called:  # else this life has ended
            self.hurry()

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
        self.settling = self.hurried = False
        for scope in self.timers or ():
            scope.cancel()
        self.timers = None
        casts, calls = self.mailbox.clear()
        self.dropped += casts
        self.runtime.accounts.drop("actor_ended", actor=self.name, n=casts)
        self.say_abandoned(None, calls)
        self.relax()
        self.runtime.fail_calls_to(self.name, reason)
        self.runtime.monitors.ended(self.name, reason)
        self.runtime.monitors.release(self)

    def _begin_again(self, reason: str) -> bool:
        """Decide whether there is a next life, and prepare it."""
        crash, self.crash = self.crash, None
        if self.beginning is not None:
            self.beginning.failure = crash
            return False
        again = self.ending is None and self._wants_another_life(crash)
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
            ConfigError: The factory does not build actors, one of its class
                attributes is impossible, or this very instance runs already.
            Exception: Whatever its constructor raised.
        """
        server = self._factory()
        if not isinstance(server, GenServer):
            raise ConfigError(
                f"a {type(server).__name__} is no GenServer, so it cannot be an "
                "actor; let the class inherit from clusterkit.GenServer"
            )
        check_settings(server, type(server))
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
