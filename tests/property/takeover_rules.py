"""The rules of the takeover model, and what its two ends can say.

Every rule of the protocol that is said to be necessary is a switch of `Rules`,
so that a test can turn it off and see what it is for. The numbers are those of
the design, as docs/reference/wire-protocol.md has them: B1 counters and
numbers, B4 resume, B5 order of a takeover, B6 ties, B11 time.

Nothing here decides anything; `takeover_model` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

WINDOW = 4
"""Records sent and not acked before the writer stops (B1); small, so that
schedules reach it."""


@dataclass(frozen=True)
class Rules:
    """The protocol is all of these on."""

    fresh: bool = True
    """B4: a listener that does not hold my conversation holds `fresh`, a name
    made for this Proof. Off: it holds mine, from 0, and nobody can tell a
    listener that has lost its state from one that has received nothing."""

    calls_end_with_conversation: bool = True
    """B4: the peer's conversation is new, so the replies due under the old one
    are gone: every call already sent fails, acked or not."""

    replies_end_with_caller: bool = True
    """B4: a reply goes to the incarnation that asked or to nobody. It is looked
    at when a session starts, and again when a handler finishes later."""

    detach_first: bool = True
    """B5 step 3, and the dialer's before its Proof: a session that is no longer
    the Link's delivers nothing more. Off: its reader finishes its bytes."""

    wait_for_first_frame: bool = True
    """B5 step 6: the listener numbers nothing before the dialer's first frame,
    for only that shows that Welcome arrived."""

    first_frame_at_once: bool = True
    """B5 step 6: the dialer sends that frame at once, empty if need be."""

    sessions: bool = True
    """B5: takeovers are numbered, and the Proof of an older one is `stale`."""

    sessions_outlive_links: bool = True
    """B5, made precise: the number belongs to the process and the peer's name.
    Off: a Link given up and made anew within one process starts again at 0."""

    incarnations: bool = True
    """B5: the Proof of a lower incarnation than the known one is `stale`."""

    tie: bool = True
    """B6: of two dials that meet, the lower name's stands."""

    tie_needs_challenge: bool = True
    """B6: it refuses only while its own dial has received Challenge. Off: by
    name alone, as long as it has no session."""

    accept_closes_dial: bool = True
    """B6: accepting an inbound closes the own dial in whatever state."""


class ProtocolError(Exception):
    """The peer says what cannot be. Never happens while every rule is on."""


class Message(NamedTuple):
    """What the layer above sends; a *record* once it has a number."""

    id: int
    kind: str
    """`cast`, `call` or `reply`."""
    call: int = 0
    """Of a reply: the id of its call."""
    caller: int = 0
    """Of a reply: the incarnation that asked; known here, never sent."""


class Hello(NamedTuple):
    """Dialer: who I am, and the last session I had with you."""

    name: str
    incarnation: int
    sessions: int


class Challenge(NamedTuple):
    """Listener: the same of myself. Nothing is proved yet, nothing changes."""

    incarnation: int
    sessions: int


class Proof(NamedTuple):
    """Dialer: I send under `mine`, or under `fresh` if you do not hold it; of
    yours I hold `held` (0: none) up to `received`."""

    mine: int
    fresh: int
    held: int
    received: int


class Welcome(NamedTuple):
    """Listener: I send under `mine`; of yours I hold `held`, one of the two you
    offered, up to `received`."""

    mine: int
    held: int
    received: int


class Refused(NamedTuple):
    """Listener, instead of Welcome: `stale` or `tie`."""

    reason: str


class Frame(NamedTuple):
    """A cumulative ack and the next records in order, or none.

    Frames carry no record numbers: both ends count on from what Proof and
    Welcome said (B1), hence all the care taken over those two.
    """

    ack: int
    records: tuple[Message, ...]


class Fin(NamedTuple):
    """The pipe ends here: the other side closed, or the cut was noticed."""
