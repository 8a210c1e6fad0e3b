"""Links, and the messages that became nothing."""

from __future__ import annotations

from typing import Literal, TypeAlias

from clusterkit.events.base import Event
from clusterkit.frozen import frozen


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
    `time`, `tries` and `forgotten` any peer that does.
    """

    peer: str
    """The peer's name."""

    reason: str
    """`protocol`: it broke the protocol twice at the same record. `unread`: it
    goes on asking, and reads no answers. `time`: it was not reached within
    `give_up_after`. `tries`: it was not reached by `give_up_tries` dials.
    `forgotten`: it is a member that has been dead for `forget_after`."""


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


BusyReason: TypeAlias = Literal[
    "mailbox_full", "outbox_full", "inbound_calls", "unread", "no_room"
]
"""Why a message was refused, its sender being told at once.

`mailbox_full`: `MailboxFull` was raised or answered. `outbox_full`: `OutboxFull`
was raised, or a call timed out while it waited for room. `inbound_calls`: a peer
has too many calls open. `unread`: it does not take its answers. `no_room`: large
calls, while others had all of `assembly_bytes`."""


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
