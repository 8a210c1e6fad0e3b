"""What happens in a cluster, as frozen values.

`async with node.events(LinkUp, RingChanged) as events: async for e in events`
subscribes. Each event is logged too, under its name in snake case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from clusterkit.core import HashRing

Cause = Literal["insert", "update", "remove", "join", "leave", "merge", "address"]


@dataclass(frozen=True, slots=True)
class Event:
    """What all events are."""


@dataclass(frozen=True, slots=True)
class LinkUp(Event):
    """A session with a peer has begun, for the first time or again."""

    peer: str
    address: str


@dataclass(frozen=True, slots=True)
class LinkDown(Event):
    """The session with a peer has ended; the link dials again if it is needed."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class LinkGivenUp(Event):
    """The link will not be tried again; what it held is accounted for."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Undelivered(Event):
    """Casts were given to a process that ended before it acknowledged them.

    `n` casts to `actor` on `peer` may or may not have arrived. Those that
    waited for a node which, once it was up, turned out to take no message so
    large, are among them; they have not.
    """

    peer: str
    actor: str
    n: int


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """`n` casts to `actor` were refused by `peer`: its mailbox was full."""

    peer: str
    actor: str
    n: int


@dataclass(frozen=True, slots=True)
class ActorRestarted(Event):
    """An actor crashed and runs again, fresh, under its name."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class ActorGaveUp(Event):
    """An actor crashed and will not be restarted; its name is free."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class RingChanged(Event):
    """A member, a weight or an address changed, here or elsewhere."""

    old: HashRing
    new: HashRing
    cause: Cause


@dataclass(frozen=True, slots=True)
class RingConflict(Event):
    """Two nodes changed one entry at the same time; `ours` or `theirs` stands."""

    peer: str
    ours: object
    theirs: object


@dataclass(frozen=True, slots=True)
class Left(Event):
    """This node has left its ring. `told` is the member that acknowledged it.

    None: no member could be reached; they learn it when they speak to us.
    """

    told: str | None = None


@dataclass(frozen=True, slots=True)
class Removed(Event):
    """This node was removed from its ring and is alone now."""

    by: str


@dataclass(frozen=True, slots=True)
class EventsLost(Event):
    """This subscriber was too slow: `n` older events were dropped before here."""

    n: int
