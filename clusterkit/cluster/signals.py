"""Signals to a node in the foreground: when to end, and when to read again.

What ending takes is the node's affair. The invariant is that a node whose
terminal is closed ends, while one that never had any takes SIGHUP as daemons
do.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ENDING: Final = (signal.SIGTERM, signal.SIGINT)
HEARD: Final = (*ENDING, signal.SIGHUP)
"""What `serve_forever` answers."""


class Hangups:
    """Tells the two meanings of SIGHUP apart; made before signals are received.

    The kernel sends one when the terminal is closed, an operator to have files
    read again. Whoever ignores it, as `nohup` does, has said that the terminal
    does not matter.
    """

    def __init__(self) -> None:
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._terminal = not ignored and has_terminal()

    def ends(self) -> bool:
        """Say whether the terminal that was there is gone."""
        return self._terminal and not has_terminal()


def has_terminal() -> bool:
    """Say whether this process has a terminal that may be closed."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(descriptor)
    return True


async def told_to_end(
    signals: AsyncIterator[int],
    hangups: Hangups,
    reload: Callable[[], Awaitable[object]],
) -> None:
    """Return when a signal asks for the end; read again at those that ask for it.

    Args:
        signals: Numbers, as they come.
        hangups: What SIGHUP means.
        reload: Reads again, and raises nothing.
    """
    async for number in signals:
        if number != signal.SIGHUP or hangups.ends():
            return
        await reload()
