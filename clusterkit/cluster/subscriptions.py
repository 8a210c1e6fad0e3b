"""What one node has joined: messages that wait for their handler."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio

from clusterkit.core.topics import matches
from clusterkit.frozen import frozen
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger("clusterkit.cluster")

MOST_WAITING: Final = 1_000
"""Messages that wait for one handler; of more, the newest are dropped."""

MOST_STAMPS: Final = 10_000
"""Places of kept messages that one subscription remembers; of more, the latest."""

Handler: TypeAlias = "Callable[[ChannelMessage], Awaitable[object]]"
"""What handles messages: an async function of a `ChannelMessage`."""


@frozen
class ChannelMessage:
    """One message of a channel.

    Attributes:
        channel: What it was sent to, which may be a pattern.
        node: That sent it.
        value: What was sent: a copy.
        is_kept: Whether it was kept for who joins late.
    """

    channel: str
    node: str
    value: Any
    is_kept: bool = False


@frozen
class ChannelStatistics:
    """What a node has done in channels, since it started.

    Attributes:
        joined: Patterns that it has joined now.
        waiting: Messages that wait for their handlers now.
        dropped: Messages for which there was no room before a handler.
        not_sent: Messages for which there was no room on the way to a member, or
            that were too long for it.
        ignored: Messages that were not heeded: `foreign`, of who is no member;
            `invalid`; and `old_epoch`, of a master that was overruled.
    """

    joined: int
    waiting: int
    dropped: int
    not_sent: int
    ignored: dict[str, int]


class Subscription:
    """A pattern that is joined.

    Args:
        pattern: Of the channels.
        handler: Called with their messages.
        wants_kept: Whether it gets what is kept.

    Attributes:
        dropped: Messages for which there was no room.
    """

    def __init__(self, pattern: str, handler: Handler, *, wants_kept: bool) -> None:
        self.pattern = pattern
        self.dropped = 0
        self._wants_kept = wants_kept
        self._handler = handler
        self._waiting: deque[ChannelMessage] = deque()
        self._stamps: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lot = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._ended = False
        self._task: trio.lowlevel.Task | None = None

    def __repr__(self) -> str:
        return f"<Subscription {self.pattern} waiting={len(self._waiting)}>"

    def put(self, message: ChannelMessage, stamp: Any = None) -> bool:
        """Queue a message; return False if there is no room for it.

        Args:
            message: The message.
            stamp: Its place among those that its sender keeps, if it does: one that
                came by the other way already, or an earlier one, is not queued.
        """
        if stamp is not None:
            place = message.node, message.channel
            if not self._is_later(place, stamp):
                return True
            self._remember(place, stamp)
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return False
        self._waiting.append(message)
        self._lot.unpark_all()
        return True

    @property
    def waiting(self) -> int:
        """Messages that wait for the handler."""
        return len(self._waiting)

    def awaits(self, node: str, channel: str, stamp: Any) -> bool:
        """Say whether it wants what is kept, and has had nothing as late."""
        return (
            self._wants_kept
            and matches(self.pattern, channel)
            and self._is_later((node, channel), stamp)
        )

    def _is_later(self, place: tuple[str, str], stamp: Any) -> bool:
        return place not in self._stamps or stamp > self._stamps[place]

    def _remember(self, place: tuple[str, str], stamp: Any) -> None:
        # Also of who keeps nothing any more: it may be cut off only, and be back.
        self._stamps[place] = stamp
        self._stamps.move_to_end(place)
        if len(self._stamps) > MOST_STAMPS:
            self._stamps.popitem(last=False)

    def end(self) -> None:
        """Handle nothing more; cancel a handler, unless it is what asks."""
        self._ended = True
        self._waiting.clear()
        self._lot.unpark_all()
        if trio.lowlevel.current_task() is not self._task:
            self._scope.cancel()

    async def run(self) -> None:
        """Handle messages until it is left."""
        self._task = trio.lowlevel.current_task()
        with self._scope:
            while not self._ended:
                if self._waiting:
                    await self._handle(self._waiting.popleft())
                else:
                    await self._lot.park()

    async def _handle(self, message: ChannelMessage) -> None:
        try:
            await self._handler(message)
        except Exception:  # the application's code must not stop the node
            told = {"channel": message.channel, "peer": message.node}
            log(logger, logging.ERROR, "channel_handler_failed", **told)
            logger.exception("the handler raised")
