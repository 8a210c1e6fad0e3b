"""What happens in a cluster, as frozen values.

`async with node.events(LinkUp, RingChanged) as events: async for e in events`
subscribes. Each event but `EventsLost`, which is its subscriber's own affair, is
logged too: under its name in snake case, unless its docstring has another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from clusterkit.core import HashRing
    from clusterkit.names import NodeInfo

Cause: TypeAlias = Literal[
    "insert", "update", "remove", "join", "leave", "merge", "address"
]
"""What changed a ring: a command of this name given here; `join`, a meeting, or
another ring that inserted this node; `merge`, news from a peer; `address`, this
node's own new one."""


@frozen
class Event:
    """What all events are."""


@frozen
class LinkUp(Event):
    """A session with a peer has begun, for the first time or again."""

    peer: str
    """The peer's name."""

    address: str
    """Where it listens, as `host:port`; "" if it has not said so."""


@frozen
class LinkDown(Event):
    """The session with a peer has ended; the link dials again if it is needed."""

    peer: str
    """The peer's name."""

    reason: str
    """`bye`: in good order, by either side. `closed`: by the peer, without a Bye.
    `dead`: silence for `dead_after`. `disconnected`: `kernel.disconnect`. `not a
    member`, `not met`: nobody needs it any more. `this node has ended`. `seal`,
    `size`, `protocol`: the peer sent what it must not. Else what the system said
    of a broken connection."""


@frozen
class LinkGivenUp(Event):
    """The link will not be tried again; what it held is accounted for.

    Its calls have failed with `NodeDown`, its casts are `Undelivered`. `meet`
    and `kernel.connect` begin anew, and so does a restarted peer that dials; after
    `time` and `tries` any peer that does.
    """

    peer: str
    """The peer's name."""

    reason: str
    """`protocol`: it broke the protocol twice at the same record. `unread`: it
    goes on asking, and reads no answers. `time`: it was not reached within
    `give_up_after`. `tries`: it was not reached by `give_up_tries` dials."""


@frozen
class Undelivered(Event):
    """Casts were given to a process that ended before it acknowledged them.

    `n` casts to `actor` on `peer` may or may not have arrived. Those that
    waited for a node which, once it was up, turned out to take no message so
    large, are among them; they have not.
    """

    peer: str
    """The node they were for."""

    actor: str
    """The actor they were for."""

    n: int
    """How many."""


@frozen
class Refused(Event):
    """`n` casts to `actor` were refused by `peer`: its mailbox was full."""

    peer: str
    """The node that refused them."""

    actor: str
    """The actor they were for."""

    n: int
    """How many since the last such event."""


DropReason: TypeAlias = Literal[
    "outbox_oldest",
    "mailbox_oldest",
    "mailbox_full",
    "no_actor",
    "no_handler",
    "actor_ended",
    "undecodable",
    "expired",
    "abandoned",
    "late_reply",
    "late_chunk",
    "overrun",
    "no_room",
]
"""Why a message was dropped that had been accepted.

`outbox_oldest`, `mailbox_oldest`: casts, by the policy `drop_oldest`.
`mailbox_full`: casts at twice a mailbox's mark; their sender hears of them by
`Refused`. `no_actor`, `no_handler`: casts that nobody takes. `actor_ended`: casts
that waited when their actor crashed or ended. `undecodable`: casts with a value
that cannot be built here. `expired`, `abandoned`: calls not run, since their time
was over, or their callers had given up. `late_reply`: answers, likewise.
`late_chunk`: what came for a stream that was over, or is none. `overrun`: chunks
beyond what was granted; each has ended its stream. `no_room`: casts, answers and
parts of streams, of over 64 KiB, while others had all of `assembly_bytes`; large
messages of streams, while as much waits unread; whoever waits is told."""

BusyReason: TypeAlias = Literal[
    "mailbox_full", "outbox_full", "inbound_calls", "unread", "no_room"
]
"""Why a message was refused, its sender being told at once.

`mailbox_full`: `MailboxFull` was raised or answered. `outbox_full`: `OutboxFull`
was raised, or a call timed out while it waited for room. `inbound_calls`: a peer
has too many calls open. `unread`: it does not take its answers. `no_room`: large
calls, while others had all of `assembly_bytes`."""


