"""The takeover protocol as a pure model: what two Links hold, say and give up.

No bytes, seals, clock, sockets or tasks: a connection is two FIFO pipes of
Python objects, time is whatever the scheduler in `takeover_world` does next,
and nothing is imported from the package, so that the model judges the
implementation and never shares its mistakes.

The invariant: what an outbox accepted reaches the peer exactly once and in
order while both processes live and neither Link is given up; otherwise at most
once, and the sender is told of everything that may not have arrived (B12).

A takeover is four messages. The dialer sends Hello, and the listener answers
Challenge: both say who they are and which session was their last. The dialer
sends Proof: what it sends under and what it holds. From Proof on the listener
has the new session; from Welcome on the dialer has it too. Every rule below is
about what may happen between those two moments, or to a Proof that arrives long
after its sender has given it up. The handshake's two ends are in
`takeover_handshake`; here are the Link, its conversations and its sessions.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .takeover_rules import (
    WINDOW,
    Frame,
    Message,
    Proof,
    ProtocolError,
    Welcome,
)

if TYPE_CHECKING:
    from .takeover_handshake import Dial
    from .takeover_world import End, World


class Conversation:
    """One direction between two lives of a Link, as its sender sees it (B1).

    A number is a place in the conversation, so `unacked` is acked + 1 … sent.
    """

    def __init__(self, id: int) -> None:
        self.id = id
        self.sent = 0
        self.unacked: deque[Message] = deque()

    @property
    def acked(self) -> int:
        return self.sent - len(self.unacked)

    def number(self, message: Message) -> None:
        self.sent += 1
        self.unacked.append(message)

    def at(self, number: int) -> Message:
        return self.unacked[number - self.acked - 1]

    def ack(self, number: int) -> None:
        if not self.acked <= number <= self.sent:
            raise ProtocolError(f"ack {number} outside {self.acked}..{self.sent}")
        while self.acked < number:
            self.unacked.popleft()


class Link:
    """The relationship with one peer: outlives sessions, not the process."""

    def __init__(self, process: Process, peer: str) -> None:
        self.process, self.peer, self.world = process, peer, process.world
        self.life = self.world.new_id()
        self.outgoing = Conversation(self.world.new_id())
        self.outbox: deque[Message] = deque()
        # Pending calls by id: has it been given a number?
        self.calls: dict[int, bool] = {}
        # The peer's conversation and how far it has come; 0: none.
        self.held = self.received = 0
        self.peer_incarnation = 0
        outlive = self.world.rules.sessions_outlive_links
        self.sessions = process.sessions.get(peer, 0) if outlive else 0
        self.session: Session | None = None
        self.dial: Dial | None = None
        self.awaits_inbound = False
        self.is_down = False

    # What the layer above asks.

    def send(self, kind: str) -> int:
        """Take a cast or a call and return its id; while down no call is taken."""
        message = Message(self.world.new_id(), kind)
        if kind == "call":
            if self.is_down:
                return 0
            self.calls[message.id] = False
        self._queue(message)
        return message.id

    def reply(self, call: int, caller: int) -> None:
        """Queue a reply, or drop it if its caller is known to be dead (B4)."""
        self._queue(Message(self.world.new_id(), "reply", call, caller))
        if self.peer_incarnation:
            self._drop_replies_to_the_dead()

    def _queue(self, message: Message) -> None:
        self.world.journal.accepted(message, self)
        self.outbox.append(message)

    # What sessions do with it.

    def number_next(self, to: End) -> None:
        """Number the oldest unsent message: from here on it may arrive."""
        message = self.outbox.popleft()
        self.outgoing.number(message)
        self.world.journal.sent(message, to)
        if message.id in self.calls:
            self.calls[message.id] = True

    def take(self, message: Message) -> None:
        """Take responsibility for one record: what an ack says (B2)."""
        self.received += 1
        self.world.journal.delivered(message, self.process)
        if message.kind == "call":
            asked = (message.id, self.peer, self.peer_incarnation)
            self.process.running.append(asked)
        elif message.kind == "reply":
            self._end_call(message.call, "answered")

    # Takeover.

    def take_over(self, session: Session, proof: Proof) -> None:
        """Do the listener's steps 3 to 5 (B5), in this order and no other."""
        self.detach()
        mine, theirs = proof.held == self.outgoing.id, proof.mine == self.held
        self.world.journal.resumed(mine=mine, theirs=theirs)
        if mine:
            self.outgoing.ack(proof.received)
        else:
            self._close_conversation(self.world.new_id())
        if not theirs:
            self._hold(proof.fresh)
        self._attach(session)
        session.end.send(Welcome(self.outgoing.id, self.held, self.received))

    def resume(self, session: Session, welcome: Welcome, fresh: int) -> None:
        """Do the dialer's part on Welcome; 3 and 4 were done before Proof."""
        if welcome.held == self.outgoing.id:
            self.outgoing.ack(welcome.received)
        elif welcome.held == fresh and welcome.received == 0:
            self._close_conversation(fresh)
        else:
            raise ProtocolError("Welcome holds what was not offered")
        if welcome.mine != self.held:
            self._hold(welcome.mine)
        self._attach(session)
        if self.world.rules.first_frame_at_once:
            session.write()

    @property
    def may_dial(self) -> bool:
        """A Link with a live session never dials, nor a dial's loser (B6)."""
        return not (self.session or self.dial or self.awaits_inbound)

    def stop_waiting(self) -> None:
        """The other's connection has not come within `tie_wait` (B6)."""
        self.awaits_inbound = False

    def detach(self) -> None:
        """From here on the old session reads and delivers nothing (B5)."""
        if self.session is not None and self.world.rules.detach_first:
            self.session.end.close()
        self.session = None

    def _attach(self, session: Session) -> None:
        if self.dial is not None and self.world.rules.accept_closes_dial:
            self.dial.abandon()
        self.session = session
        self.sessions = self.process.sessions[self.peer] = session.number
        self.peer_incarnation = session.peer_incarnation
        self.awaits_inbound = self.is_down = False
        self._drop_replies_to_the_dead()
        session.start()

    def _hold(self, id: int) -> None:
        """Start a new conversation of the peer; it owes no reply any more (B4)."""
        self.held, self.received = id, 0
        if self.world.rules.calls_end_with_conversation:
            for call in [call for call, sent in self.calls.items() if sent]:
                self._end_call(call, "unknown")

    def _close_conversation(self, id: int) -> None:
        """Report what was sent and not acked; the unsent goes on as `id` (B4)."""
        for message in self.outgoing.unacked:
            self._report(message, "unknown")
        self.outgoing = Conversation(id)

    def _drop_replies_to_the_dead(self) -> None:
        if not self.world.rules.replies_end_with_caller:
            return
        for message in list(self.outbox):
            if message.kind == "reply" and message.caller != self.peer_incarnation:
                self.outbox.remove(message)
                self._report(message, "caller dead")

    # What the layer above is told.

    def go_down(self) -> None:
        """End every pending call after `down_after` (B11); casts queue on."""
        self.is_down = True
        for message in [m for m in self.outbox if m.kind == "call"]:
            self.outbox.remove(message)
            self._end_call(message.id, "not sent")
        for call in list(self.calls):
            self._end_call(call, "down, unknown")

    def give_up(self) -> None:
        """Close for good and say what becomes of everything it held."""
        self.detach()
        if self.dial is not None:
            self.dial.abandon()
        for message in self.outgoing.unacked:
            self._report(message, "given up, unknown")
        for message in self.outbox:
            self._report(message, "not sent")
        for call in list(self.calls):
            self._end_call(call, "given up, unknown")

    def _report(self, message: Message, outcome: str) -> None:
        if message.kind == "call":
            self._end_call(message.id, outcome)
        else:
            self.world.journal.told(message.id, outcome, self)

    def _end_call(self, call: int, outcome: str) -> None:
        """A call ends once; what comes later for it is late and dropped."""
        if self.calls.pop(call, None) is not None:
            self.world.journal.told(call, outcome, self)


