"""One provider of a service, on its way from being heard of to being counted.

The hooks of its service run one after another; what fails is tried again after a
pause. Which services are needed will never be here: that is `services`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio

from clusterkit.events import ServiceFailed
from clusterkit.frozen import frozen
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.actors.runtime import Runtime

logger = logging.getLogger("clusterkit.cluster")

FIRST_PAUSE: Final = 1.0
"""Seconds after which a hook that failed is run again; they double."""

LONGEST_PAUSE: Final = 30.0
"""Seconds between two runs of a hook that fails, at last."""

SetUp: TypeAlias = "Callable[[Service], Awaitable[object]]"
"""What sets a provider up: an async function of a `Service`."""


@frozen
class Service:
    """A service that a node provides.

    Attributes:
        name: Of the service.
        node: That provides it.
        info: What it says of it.
    """

    name: str
    node: str
    info: Any


class Run:
    """What sets up what a node has said once.

    Attributes:
        said: What it has said.
        done: Hooks that have run.
        scope: Of the task that runs them; None while none is to be run.
    """

    def __init__(self, said: Service) -> None:
        self.said = said
        self.done = 0
        self.scope: trio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<Run {self.said} done={self.done}>"


class Provider:
    """One node's service.

    Args:
        runtime: Runs the hooks.
        hooks: Returns those of a service.
        turned: Called when what counts has changed, or a hook has run, with what
            counted and what does now.
        life: Of the node.
        turns: Held while hooks run for the node, whichever life of it.

    Attributes:
        up: What counts; None before it was set up.
        life: Of the node.
    """

    def __init__(
        self,
        runtime: Runtime,
        hooks: Callable[[str], list[SetUp]],
        turned: Callable[[Service | None, Service | None], None],
        life: int,
        turns: trio.Lock,
    ) -> None:
        self.up: Service | None = None
        self.life = life
        self._runtime = runtime
        self._hooks = hooks
        self._turned = turned
        self._turns = turns
        self._run: Run | None = None

    def __repr__(self) -> str:
        return f"<Provider {self._run} up={self.up is not None}>"

    @property
    def is_done(self) -> bool:
        """Whether it counts, and no hook is left to run for what counts."""
        run = self._run
        if run is None or self.up is None:
            return False
        return self.up is not run.said or self._is_over(run)

    def take(self, said: Service) -> None:
        """Take what the node says now: set it up from the beginning."""
        self._stop()
        self._run = Run(said)
        self.go_on()

    def go_on(self) -> None:
        """Run the hooks that have not run; count, if there are none."""
        run = self._run
        if run is None or run.scope is not None:
            return
        if self._is_over(run):
            self._turn(run.said)
        else:
            run.scope = trio.CancelScope()
            self._runtime.spawn(self._set_up, run, run.scope)

    def end(self) -> None:
        """It is gone."""
        self._stop()
        self._turn(None)

    def _is_over(self, run: Run) -> bool:
        return run.done >= len(self._hooks(run.said.name))

    def _stop(self) -> None:
        run, self._run = self._run, None
        if run is not None and run.scope is not None:
            run.scope.cancel()

    def _turn(self, now: Service | None) -> None:
        before, self.up = self.up, now
        self._turned(before, now)

    async def _set_up(self, run: Run, scope: trio.CancelScope) -> None:
        """Run the hooks, once one that was cancelled has come to its end."""
        with scope:
            async with self._turns:
                await self._run_hooks(run)
        if self._run is run:
            run.scope = None
            self._turn(run.said)

    async def _run_hooks(self, run: Run) -> None:
        """Run them, unless it is stopped, which may be as one comes to its end."""
        pause = FIRST_PAUSE
        while self._run is run and not self._is_over(run):
            if await self._succeeds(self._hooks(run.said.name)[run.done], run.said):
                run.done += 1
                pause = FIRST_PAUSE
            elif self._run is run:
                self._turn(None)
                await trio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _succeeds(self, hook: SetUp, said: Service) -> bool:
        """Run a hook; return whether it has not raised."""
        try:
            await hook(said)
        except Exception as error:  # the application's code must not stop the node
            told = {"peer": said.node, "service": said.name, "hook": hook}
            log(logger, logging.ERROR, "service_failed", **told)
            logger.exception("the hook raised")
            text = f"{type(error).__name__}: {error}"
            self._runtime.notify(ServiceFailed(said.name, said.node, text))
            return False
        return True
