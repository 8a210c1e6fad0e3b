"""How gossip travels: as a cast to the ring's actor, in parts if it is long.

Cutting and joining live here; what gossip says never will: that is
`core.ring_state`. A message longer than what the peer accepts goes as several
casts, which hold its bytes one after the other, and is joined before anybody
looks into it. Cutting it by entries would not do: half of a state may not bring
a node into a ring. The invariant is that a message arrives whole or not at all;
what is lost is said again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clusterkit.cluster.own_names import RING
from clusterkit.errors import EncodeError, MessageTooLarge, ProtocolError
from clusterkit.logs import log
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.frame import array_header

if TYPE_CHECKING:
    from collections import Counter

    from clusterkit.core.membership import Membership
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.link import Link

logger = logging.getLogger("clusterkit.cluster")

MOST_BYTES: Final = 16 * 1024 * 1024
"""Longest message of the ring's gossip: all entries of a full ring, each as
long as it may be, take 9 MiB. Bounds what one peer can have here in parts."""

MOST_BEGUN: Final = 4 * MOST_BYTES
"""Bytes of messages whose last part has not come, of all peers together. Beyond
it the one begun first is dropped: what is lost is said again."""

MOST_SPEAKERS: Final = 1024
"""Peers of which there may be such a message."""

PART_ROOM: Final = 64
"""Bytes of a part that are not the message's: names of actor and event, three
integers and the headers; at most 47."""

MOST_PARTS: Final = 4_096
"""Most parts of one message: half of the mark of the mailbox that takes them."""


class RingPost:
    """Sends gossip.

    Args:
        kernel: Its links carry it.
        membership: Where members listen whom the kernel does not know.
        dropped: Counts what could not be sent, as `unsent`.
    """

    def __init__(
        self, kernel: Kernel, membership: Membership, dropped: Counter[str]
    ) -> None:
        self._kernel = kernel
        self._membership = membership
        self._dropped = dropped
        self._codec = Codec(MOST_BYTES)
        self._long = 0
        self._failing: set[tuple[str, type]] = set()

    def __repr__(self) -> str:
        return f"<RingPost {self._long} sent in parts>"

    def send(self, ring: str, to: str, message: tuple[Any, ...]) -> bool:
        """Send a message to a node, unless it is known to be down.

        What gossip loses it says again; queueing it for a dead member would
        only fill the outbox. What cannot be encoded is counted, and logged once
        per peer: it will be said again, too.

        Args:
            ring: The name of the ring it is of.
            to: The node.
            message: What a `Send` or `HandOver` holds.

        Returns:
            Whether it was queued.
        """
        link = self._link(to)
        if link is None or link.down or link.full or link.given_up is not None:
            return False
        try:
            casts = self._casts(link, ring, message)
        except (EncodeError, MessageTooLarge) as error:
            self._dropped["unsent"] += 1
            if (to, type(error)) not in self._failing:
                self._failing.add((to, type(error)))
                log(logger, logging.ERROR, "gossip_not_sent", peer=to, error=error)
            return False
        for data in casts:
            link.post(data, m.CAST, RING)
        link.wake()
        return True

    def _casts(self, link: Link, ring: str, message: tuple[Any, ...]) -> list[bytes]:
        """Return the encoded casts that carry a message.

        Raises:
            EncodeError: Something in it cannot travel.
            MessageTooLarge: It is longer than any, or the peer takes next to
                nothing.
        """
        limit = min(link.max_message, self._kernel.codec.max_message)
        whole = self._codec.encode(_cast("gossip", [ring, list(message)]))
        if len(whole) <= limit:
            return [whole]
        size = max(1, limit - PART_ROOM)
        if len(whole) > size * MOST_PARTS:
            raise MessageTooLarge(
                f"{len(whole)} bytes of gossip do not fit into {MOST_PARTS} messages "
                f"of {limit}; give all nodes a larger max_message"
            )
        self._long += 1
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        return [
            self._codec.encode(_cast("part", [self._long, i, len(pieces), piece]))
            for i, piece in enumerate(pieces)
        ]

    def _link(self, name: str) -> Link | None:
        """Return the link to a node, None if nobody knows where it is."""
        if name not in self._kernel.peers and self._kernel.where(name) is None:
            node = self._membership.find(name)
            if node is None:
                return None
            self._kernel.know(node)
        return self._kernel.link_to(name)


class Parts:
    """The parts of messages that are on their way here, one message per peer."""

    def __init__(self) -> None:
        self._codec = Codec(MOST_BYTES)
        self._begun: dict[str, _Begun] = {}
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<Parts from {len(self._begun)} peers>"

    def forget(self, peer: str) -> None:
        """Drop what a peer has begun: it speaks of something else now."""
        self._end(peer)

    def take(
        self, peer: str, number: object, index: object, count: object, piece: object
    ) -> tuple[Any, Any] | None:
        """Take a part; they come in order, as all casts of one peer do.

        Args:
            peer: Who sent it.
            number: Of the message, at its sender.
            index: Of this part, from 0.
            count: How many parts there are.
            piece: Bytes of the message.

        Returns:
            Ring and message, once all parts have come; None before.

        Raises:
            ValueError: It does not follow those before, or they make no gossip.
        """
        begun = self._end(peer)
        if {type(number), type(index), type(count)} != {int}:
            raise ValueError("the numbers of a part are whole ones")
        if index == 0:
            begun = _Begun(number, count, bytearray())
        if begun is None or (number, count, index) != (*begun[:2], begun.taken):
            raise ValueError("this part is not the next one")
        if not isinstance(piece, bytes) or len(begun.data) + len(piece) > MOST_BYTES:
            raise ValueError(f"parts are bytes, and {MOST_BYTES} together at most")
        begun.data.extend(piece)
        if begun.taken + 1 == count:
            return self._read(begun.data)
        self._go_on(peer, begun._replace(taken=begun.taken + 1))
        return None

    def _end(self, peer: str) -> _Begun | None:
        """Forget what a peer has begun; return it."""
        begun = self._begun.pop(peer, None)
        if begun is not None:
            self._bytes -= len(begun.data)
        return begun

    def _go_on(self, peer: str, begun: _Begun) -> None:
        """Keep what a peer has begun, and drop others' if it is too much."""
        self._bytes += len(begun.data)
        self._begun[peer] = begun
        while len(self._begun) > MOST_SPEAKERS or (
            self._bytes > MOST_BEGUN and len(self._begun) > 1
        ):
            self._end(next(iter(self._begun)))

    def _read(self, data: bytearray) -> tuple[Any, Any]:
        try:
            (record,) = self._codec.decode(array_header(1) + data)
            ring, message = record[m.ARGS]
        except (ProtocolError, ValueError, TypeError, LookupError) as error:
            raise ValueError(f"these parts are no gossip: {error}") from error
        return ring, message


class _Begun(NamedTuple):
    """A message of which some parts have come."""

    number: object
    parts: object
    data: bytearray
    taken: int = 0


def _cast(event: str, args: list[Any]) -> list[Any]:
    return [m.CAST, RING, event, args, None]
