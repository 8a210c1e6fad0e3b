"""A node in the foreground of its process: until a signal has it end, and its end.

What signals mean is `signals`. The invariant is that a second one ends the process
at once, whatever the first has begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from clusterkit.cluster.signals import ENDING, HEARD, Hangups, told_to_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.cluster.ending import Ending


async def in_foreground(
    ending: Ending,
    shutdown: Callable[[], Awaitable[object]],
    reload: Callable[[], Awaitable[object]],
    say: Callable[[], object],
    task_status: trio.TaskStatus[None],
) -> None:
    """Run until SIGTERM or SIGINT, or the node has ended, then shut it down.

    Args:
        ending: How far its end has come.
        shutdown: Brings it about.
        reload: Reads cookies again, and raises nothing.
        say: Called before it is shut down.
        task_status: Told when signals are heard.

    Raises:
        SystemExit: A second signal came.

    Cancellation:
        Signals are as before.
    """
    hangups = Hangups()
    with trio.open_signal_receiver(*HEARD) as signals:
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_over, ending, nursery.cancel_scope)
            await told_to_end(signals, hangups, reload)
            nursery.cancel_scope.cancel()
        say()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_force_on, signals, ending)
            await shutdown()
            nursery.cancel_scope.cancel()


async def _cancel_when_over(ending: Ending, scope: trio.CancelScope) -> None:
    await ending.wait()
    scope.cancel()


async def _force_on(signals: Any, ending: Ending) -> None:
    while await anext(signals) not in ENDING:
        pass  # what it would read again is not needed any more
    ending.cut()
    raise SystemExit(1)
