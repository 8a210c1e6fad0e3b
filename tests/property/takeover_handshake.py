"""Both ends of the takeover model's handshake: who may have the session.

A dial belongs to a Link; an accepted connection belongs to nobody before its
Proof. What a takeover does to the Link is in `takeover_model`.

The invariant: before a valid Proof no Link changes (B5).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from .takeover_model import Session
from .takeover_rules import Challenge, Fin, Hello, Proof, Refused, Welcome

if TYPE_CHECKING:
    from .takeover_model import Link, Process
    from .takeover_world import End


class DialState(IntEnum):
    """How far the own dial has come; idle is no dial, up is a session."""

    HELLO_SENT = 1
    CHALLENGED = 2
    PROOF_SENT = 3


class Dial:
    """The dialer's handshake."""

    def __init__(self, link: Link) -> None:
        self.link, self.world = link, link.world
        self.state = DialState.HELLO_SENT
        self.sessions = link.sessions
        self.challenge = Challenge(0, 0)
        self.fresh = 0
        link.dial = self
        self.end = self.world.connect(link, self)
        process = link.process
        self.end.send(Hello(process.name, process.incarnation, self.sessions))

    @property
    def is_challenged(self) -> bool:
        """Does it have a Challenge that is still to be answered?"""
        return self.state is DialState.CHALLENGED

    def receive(self, message: object) -> None:
        match message:
            case Challenge():
                self.challenge = message
                self.state = DialState.CHALLENGED
            case Welcome():
                self.link.dial = None
                self.link.resume(self._session(), message, self.fresh)
            case Refused():
                self.abandon()
                self.link.awaits_inbound = message.reason == "tie"
            case Fin():
                self.abandon()

    def prove(self) -> None:
        """Detach, then read `received`, then offer it: steps 3 and 4 (B5)."""
        link = self.link
        link.detach()
        self.state = DialState.PROOF_SENT
        self.fresh = self.world.new_id() if self.world.rules.fresh else link.outgoing.id
        offer = Proof(link.outgoing.id, self.fresh, link.held, link.received)
        self.end.send(offer)

    def abandon(self) -> None:
        """Close; what was sent may still arrive, the Proof included."""
        self.end.close()
        if self.link.dial is self:
            self.link.dial = None

    def _session(self) -> Session:
        number = max(self.sessions, self.challenge.sessions) + 1
        session = Session(self.link, self.end, number, self.challenge.incarnation)
        session.may_number = True
        return session


class Accept:
    """The listener's handshake: touches no Link before a valid Proof (B5)."""

    def __init__(self, process: Process, end: End) -> None:
        self.process, self.world, self.end = process, process.world, end
        self.hello = Hello("", 0, 0)
        self.number = 0

    def receive(self, message: object) -> None:
        match message:
            case Hello():
                self.hello = message
                sessions = self.process.links[message.name].sessions
                # Fixed here. Counted anew at Proof it would never be stale.
                self.number = max(message.sessions, sessions) + 1
                self.end.send(Challenge(self.process.incarnation, sessions))
            case Proof():
                self._decide(self.process.links[self.hello.name], message)
            case Fin():
                self.end.close()

    def _decide(self, link: Link, proof: Proof) -> None:
        reason = self._refusal(link)
        if reason:
            self.end.send(Refused(reason))
            self.end.close()
            return
        self.end.life = link.life
        session = Session(link, self.end, self.number, self.hello.incarnation)
        session.may_number = not self.world.rules.wait_for_first_frame
        link.take_over(session, proof)

    def _refusal(self, link: Link) -> str:
        rules = self.world.rules
        if rules.incarnations and link.peer_incarnation > self.hello.incarnation:
            return "stale"
        if rules.sessions and link.sessions >= self.number:
            return "stale"
        if not rules.tie or self.process.name > link.peer:
            return ""
        if not rules.tie_needs_challenge:
            return "" if link.session else "tie"
        challenged = link.dial and link.dial.state >= DialState.CHALLENGED
        return "tie" if challenged else ""
