"""A link: the relationship with one node, across all its connections.

A link outlives sessions. It keeps both conversations and the outbox, has an
`Outage` dial while there is a reason to, and decides which connection stands
when two meet.
Every step that replaces a connection is synchronous from `detach` on, so
nothing can be delivered between reading what was received and saying so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from clusterkit.errors import ClusterError, NodeDown, ProtocolError
from clusterkit.events import LinkDown, LinkGivenUp, LinkUp
from clusterkit.logs import log
from clusterkit.net.connection import Connection
from clusterkit.net.outage import Outage
from clusterkit.net.patience import Patience
from clusterkit.net.peer import LinkStatistics, Peer
from clusterkit.wire import messages as m
from clusterkit.wire.conversation import Settled
from clusterkit.wire.outbox import GOES_ON

if TYPE_CHECKING:
    from clusterkit.names import Address
    from clusterkit.net.dialling import Dial
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.transport import Stream
    from clusterkit.wire.entry import Entry
    from clusterkit.wire.session import Session

logger = logging.getLogger("clusterkit.net")

STEADY: float = 1.0
"""A session that lasted this many seconds makes the next outage a new one."""


class Link(Peer):
    """One node as this one reaches it.

    Attributes:
        address: Where to dial; None if the node has only dialled us.
        pinned: Whether the link is kept up with nothing to send.
        seekers: How many wait for a session just to have one.
        sessions: Number of the last session, as both sides count them.
        down: Whether there has been no session for `down_after`.
        failure: Why the last dial failed, None after a success.
        dial: The attempt under way.
        dialled: Whether the present session was dialled by this side.
        reconnects: Sessions after the first.
        parted: Whether either side said Bye: the peer is not dialled just to
            be kept.
        patience: How long it pauses between dials, and for how long it dials.
    """

    def __init__(self, name: str, kernel: Kernel, address: Address | None) -> None:
        super().__init__(name, kernel.config, kernel.assembly)
        self.address = address
        self.pinned = False
        self.seekers = 0
        self.sessions = kernel.sessions
        self.down = False
        self._given_up: str | None = None
        self.failure: ClusterError | None = None
        self.dial: Dial | None = None
        self.dialled = False
        self.reconnects = -1
        self.parted = False
        self.patience = Patience(kernel.config)
        self._kernel = kernel
        self._outage: Outage | None = None
        self._began = 0.0
        self._broke_at: int | None = None
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def given_up(self) -> str | None:
        """Why the link is not tried any more, None if it is."""
        return self._given_up

    @given_up.setter
    def given_up(self, reason: str | None) -> None:
        # What a sender asks anyway is `at_ease`: it never is on such a link.
        self._given_up = reason
        self.easy_bytes = self._usual_easy_bytes if reason is None else 0

    @property
    def state(self) -> str:
        """`connecting`, `up`, `down` or `given_up`."""
        if self.given_up is not None:
            return "given_up"
        if self.connection is not None:
            return "up"
        return "down" if self.down else "connecting"

    @property
    def wanted(self) -> bool:
        """Whether there is a reason to have a connection."""
        return not (self.gone or self.given_up) and (self.seekers > 0 or self.kept)

    @property
    def kept(self) -> bool:
        """Whether there is one but that somebody waits just for a connection."""
        return (
            (self.pinned and not self.parted)
            or self.interest > 0
            or len(self.outbox) > 0
            or self.talk.outgoing.unacked > 0
        )

    @property
    def unneeded(self) -> bool:
        """Whether neither side has a connection, or a use for one, by what is known."""
        busy = self.connection is not None or self._outage is not None
        kept = self.pinned or self.wanted or self._kernel.observer.owes(self)
        return not busy and not kept

    def idle(self, seconds: float) -> bool:
        """Whether an established link has carried nothing for so long.

        That is for the dialler to say: the other side may need it, too, and
        then dials; if both could close it, neither could keep it. A link on
        which the peer waits for something from here is not idle.
        """
        if self.connection is None or self.wanted or not self.dialled:
            return False
        if trio.current_time() - self.connection.session.active < seconds:
            return False
        return not self._kernel.observer.owes(self)

    def wake(self) -> None:
        """Have what is queued sent soon; dial if there is no connection."""
        if self.connection is not None:
            self.connection.wake()
        else:
            self.ensure_dialling()

    def flush(self) -> None:
        """Send what is queued, at once if the wire is idle; dial if need be."""
        if self.connection is not None:
            self.connection.flush()
        else:
            self.ensure_dialling()

    def ensure_dialling(self) -> None:
        """Begin an outage's work unless there is a session or it is begun."""
        if self.connection is None and self._outage is None and self.wanted:
            self.down = False
            self._outage = Outage(self, self._kernel)
            self._kernel.spawn(self._outage.run)

    def outlast(self, outage: Outage) -> None:
        """Hear that an outage's work is done: a session, or no reason for one."""
        if self._outage is outage:
            self._outage = None
            # Whoever needs the link next begins an outage of its own, with
            # its own time: without dialling, nobody knows that the peer is down.
            self.down = False
            self.ensure_dialling()

    def declare_down(self) -> None:
        """Hear that there has been no session for `down_after`."""
        self.down = True
        self._kernel.observer.peer_down(self, str(self.failure or "no connection"))
        self.look_again()

    def look_again(self) -> None:
        """Have whoever waits for a session see what has changed."""
        self._changed.unpark_all()

    async def up(self) -> None:
        """Wait for a session.

        Raises:
            ClusterError: The peer refuses, for the reason of the class.
            NodeDown: It was not reached within `down_after`.
        """
        self.failure = self.given_up = None
        self.parted = False
        pauses = self.down or self.dial is None
        if self.connection is None and self._outage is not None and pauses:
            self.detach("dialled anew")  # a long outage pauses long in between
        self.seekers += 1
        try:
            self.ensure_dialling()
            while self.connection is None:
                self._raise_failure()
                await self._changed.park()
        finally:
            self.seekers -= 1

    def _raise_failure(self) -> None:
        """Raise why there is no session, unless dialling may still bring one."""
        if self.failure is not None and not isinstance(self.failure, NodeDown):
            raise self.failure
        if self.down or self.gone or self.given_up is not None:
            raise self.failure or NodeDown(f"{self.name} is not reachable")

    def detach(self, reason: str) -> None:
        """Let go of the connection and of any dial; deliver nothing more."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.detach(reason)
        if self.dial is not None:
            self.dial.cancel()
        if self._outage is not None:
            self._outage.cancel()
            self._outage = None

    def attach(
        self,
        stream: Stream,
        session: Session,
        number: int,
        early: bytes = b"",
        *,
        dialled: bool,
    ) -> None:
        """Begin session `number` on an authenticated stream."""
        self.count_session(number)
        self.dialled = dialled
        self.connection = Connection(stream, session, self.outbox, self._deliver, early)
        self.down = self.parted = False
        self.failure = None
        self.reconnects += 1
        self._began = trio.current_time()
        self._kernel.spawn(self._carry, self.connection)
        log(logger, logging.INFO, "link_up", peer=self.name, address=self.address)
        self._kernel.observer.notify(LinkUp(self.name, str(self.address or "")))
        self.unpark()
        self.look_again()

    def not_replaced(self, *, was_up: bool) -> None:
        """Go on without a connection after one that was to take over did not.

        Args:
            was_up: Whether another was detached for it.
        """
        if was_up:
            self._say_down("replaced")
        self.unpark()
        self.ensure_dialling()

    def count_session(self, number: int) -> None:
        """Note the number of the newest session; older Proofs are stale now."""
        self.sessions = number
        self._kernel.sessions = max(self._kernel.sessions, number)

    def take_limit(self, theirs: int) -> None:
        """Take note of what the peer accepts; give up what is queued above it.

        A peer that is not up is written to under our own limit. One such
        message would end every session, since it would come again in the
        next. Nothing that was sent is above: a life keeps its limit.
        """
        before = self.max_message
        super().take_limit(theirs)
        limit = self.max_message
        if limit < before:
            large = self.outbox.remove(lambda entry: len(entry[0]) > limit)
            self.settle_with(Settled(too_large=large))

    def settle_with(self, settled: Settled) -> None:
        """Account for what the two conversations could not carry over."""
        self.settle(settled, self._kernel.observer)

    def give_up(self, reason: str) -> None:
        """Stop trying for good, until it is asked for again by name.

        A peer that was only not reached may also dial again itself.
        """
        self.given_up = reason
        self.close(reason)
        log(logger, logging.WARNING, "link_given_up", peer=self.name, reason=reason)
        self._kernel.observer.notify(LinkGivenUp(self.name, reason))

    def cut_off(self, reason: str) -> None:
        """Take no more from a peer that misbehaves: it would go on anew."""
        self.give_up(reason)

    def close(self, reason: str) -> None:
        """End everything at once; account for all that the link holds."""
        was_up = self.connection is not None
        self.detach(reason)
        self.settle_with(self.talk.lose())
        self._kernel.observer.peer_down(self, reason)
        if was_up:
            self._say_down(reason)
        self.unpark()
        self.look_again()

    def broke_protocol(self, error: ProtocolError) -> None:
        """Count an offence; the second at one record ends the link.

        The peer would send the same record again, and break again, for ever.
        """
        self._kernel.refusals.reject(error.reason, self.name, self.address)
        if self._broke_at == self.talk.received:
            self.give_up("protocol")
        self._broke_at = self.talk.received

    async def drain(self) -> None:
        """Wait until everything accepted so far is acknowledged, then say Bye."""
        while len(self.outbox) or self.talk.outgoing.unacked:
            if self.gone or self.given_up is not None:
                return
            if self.connection is None and not self.owed():
                return
            self.ensure_dialling()
            await trio.sleep(self._config.ack_delay)
        if self.connection is not None:
            await self.connection.finish()

    def owed(self) -> int:
        """Return how many messages are left to send that are worth waiting for.

        Gossip is not: it says its news again; a peer that is away learns it
        when it is back, from whoever is there. Nor are calls and streams that
        have ended, nor answers to a peer that has said Bye, or is down, where this
        node is down, too: its calls have failed.
        """
        entries = (*self.outbox, *self.talk.outgoing.unfinished())
        return sum(map(self._is_owed, entries))

    def _is_owed(self, entry: Entry) -> bool:
        if entry.kind == m.CAST:
            return not str(entry.about).startswith("_")
        if entry.kind in m.OF_ANSWERERS:
            return not self.down and not self.parted
        return entry.kind not in m.OF_ASKERS or self.interest > 0

    def statistics(self) -> LinkStatistics:
        """Return a snapshot."""
        outgoing = self.talk.outgoing
        seen = self.connection.session.heard if self.connection else None
        return LinkStatistics(
            peer=self.name,
            address=str(self.address) if self.address else None,
            state=self.state,
            outbox=len(self.outbox),
            outbox_bytes=self.outbox.bytes + self.outbox.bulk_bytes,
            unacked=outgoing.unacked,
            unacked_bytes=outgoing.unacked_bytes,
            dropped=self.outbox.dropped,
            reconnects=max(self.reconnects, 0),
            last_seen=trio.current_time() - seen if seen is not None else None,
        )

    def _deliver(self, records: list[list[object]], size: int) -> None:
        self._kernel.observer.deliver(self, records, size)

    async def _carry(self, connection: Connection) -> None:
        """Run a connection to its end; go back to dialling if it was ours."""
        reason = await connection.run()
        if self.connection is not connection:
            return  # replaced, given up, or closed on purpose
        self.connection = None
        self.parted = reason == "bye"
        if connection.session.peer_left:  # our Bye gives up nothing of the peer's
            self.outbox.remove(lambda entry: entry[1] not in GOES_ON)
            self._kernel.observer.peer_left(self)
        if trio.current_time() - self._began >= STEADY:
            self.patience.calm()
        self._say_down(reason)
        self.unpark()  # who waits for room on a busy wire need not any more
        if connection.error is not None:
            self.broke_protocol(connection.error)
        self.ensure_dialling()

    def _say_down(self, reason: str) -> None:
        log(logger, logging.INFO, "link_down", peer=self.name, reason=reason)
        self._kernel.observer.notify(LinkDown(self.name, reason))
