"""What this node drops or refuses: counted by reason, and told now and then.

Whatever does not come to a handler is counted here once, at the node that let it
go, or said no to it. Of each kind there is an event at most once in a while, with
the number since: a flood is one line, and so is a single message.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.actors.dropped import MOST_KINDS, MOST_TEXT
from clusterkit.actors.faults import text_of
from clusterkit.events import Busy, BusyReason, Dropped, DropReason
from clusterkit.logs import Seldom, log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.events import Event

logger = logging.getLogger("clusterkit.actors")

SILENCE: Final = 10.0
"""Seconds between two log lines about what one actor or peer costs for one reason;
the events go on."""

_SAID_BY_NAME: Final = frozenset({"no_actor", "no_handler"})
"""Reasons that have a line of their own, `cast_dropped`, which names the cast."""

_OF_THE_DAY: Final = frozenset({"expired", "abandoned", "late_reply", "late_chunk"})
"""Reasons that are no loss: nobody waits any more."""

_Kind = tuple[type[Dropped] | type[Busy], str, str, str]


class Accounts:
    """The counts of one node.

    Args:
        spawn: Starts a task.
        notify: Publishes an event.
        interval: Seconds for which counts are gathered before they are told.

    Attributes:
        dropped: Messages dropped, by reason; see `events.Dropped`.
        busy: Messages refused, by reason; see `events.Busy`.
    """

    def __init__(
        self,
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
        notify: Callable[[Event], None],
        interval: float,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self._spawn = spawn
        self._notify = notify
        self._interval = interval
        self._untold: dict[_Kind, int] = {}
        self._seldom = Seldom(trio.current_time, silence=SILENCE)

    def __repr__(self) -> str:
        return f"<Accounts dropped={self.dropped.total()} busy={self.busy.total()}>"

    def drop(
        self, reason: DropReason, *, peer: str = "", actor: str = "", n: int = 1
    ) -> None:
        """Count messages that were dropped.

        Args:
            reason: Why.
            peer: The node at their other end, "" for several.
            actor: Whom they were for, "" if nobody knows.
            n: How many; 0 is nothing to tell.
        """
        if n:
            self.dropped[reason] += n
            self._note((Dropped, reason, peer, _cut(actor)), n)

    def refuse(self, reason: BusyReason, *, peer: str, actor: str) -> None:
        """Count a message that was refused, its sender being told.

        Args:
            reason: Why.
            peer: The node at its other end.
            actor: Whom it was for.
        """
        self.busy[reason] += 1
        self._note((Busy, reason, peer, _cut(actor)), 1)

    def _note(self, kind: _Kind, n: int) -> None:
        """Have a count told; peers choose names, so of too many kinds without them."""
        untold = self._untold
        if not untold:
            self._spawn(self._tell_later)
        if kind not in untold and len(untold) >= MOST_KINDS:
            kind = (*kind[:2], "", "")
        untold[kind] = untold.get(kind, 0) + n

    async def _tell_later(self) -> None:
        await trio.sleep(self._interval)
        self.tell()

    def tell(self) -> None:
        """Tell what has gathered: an event and perhaps a line for each kind."""
        untold, self._untold = self._untold, {}
        for (event, reason, peer, actor), n in untold.items():
            self._notify(event(reason, peer, actor, n))  # type: ignore[arg-type]
            if reason not in _SAID_BY_NAME:
                self._log(event.__name__.lower(), reason, peer, actor, n)

    def _log(self, event: str, reason: str, peer: str, actor: str, n: int) -> None:
        due = self._seldom.due(event, reason, peer, actor)
        if due is None:
            return
        level = logging.INFO if reason in _OF_THE_DAY else logging.WARNING
        told = {"reason": reason, "peer": peer or None, "actor": actor or None}
        log(logger, level, event, **told, n=n, **due)


def _cut(name: str) -> str:
    """Return an actor's name; of one that is none only the beginning."""
    return name if len(name) <= MOST_TEXT else text_of(name, MOST_TEXT)
