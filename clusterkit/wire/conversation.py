"""Conversations: numbered records between two incarnations, across connections.

One `Outgoing` and one `Incoming` per peer live as long as the link does. The
sender keeps what was not acknowledged; after a reconnect the two sides compare
ids and numbers (`Resume`), and either go on exactly where they were, or close
the old conversation and account for every record of it. The rules are in
docs/reference/wire-protocol.md.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from clusterkit.errors import ProtocolError
from clusterkit.wire.assembly import Assembly, Room
from clusterkit.wire.entry import Entry, RawEntry
from clusterkit.wire.handshake import Resume
from clusterkit.wire.outbox import GOES_ON, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.wire.greetings import Proof, Welcome


class Settled:
    """What agreeing on the conversations brought to light.

    Attributes:
        lost: Sent, never acknowledged, and now never to be known.
        dropped: Unsent, but meaningless to the peer's new incarnation.
        too_large: Unsent, and more than the peer takes.
        peer_is_new: The peer's conversation is another one than before:
            replies to anything sent earlier will not come.
    """

    __slots__ = ("dropped", "lost", "peer_is_new", "too_large")

    def __init__(
        self,
        lost: Iterable[Entry] = (),
        dropped: Iterable[Entry] = (),
        too_large: Iterable[Entry] = (),
        *,
        peer_is_new: bool = False,
    ) -> None:
        self.lost = [*lost]
        self.dropped = [*dropped]
        self.too_large = [*too_large]
        self.peer_is_new = peer_is_new

    def __repr__(self) -> str:
        lost, dropped = len(self.lost), len(self.dropped)
        return f"<Settled lost={lost} dropped={dropped} new={self.peer_is_new}>"


class Outgoing:
    """The records we send: numbered, kept until acknowledged.

    Attributes:
        id: Random u64, chosen by us; 0 before the first agreement.
        sent: Number of the last record put into a frame.
        acked: Number up to which the peer took responsibility.
        unacked_bytes: Encoded bytes sent and not acknowledged.
        resend: Batches that a reconnect left to be sent again.
    """

    __slots__ = (
        "_batches",
        "_written",
        "acked",
        "id",
        "resend",
        "sent",
        "unacked_bytes",
    )

    def __init__(self, conversation: int) -> None:
        self.id = conversation
        self.sent = 0
        self.acked = 0
        self.unacked_bytes = 0
        # One item per frame, not per record: acks come per frame.
        self._batches: deque[tuple[list[RawEntry], int]] = deque()
        self.resend: deque[list[RawEntry]] = deque()
        # Number of the last record written in the present session: an ack
        # beyond it is of nothing this session has sent.
        self._written = 0

    def __repr__(self) -> str:
        return f"<Outgoing {self.id:x} sent={self.sent} acked={self.acked}>"

    @property
    def unacked(self) -> int:
        """How many records are sent and not acknowledged."""
        return self.sent - self.acked

    def number(self, entries: list[RawEntry], size: int) -> None:
        """Give the next numbers to `entries`, `size` bytes in all, and keep them."""
        self._batches.append((entries, size))
        self.sent += len(entries)
        self._written = self.sent
        self.unacked_bytes += size

    def ack(self, number: int) -> None:
        """Forget what the peer has taken, up to record `number`.

        Raises:
            ProtocolError: It acknowledges what this session has not sent, or
                takes an acknowledgement back.
        """
        batches = self._batches
        if batches and number <= self._written:
            entries, size = batches[0]
            if number == self.acked + len(entries):  # mostly it is just one frame
                batches.popleft()
                self.unacked_bytes -= size
                self.acked = number
                return
        self._forget(number, self._written)

    def resume(self, received: int) -> None:
        """Prepare a new session: send again what came after `received`.

        Raises:
            ProtocolError: The peer says to have what was never sent, or not
                to have what it acknowledged. Nothing has changed then.
        """
        self._forget(received, self.sent)
        self.resend = deque(entries for entries, _ in self._batches)
        self._written = self.acked

    def _forget(self, number: int, limit: int) -> None:
        if not self.acked <= number <= limit:
            raise ProtocolError(f"{number} acknowledged, of {self.acked} to {limit}")
        while self.acked < number:
            entries, size = self._batches.popleft()
            self.unacked_bytes -= size
            count = number - self.acked
            if count < len(entries):
                rest = entries[count:]
                size = sum(len(entry[0]) for entry in rest)
                self._batches.appendleft((rest, size))
                self.unacked_bytes += size
            self.acked += min(count, len(entries))

    def next_resend(self) -> list[RawEntry]:
        """Return the next batch to send again; they keep their numbers."""
        entries = self.resend.popleft()
        self._written += len(entries)
        return entries

    def unfinished(self) -> list[Entry]:
        """Return everything sent and not acknowledged, oldest first."""
        return [Entry(*entry) for batch, _ in self._batches for entry in batch]


class Conversations:
    """Both directions with one peer, and the outbox that feeds ours.

    Attributes:
        incarnation: The peer's, 0 before it is known.
        outgoing: What we send.
        incoming: The peer's conversation that we hold, 0 for none.
        received: Number of its last record that we took responsibility for.
        assembly: Its large records, as far as their pieces are here.
        outbox: What has no number yet.

    Args:
        room: What all peers have together for large records under way.
    """

    __slots__ = (
        "_fresh",
        "assembly",
        "incarnation",
        "incoming",
        "outbox",
        "outgoing",
        "received",
    )

    def __init__(self, room: Room | None = None) -> None:
        self.incarnation = 0
        self.outgoing = Outgoing(0)
        self.incoming = 0
        self.received = 0
        self.assembly = Assembly(room or Room())
        self.outbox = Outbox()
        self._fresh = 0

    def __repr__(self) -> str:
        return (
            f"<Conversations out={self.outgoing!r} in={self.incoming:x} "
            f"received={self.received}>"
        )

    def offer(self, fresh: int) -> Resume:
        """Dialer: say what we want to go on with.

        Call it only when nothing more can be delivered from an older
        session: `received` must be final.

        Args:
            fresh: New random id, taken if the peer has lost our conversation.
        """
        self._fresh = fresh
        return Resume(
            mine=self.outgoing.id or fresh,
            fresh=fresh,
            other=self.incoming,
            received=self.received,
        )

    def accept(
        self, proof: Proof, incarnation: int, fresh: int
    ) -> tuple[Resume, Settled]:
        """Listener: agree with a verified Proof.

        Args:
            proof: What the dialer offers.
            incarnation: The dialer's.
            fresh: New random id, for a conversation of ours if needed.

        Returns:
            What to say in the Welcome, and what has to be accounted for.

        Raises:
            ProtocolError: The offer contradicts what both sides know.
        """
        # A conversation is of one incarnation, whatever a new one may claim.
        known = incarnation == self.incarnation
        resumes = known and proof.yours == self.outgoing.id != 0
        if resumes:  # may object, so it comes before any change
            self.outgoing.resume(proof.received)
        settled = Settled()
        if not known:
            self._forget_incarnation(incarnation, settled)
        if known and proof.mine == self.incoming != 0:
            held = proof.mine
        else:
            held = proof.fresh
            self._hold(held, settled)
        if not resumes:
            self._begin(fresh, settled)
        return Resume(
            mine=self.outgoing.id, other=held, received=self.received
        ), settled

    def conclude(self, welcome: Welcome, incarnation: int) -> Settled:
        """Dialer: take the listener's answer to our offer.

        Raises:
            ProtocolError: The answer is none that the offer allows.
        """
        known = incarnation == self.incarnation
        resumes = known and welcome.held == self.outgoing.id != 0
        if resumes:  # may object, so it comes before any change
            self.outgoing.resume(welcome.received)
        elif welcome.held != self._fresh or welcome.received != 0:
            raise ProtocolError("the listener holds a conversation never offered")
        if not known and welcome.mine == self.incoming:
            raise ProtocolError("the listener goes on with an earlier life's")
        settled = Settled()
        if not known:
            self._forget_incarnation(incarnation, settled)
        if not resumes:
            self._begin(self._fresh, settled)
        if welcome.mine != self.incoming:
            self._hold(welcome.mine, settled)
        return settled

    def lose(self) -> Settled:
        """Give up for good: account for everything sent and unsent."""
        settled = Settled(lost=self.outgoing.unfinished(), peer_is_new=True)
        settled.dropped = self.outbox.remove(bool)
        self.outgoing = Outgoing(0)
        self.incoming = self.received = 0
        self.assembly.clear()
        return settled

    def _begin(self, conversation: int, settled: Settled) -> None:
        settled.lost += self.outgoing.unfinished()
        self.outgoing = Outgoing(conversation)
        self.outbox.start_anew()

    def _hold(self, conversation: int, settled: Settled) -> None:
        settled.peer_is_new = True
        self.incoming = conversation
        self.received = 0
        self.assembly.clear()

    def _forget_incarnation(self, incarnation: int, settled: Settled) -> None:
        """The peer has been restarted: answers of its former life are void."""
        if self.incarnation:
            settled.dropped += self.outbox.remove(lambda entry: entry[1] not in GOES_ON)
        self.incarnation = incarnation
