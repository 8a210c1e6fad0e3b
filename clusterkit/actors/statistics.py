"""What an actor tells of itself."""

from __future__ import annotations

from clusterkit.frozen import frozen


@frozen(kw_only=True)
class ActorStatistics:
    """A snapshot of one actor.

    Attributes:
        name: Its name.
        type: Name of its class.
        state: `running`, `paused` or `restarting`.
        mailbox: Messages that wait.
        handled: Messages handled in all its lives; while it is busy, up to 31
            behind.
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