@frozen
class Dropped(Event):
    """This node dropped `n` messages; told once per `refused_interval` and kind.

    Logged at most every ten seconds for each kind; casts without actor or
    handler as `cast_dropped`.
    """

    reason: DropReason
    """Why: `outbox_oldest`, `mailbox_oldest`, `mailbox_full`, `no_actor`,
    `no_handler`, `actor_ended`, `undecodable`, `expired`, `abandoned`,
    `late_reply`, `late_chunk`, `overrun`, `no_room`."""

    peer: str
    """The node they came from, which may be this one, or for `outbox_oldest` were
    for; "" if there are several."""

    actor: str
    """The actor they were for; "" if there are many, of late replies, and of
    chunks."""

    n: int
    """How many since the last such event."""


@frozen
class Busy(Event):
    """This node refused `n` messages; told once per `refused_interval` and kind.

    Their senders know. Logged at most every ten seconds for each kind.
    """

    reason: BusyReason
    """Why: `mailbox_full`, `outbox_full`, `inbound_calls`, `unread`, `no_room`."""

    peer: str
    """The node at the other end: the actor's, or the caller's if the actor is here;
    "" if there are many."""

    actor: str
    """The actor they were for; "" if there are many."""

    n: int
    """How many since the last such event."""


@frozen
class ActorRestarted(Event):
    """An actor crashed and runs again, fresh; logged as `actor_crashed`."""

    name: str
    """Its name."""

    error: str
    """Class and text of what it raised; the log has the traceback."""


@frozen
class ActorGaveUp(Event):
    """An actor crashed and will not be restarted; its name is free."""

    name: str
    """The name it had."""

    error: str
    """Class and text of what it raised last."""


@frozen
class RingChanged(Event):
    """A member, a weight or an address changed, here or elsewhere."""

    old: HashRing
    """The ring before, which is the `new` of the event before."""

    new: HashRing
    """The ring since."""

    cause: Cause
    """What changed it."""


@frozen
class RingEntry:
    """What a node held of a member, in a `RingConflict`."""

    node: NodeInfo | None
    """Where it listens; None if it was removed."""

    weight: int
    """Its ring positions; of a removed one, those it had."""


@frozen
class RingConflict(Event):
    """Two nodes changed one entry at the same time; `ours` or `theirs` stands."""

    peer: str
    """The node whose state brought the conflict to light."""

    ours: RingEntry
    """What this node held of the member."""

    theirs: RingEntry
    """What the peer held of it."""

    member: str = ""
    """Its name."""


@frozen
class Left(Event):
    """This node has left its ring; logged as `left_ring`."""

    told: str | None = None
    """The member that acknowledged it. None: no member could be reached; they
    learn it when they speak to this node."""


@frozen
class Removed(Event):
    """This node was removed and is alone now; logged as `removed_from_ring`."""

    by: str
    """The node that did it."""


@frozen
class MemberUp(Event):
    """A member of the ring was heard of for the first time; see `node.members`."""

    peer: str
    """Its name."""


@frozen
class MemberSuspect(Event):
    """A member is silent, and was not reached through others: it may be dead."""

    peer: str
    """Its name."""

    by: tuple[str, ...] = ()
    """Who suspects it, as far as is known here."""


@frozen
class MemberDown(Event):
    """A member is dead: a suspect that did not refute it in time, or a former life."""

    peer: str
    """Its name."""

    by: tuple[str, ...] = ()
    """Who had suspected it."""


@frozen
class MemberLeft(Event):
    """A member has ended in good order, or is no member any more."""

    peer: str
    """Its name."""


@frozen
class MemberBack(Event):
    """A member that was suspect or dead, or had left, is alive."""

    peer: str
    """Its name."""


@frozen
class StateUpdated(Event):
    """A node has given one of its keys a value; see `node.state`.

    Of several writes that follow each other fast, perhaps only the last is told.
    Logged at the level DEBUG.
    """

    peer: str
    """The node, which may be this one."""

    key: str
    """The key."""

    value: Any
    """What it has now: a copy."""


@frozen
class StateDeleted(Event):
    """A key of a node is gone: deleted, or with the node's life or membership.

    Logged at the level DEBUG.
    """

    peer: str
    """The node, which may be this one."""

    key: str
    """The key."""


@frozen
class Discovered(Event):
    """A source of addresses has told of one that was not known; see `node.discovery`.

    It may be of a node, or of none: it is dialled next.
    """

    address: str
    """`name@host:port`, or `host:port` if the source knows no names."""

    source: str
    """Which source, as `node.discovery.sources` has them."""


@frozen
class AddressCheckFailed(Event):
    """This node does not reach itself at the address that it tells others.

    Others may still reach it, as where a router does not send back what is for
    itself. Told once in a node's life.
    """

    address: str
    """The address, as `host:port`."""

    reason: str
    """Who or what answers there."""


@frozen
class EventsLost(Event):
    """This subscriber was too slow: `n` older events were dropped before here."""

    n: int
    """How many."""
