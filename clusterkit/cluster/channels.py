"""Channels: messages to every member that has joined, by name or by pattern.

Who has joined what is an announcement, so a sender knows its members and sends to
each of them; there is nobody in the middle. A channel is a name of parts with dots
between; `*` in the place of a part is any one, and as the last part any that follow.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import trio

from clusterkit.actors.handlers import cast
from clusterkit.actors.server import GenServer
from clusterkit.cluster.own_names import CHANNELS
from clusterkit.cluster.subscriptions import (
    ChannelMessage,
    ChannelStatistics,
    Handler,
    Subscription,
)
from clusterkit.core.election import read_epoch
from clusterkit.core.topics import check_channel, check_pattern, matches
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.logs import Seldom, log
from clusterkit.wire.shape import Undecodable
from clusterkit.wire.stream_values import decode_value, encode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.announcing import Announcements
    from clusterkit.cluster.masters import Masters
    from clusterkit.config import Policy
    from clusterkit.wire.codec import Codec

__all__ = ["ChannelMessage", "Channels"]

logger = logging.getLogger("clusterkit.cluster")

JOINED: Final = "_channels"
KEPT: Final = "_kept."

MOST_JOINED: Final = 1_000
"""Patterns that one node may have joined."""

LATE: Final = 5.0
"""Seconds after which a message that replaces a kept one does not come any more: its
sender knew nothing of this node when it sent it."""

PAIR: Final = 2

Kept: TypeAlias = "tuple[list[int], bytes]"
"""What is kept: its stamp, by which later ones are told, and the value, encoded."""


class Channels(GenServer):
    """The channels of a cluster, as one node uses them; `node.channels`.

    Guarantees:
        A message reaches each member that had joined when it was sent at most once,
        and those of one sender come in the order they were sent. One is lost if its
        receiver dies, is cut off for too long, or too slow: see `send`.

    Args:
        announcements: Who has joined what.
        runtime: Sends, and runs the handlers.
        masters: Know which epochs are heeded.
        incarnation: Of this life of the node.
    """

    mailbox_policy: ClassVar[Policy | None] = "wait"  # whatever the node's is

    def __init__(
        self,
        announcements: Announcements,
        runtime: Runtime,
        masters: Masters,
        incarnation: Callable[[], int],
    ) -> None:
        self.ignored = {"foreign": 0, "invalid": 0, "old_epoch": 0}
        self._announcements = announcements
        self._runtime = runtime
        self._masters = masters
        self._incarnation = incarnation
        self._count = self._dropped = self._not_sent = 0
        self._subscriptions: dict[str, Subscription] = {}
        self._joined: dict[str, tuple[str, ...]] = {}  # patterns by node
        self._audiences: dict[str, tuple[str, ...]] = {}  # nodes by channel
        self._kept: dict[tuple[str, str], Kept] = {}  # by node and channel
        self._seldom = Seldom(runtime.now, silence=10.0)
        announcements.follow(JOINED, self._follow_joined)
        announcements.follow(KEPT, self._follow_kept)

    @property
    def _codec(self) -> Codec:
        return self._runtime.kernel.codec

    def __repr__(self) -> str:
        return f"<Channels joined={list(self._subscriptions)}>"

    def join(self, pattern: str, handler: Handler, *, kept: bool = False) -> None:
        """Have messages of some channels handled, one after another.

        Args:
            pattern: A channel, as `orders.new`, or several: `orders.*`.
            handler: Called with each `ChannelMessage`, and awaited. If it raises, that is
                logged, and it goes on with the next.
            kept: Whether it first gets what senders have kept (`send(keep=True)`).

        Raises:
            ConfigError: The pattern is none, or is joined already, or the handler
                cannot be called.
            MessageTooLarge: This node has joined too many.
        """
        self._runtime.thread.require()
        if check_pattern(pattern) in self._subscriptions:
            raise ConfigError(f"{pattern!r} is joined already; leave it first")
        if not callable(handler):
            raise ConfigError(f"a handler is an async function, not {handler!r:.100}")
        if len(self._subscriptions) >= MOST_JOINED:
            raise ConfigError(f"a node joins up to {MOST_JOINED} patterns")
        self._announcements.announce(JOINED, sorted((*self._subscriptions, pattern)))
        subscription = Subscription(pattern, handler, wants_kept=kept)
        self._subscriptions[pattern] = subscription
        self._runtime.spawn(subscription.run)
        for node, channel in self._kept:
            self._give_kept(subscription, node, channel)

    def leave(self, pattern: str) -> bool:
        """Have its messages handled no more; return whether it was joined.

        What waits for its handler is dropped; one that runs is cancelled, unless it
        is the one that asks.

        Args:
            pattern: As it was joined.

        Raises:
            ConfigError: The pattern is none.
        """
        self._runtime.thread.require()
        subscription = self._subscriptions.pop(check_pattern(pattern), None)
        if subscription is None:
            return False
        subscription.end()
        if self._subscriptions:
            self._announcements.announce(JOINED, sorted(self._subscriptions))
        else:
            self._announcements.withdraw(JOINED)
        return True

    async def send(
        self,
        channel: str,
        value: object,
        *,
        to_self: bool = True,
        keep: bool = False,
        epoch: tuple[int, str] | None = None,
    ) -> int:
        """Send to every member that has joined a channel.

        It waits for nobody: for whom there is no room, in the outbox to it or in its
        mailbox, the message is dropped, which `statistics` of both and a line of the log tell.

        Args:
            channel: Its name; or a pattern, for all that have joined a channel which
                it matches.
            value: Anything that travels.
            to_self: Whether this node gets it, too, if it has joined.
            keep: Whether it is kept, in the place of the one before, for those that
                join later; then encoded it takes up to 32 KiB.
            epoch: Of the master that sends it. Who knows that it was overruled drops
                the message.

        Returns:
            To how many it was sent.

        Raises:
            ConfigError: There is no such channel or epoch, or a pattern is to be kept.
            EncodeError: The value cannot travel.
            MessageTooLarge: It is too long, or too much is kept.

        Cancellation:
            Before it is sent to anybody.
        """
        self._runtime.thread.require()
        await trio.lowlevel.checkpoint()
        nodes = self._audience(channel)
        if epoch is not None and read_epoch(epoch) is None:
            raise ConfigError(f"{epoch!r:.100} is no epoch of a master")
        data: bytes = encode_value(self._codec, value)
        stamp = None
        if keep:
            self._count += 1
            stamp = [self._incarnation(), self._count]
            self._announcements.announce(KEPT + check_channel(channel), [stamp, value])
        args = (channel, data, stamp, epoch and list(epoch))
        others = (n for n in nodes if to_self or n != self._runtime.name)
        return sum([self._sends(node, args) for node in others])

    def forget_kept(self, channel: str) -> bool:
        """Keep the last message of this node no more; return whether there was one.

        Args:
            channel: Where it was sent.

        Raises:
            ConfigError: There is no such channel.
        """
        self._runtime.thread.require()
        return self._announcements.withdraw(KEPT + check_channel(channel))

    def members(self, channel: str) -> tuple[str, ...]:
        """Return the nodes that have joined a channel, in order.

        Args:
            channel: Its name.

        Raises:
            ConfigError: There is no such channel.
        """
        return self._audience(channel)

    def statistics(self) -> ChannelStatistics:
        """Return what this node has done in channels."""
        subscriptions = self._subscriptions.values()
        return ChannelStatistics(
            joined=len(subscriptions),
            waiting=sum(subscription.waiting for subscription in subscriptions),
            dropped=self._dropped,
            not_sent=self._not_sent,
            ignored=dict(self.ignored),
        )

    @cast
    async def message(
        self, channel: str, data: bytes, stamp: list[Any] | None, epoch: Any
    ) -> None:
        """Take a message of a member, which may be this node."""
        if self.caller.origin.role != "member":
            self.ignored["foreign"] += 1
        elif not _is_message(channel, data, stamp, epoch):
            self.ignored["invalid"] += 1
        elif epoch is not None and not self._masters.accepts(epoch):
            self.ignored["old_epoch"] += 1
        else:
            self._hand_out(channel, self.caller.node, data, stamp)

    def _hand_out(self, channel: str, node: str, data: bytes, stamp: Any) -> None:
        for pattern, subscription in self._subscriptions.items():
            if matches(pattern, channel):
                value = decode_value(self._codec, data)  # each gets a copy
                if isinstance(value, Undecodable):
                    self.ignored["invalid"] += 1
                elif not subscription.put(ChannelMessage(channel, node, value), stamp):
                    self._say_dropped(channel, subscription.dropped)

    def _sends(self, node: str, args: tuple[Any, ...]) -> bool:
        try:
            self._runtime.cast_nowait(node, CHANNELS, "message", args, {})
        except ClusterError as error:
            self._not_sent += 1
            due = self._seldom.due("not_sent", node)
            if due is not None:
                told = {"peer": node, "channel": args[0], "error": error, **due}
                log(logger, logging.WARNING, "channel_message_not_sent", **told)
            return False
        return True

    def _say_dropped(self, channel: str, dropped: int) -> None:
        self._dropped += 1
        due = self._seldom.due("dropped", channel)
        if due is not None:
            told = {"channel": channel, "dropped": dropped, **due}
            told["remedy"] = "its handler is too slow"
            log(logger, logging.WARNING, "channel_message_dropped", **told)

    # Who has joined, and what is kept.

    def _audience(self, channel: str) -> tuple[str, ...]:
        known = self._audiences.get(check_pattern(channel))
        if known is None:
            if len(self._audiences) >= MOST_JOINED:
                self._audiences.clear()
            known = self._audiences[channel] = tuple(sorted(self._matching(channel)))
        return known

    def _matching(self, channel: str) -> Iterator[str]:
        for node, patterns in self._joined.items():
            if any(matches(pattern, channel) for pattern in patterns):
                yield node

    def _follow_joined(self, node: str, rest: str, value: Any) -> None:
        if rest:
            return  # of a later version of clusterkit
        self._audiences.clear()
        if isinstance(value, list):
            self._joined[node] = tuple(p for p in value[:MOST_JOINED] if _is_pattern(p))
        else:
            self._joined.pop(node, None)

    def _follow_kept(self, node: str, channel: str, value: Any) -> None:
        """Know what is kept; give it to those that want it, when it is first seen.

        What replaces it comes as a message, too, unless its sender was cut off.
        """
        if not _is_kept(value) or not _is_channel(channel):
            self._kept.pop((node, channel), None)
            return
        is_first = (node, channel) not in self._kept
        stamp, kept = value
        self._kept[node, channel] = stamp, encode_value(self._codec, kept)
        if is_first:
            self._give_all(node, channel)
        elif any(s.awaits(node, channel, stamp) for s in self._subscriptions.values()):
            self._runtime.spawn(self._give_late, node, channel, stamp)

    async def _give_late(self, node: str, channel: str, stamp: list[int]) -> None:
        """Give what is kept, if it is still that; who got the message is not given it."""
        await trio.sleep(LATE)
        kept = self._kept.get((node, channel))
        if kept is not None and kept[0] == stamp:
            self._give_all(node, channel)

    def _give_all(self, node: str, channel: str) -> None:
        for subscription in self._subscriptions.values():
            self._give_kept(subscription, node, channel)

    def _give_kept(self, subscription: Subscription, node: str, channel: str) -> None:
        stamp, data = self._kept[node, channel]
        if subscription.awaits(node, channel, stamp):
            value = decode_value(self._codec, data)  # each gets a copy
            message = ChannelMessage(channel, node, value, is_kept=True)
            if not subscription.put(message, stamp):
                self._say_dropped(channel, subscription.dropped)


def _is_message(channel: object, data: object, stamp: object, epoch: object) -> bool:
    """Say whether it is what `Channels.send` sends."""
    return (
        _is_pattern(channel)
        and isinstance(data, bytes)
        and (stamp is None or _is_stamp(stamp))
        and (epoch is None or read_epoch(epoch) is not None)
    )


def _is_kept(value: Any) -> bool:
    return isinstance(value, list) and len(value) == PAIR and _is_stamp(value[0])


def _is_stamp(value: Any) -> bool:
    """Say whether it is a life of a node, and a count within that."""
    return (
        isinstance(value, list)
        and len(value) == PAIR
        and all(type(number) is int for number in value)
    )


def _is_pattern(pattern: object) -> bool:
    return _passes(check_pattern, pattern)


def _is_channel(channel: object) -> bool:
    return _passes(check_channel, channel)


def _passes(check: Callable[[object], object], value: object) -> bool:
    try:
        check(value)
    except ConfigError:
        return False
    return True
