"""A remote process as this one sees it, connected or not.

`Link` (a member of the cluster, dialled again when the connection breaks) and
`ClientPeer` (a tool such as the CLI, gone with its connection) are the two
kinds. The floor above speaks to both alike: `post` a record, then `flush` or
`wake`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import trio

from clusterkit.errors import OutboxFull
from clusterkit.frozen import frozen
from clusterkit.wire.conversation import Conversations, Settled
from clusterkit.wire.messages import CAST
from clusterkit.wire.outbox import CONTROL
from clusterkit.wire.streams import Beyond

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from clusterkit.config import Config, Policy
    from clusterkit.events import Event
    from clusterkit.net.connection import Connection
    from clusterkit.wire.assembly import Room
    from clusterkit.wire.entry import Entry
    from clusterkit.wire.greetings import Role
    from clusterkit.wire.messages import Record


UNSENT_BYTES: Final = 64 * 1024
UNSENT_MESSAGES: Final = 2048
"""While a link is up, a sender of casts waits when more than this is unsent.
Together with the window it bounds what can still arrive after a Choke: less
than a mailbox takes beyond its mark."""


UNSENT_BULK: Final = 1024 * 1024
"""The same, in bytes, for what goes by the bulk lane: large casts, and those that
have to stay behind them."""


GATHER: Final = 32
"""Messages that make a frame worth writing while a task goes on making more. In
a burst the peer then works on the first half while this node makes the second;
one frame for all would have each wait for the other."""


REFUSALS: Final = 10
"""Refusals that may wait for a peer, in multiples of the calls it may have open. A
peer that reads takes them as they come; from one that does not, nothing more is
taken."""


class Lack(Enum):
    """What a sender waits for when there is too much unsent."""

    LINE = auto()
    """Small messages, on a live connection."""
    BULK = auto()
    """Large ones."""
    OUTBOX = auto()
    """Its bounds."""


class Observer(Protocol):
    """What the kernel tells the floor above."""

    def deliver(self, peer: Peer, records: list[Record], size: int) -> None:
        """Take responsibility for records, `size` bytes in all; never raises."""
        ...

    def settled(self, peer: Peer, settled: Settled) -> None:
        """Account for records that will not arrive, or not be answered."""
        ...

    def peer_down(self, peer: Peer, reason: str) -> None:
        """The peer has had no session for `down_after`, or is gone for good."""
        ...

    def owes(self, peer: Peer) -> bool:
        """Say whether the peer waits for an answer, or for the end of an actor."""
        ...

    def peer_left(self, peer: Peer) -> None:
        """The peer said Bye: it waits for no answers."""
        ...

    def notify(self, event: Event) -> None:
        """Publish an event."""
        ...


@frozen(kw_only=True)
class LinkStatistics:
    """A snapshot of one link.

    Attributes:
        peer: The peer's name.
        address: Where it is dialled, None if it has only dialled us.
        state: `connecting`, `up`, `down` (longer than `down_after`) or
            `given_up`.
        outbox: Messages that wait to be sent.
        outbox_bytes: Their encoded size.
        unacked: Messages sent and not acknowledged.
        unacked_bytes: Their encoded size.
        dropped: Casts thrown away by the drop-oldest policy.
        reconnects: Sessions after the first.
        last_seen: Seconds since the last byte, None if there was none.
    """

    peer: str
    address: str | None
    state: str
    outbox: int
    outbox_bytes: int
    unacked: int
    unacked_bytes: int
    dropped: int
    reconnects: int
    last_seen: float | None


class Peer:
    """What links and clients have in common.

    Attributes:
        name: The peer's node name.
        role: `member` or `client`.
        talk: Both conversations and the outbox.
        connection: The live one, None while there is none.
        gone: Whether this was dropped for good: nothing leaves any more, and
            another object may stand for the node.
        choked: Actors at the peer whose mailboxes are full, and what their casts
            do: `wait`, or `raise`.
        max_message: Largest message the peer accepts, in bytes.
        open_calls: Calls from it that are not answered yet, by id. Compared
            by identity: a restarted peer may use an id again.
        interest: Calls and monitors of ours that wait for something from it.
        beyond: What its streams have beyond their windows.
        easy_bytes: From this many unsent bytes on, a cast may have to wait.
        easy_messages: The same in messages.
        most_waiting: Messages in the outbox that say that it does not read: our
            own senders are held back before, and what a peer may have open
            leads to fewer answers.
    """

    role: ClassVar[Role] = "member"

    def __init__(self, name: str, config: Config, assembly: Room | None = None) -> None:
        self.name = name
        self.talk = Conversations(assembly)
        self.outbox = self.talk.outbox
        self.connection: Connection | None = None
        self.gone = False
        self.choked: dict[str, Policy] = {}
        self.max_message = self.outbox.most_under_way = config.max_message
        self.open_calls: dict[int, Record] = {}
        self.interest = 0
        self.beyond = Beyond()
        self.most_waiting = config.outbox_messages + REFUSALS * config.inbound_calls
        self._config = config
        self._usual_easy_bytes = min(UNSENT_BYTES, config.outbox_bytes)
        self.easy_bytes = self._usual_easy_bytes
        self.easy_messages = min(UNSENT_MESSAGES, config.outbox_messages)
        self._waiting = trio.lowlevel.ParkingLot()
        self._for_room: dict[Lack, trio.lowlevel.ParkingLot] = {}

    def __repr__(self) -> str:
        state = "up" if self.connection else "down"
        return f"<{type(self).__name__} {self.name} {state} {self.outbox!r}>"

    def post(
        self, data: bytes, kind: int, about: int | str | None, flow: Hashable = None
    ) -> int:
        """Queue an encoded record; return its ticket. Nothing is sent yet.

        Args:
            data: The record.
            kind: Its kind, which says how urgent it is.
            about: See `Entry`.
            flow: What it stays in order with; see `Outbox.append`.
        """
        if kind in CONTROL:
            self.outbox.append_control(data, kind)
            return 0
        return self.outbox.append(data, kind, about, flow)

    def take_limit(self, theirs: int) -> None:
        """Take note of the largest message that the peer accepts, in bytes."""
        self.max_message = min(self._config.max_message, theirs)
        self.outbox.most_under_way = self.max_message

    def wake(self) -> None:
        """Have what is queued sent soon, together with what else comes."""
        if self.connection is not None:
            self.connection.wake()

    def flush(self) -> None:
        """Send what is queued from this task, if the wire is idle."""
        if self.connection is not None:
            self.connection.flush()

    @property
    def full(self) -> bool:
        """Whether the outbox is at its bound."""
        outbox, config = self.outbox, self._config
        return (
            outbox.bytes + outbox.bulk_bytes >= config.outbox_bytes
            or len(outbox) >= config.outbox_messages
        )

    def lack(self, flow: str, *, large: bool) -> Lack | None:
        """Say what a sender should wait for on a live connection.

        Args:
            flow: The actor that its message is for.
            large: Whether that travels in pieces.

        Returns:
            `Lack.LINE` or `Lack.BULK`, after the lane that it would go to; None if
            there is room.
        """
        outbox, bulk = self.outbox, self.outbox.bulk
        if self.connection is None:
            return None
        if large or (bulk is not None and bulk.holds(flow)):
            return Lack.BULK if outbox.bulk_bytes > UNSENT_BULK else None
        many = outbox.bytes > UNSENT_BYTES or len(outbox.queue) > UNSENT_MESSAGES
        return Lack.LINE if many else None

    @property
    def at_ease(self) -> bool:
        """Whether a cast may be queued without a second thought."""
        outbox = self.outbox
        return (
            outbox.bytes < self.easy_bytes
            and len(outbox.queue) < self.easy_messages
            and not self.choked
            and outbox.bulk is None
        )

    @property
    def swamped(self) -> bool:
        """Whether more waits for it than for any peer that reads."""
        outbox = self.outbox
        return len(outbox.queue) + len(outbox.control) > self.most_waiting

    def cut_off(self, reason: str) -> None:
        """Take no more from a peer that misbehaves."""
        if self.connection is not None:
            self.connection.detach(reason)

    def make_room(self, *, wait: bool, dropped: Callable[[Entry], None]) -> bool:
        """Apply the outbox's policy to one new message at a full outbox.

        Args:
            wait: Whether the sender can wait.
            dropped: Is given each cast that goes for it.

        Returns:
            True if there is room now, False if the sender has to wait.

        Raises:
            OutboxFull: It must not, or cannot.
        """
        policy = self._config.outbox_policy
        if policy == "drop_oldest":
            while self.full and (entry := self.outbox.drop_oldest_cast()) is not None:
                dropped(entry)
            if not self.full:
                return True
        if policy == "wait" and wait:
            return False
        outbox = self.outbox
        size = outbox.bytes + outbox.bulk_bytes
        raise OutboxFull(f"{len(outbox)} messages ({size} bytes) wait for {self.name}")

    async def room(self, lack: Lack) -> None:
        """Wait until half of what is too much is gone, or something else changed.

        The connection, or a choke. The caller has to look again.

        Args:
            lack: What there is too much of.
        """
        self.outbox.on_room = self._look_for_room
        await self._for_room.setdefault(lack, trio.lowlevel.ParkingLot()).park()

    def _look_for_room(self) -> None:
        for lack in [lack for lack in self._for_room if self._eased(lack)]:
            self._for_room.pop(lack).unpark_all()
        if not self._for_room:
            self.outbox.on_room = None

    def _eased(self, lack: Lack) -> bool:
        """Say whether there is at most half of what is too much."""
        outbox, config = self.outbox, self._config
        if lack is Lack.BULK:
            return 2 * outbox.bulk_bytes <= UNSENT_BULK
        if lack is Lack.LINE:
            return (
                2 * outbox.bytes <= UNSENT_BYTES
                and 2 * len(outbox.queue) <= UNSENT_MESSAGES
            )
        return (
            2 * (outbox.bytes + outbox.bulk_bytes) <= config.outbox_bytes
            and 2 * len(outbox) <= config.outbox_messages
        )

    async def change(self) -> None:
        """Wait until something changed: a choke, or the connection."""
        await self._waiting.park()

    def unpark(self) -> None:
        """Let everybody who waits for room or a change look again."""
        self.outbox.on_room = None
        lots, self._for_room = self._for_room, {}
        for lot in (self._waiting, *lots.values()):
            lot.unpark_all()

    def settle(self, settled: Settled, observer: Observer) -> None:
        """Carry out what agreeing on the conversations brought to light."""
        if settled.peer_is_new:
            # Chokes are of the peer's conversation: a new one begins clear.
            self.choked.clear()
            self.unpark()
        if settled.peer_is_new or settled.lost or settled.dropped or settled.too_large:
            observer.settled(self, settled)


def count_casts(settled: Settled) -> dict[str, int]:
    """Return how many casts were lost, by actor.

    Those of the node's own actors, whose names begin with `_`, are no loss:
    the ring says its news again.
    """
    counts: dict[str, int] = {}
    for entry in [*settled.lost, *settled.dropped, *settled.too_large]:
        actor = str(entry.about)
        if entry.kind == CAST and not actor.startswith("_"):
            counts[actor] = counts.get(actor, 0) + 1
    return counts