class Session:
    """One authenticated connection, from Proof (listener) or Welcome (dialer)."""

    def __init__(
        self, link: Link, end: End, number: int, peer_incarnation: int
    ) -> None:
        self.link, self.end, self.number = link, end, number
        self.peer_incarnation = peer_incarnation
        self.may_number = False
        end.machine = self

    def start(self) -> None:
        """Count on from what the handshake has just settled."""
        self.cursor = self.link.outgoing.acked + 1
        self.told = self.link.received

    def receive(self, message: object) -> None:
        if isinstance(message, Frame):
            self.may_number = True
            if self.link.session is self:
                self._ack(message.ack)
            for record in message.records:
                self.link.take(record)
        else:
            self.lost()

    def _ack(self, number: int) -> None:
        if number >= self.cursor:
            raise ProtocolError(f"ack {number} of what this session never wrote")
        self.link.outgoing.ack(number)

    def lost(self) -> None:
        """The connection has ended, or is believed to have."""
        self.end.close()
        if self.link.session is self:
            self.link.session = None

    def has_something(self) -> bool:
        """Would a frame written now say anything?"""
        return self._has_record() or self.told != self.link.received

    def _has_record(self) -> bool:
        outgoing = self.link.outgoing
        if self.cursor <= outgoing.sent:
            return self.may_number
        room = len(outgoing.unacked) < WINDOW
        return self.may_number and room and bool(self.link.outbox)

    def write(self, limit: int = WINDOW) -> None:
        """Send one frame: unacked records first, in order, then new ones."""
        records: list[Message] = []
        while len(records) < limit and self._has_record():
            if self.cursor > self.link.outgoing.sent:
                self.link.number_next(self.end.other)
            records.append(self.link.outgoing.at(self.cursor))
            self.cursor += 1
        self.told = self.link.received
        self.end.send(Frame(self.told, tuple(records)))


class Process:
    """One life of a named node: its Links and the calls its actors run."""

    def __init__(
        self, world: World, name: str, incarnation: int, peers: list[str]
    ) -> None:
        self.world, self.name, self.incarnation = world, name, incarnation
        # Highest session number by peer, of the process and not of the Link.
        self.sessions: dict[str, int] = {}
        self.links = {peer: Link(self, peer) for peer in peers}
        self.running: list[tuple[int, str, int]] = []

    def give_up(self, peer: str) -> None:
        """Give one Link up and make it anew, as a remove and an insert do."""
        self.links[peer].give_up()
        self.links[peer] = Link(self, peer)

    def answer(self, index: int = 0) -> None:
        """Let a running handler finish and reply."""
        call, peer, caller = self.running.pop(index)
        self.links[peer].reply(call, caller)
