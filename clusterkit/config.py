"""Every default and bound, with what it costs to turn it.

One frozen value. `create_cluster(config=Config(...))` takes another; nothing
here is read from files or the environment: that is `settings`. Times are
seconds, sizes are bytes, unless the name says otherwise.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from math import inf
from typing import Any, Final, Literal, TypeAlias

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen

KIB = 1024
MIB = 1024 * 1024

MIN_MESSAGE: Final = 4 * KIB
"""Least `max_message`, of a node and of its peers: whatever goes wrong with a
message, the answer that says so must fit."""

MAX_MESSAGE: Final = 2048 * MIB
"""Greatest `max_message`: a frame's length has 32 bits."""

DEFAULT_WEIGHT: Final = 128
"""Ring positions of a node without a weight of its own (`rfactor`)."""

DEFAULT_PFACTOR: Final = 2
"""Neighbours that keep copies."""

TOMBSTONE_TTL: Final = 7 * 86_400.0
"""Seconds for which a removed name is remembered."""


Policy: TypeAlias = Literal["wait", "raise", "drop_oldest"]
"""What a sender meets where there is no more room: it waits, it is told at once, or
the oldest cast goes for the new message."""

POLICIES: Final[tuple[Policy, ...]] = ("wait", "raise", "drop_oldest")

Form: TypeAlias = Literal["normal", "exponential"]
"""Which distribution of arrivals phi supposes."""

Detector: TypeAlias = Literal["probe", "phi"]
"""What makes a member silent."""

MOST_THRESHOLD: Final = 100.0
"""The highest threshold of phi: far above any that a silence of the next year is
worth."""


@frozen(kw_only=True)
class Config:
    """The knobs of a node; the defaults suit a LAN of up to a few hundred."""

    call_timeout: float = 5.0
    """How long a call waits for its answer, as `gen_server:call/2` does.
    Shorter per call with `ref.within()` or `node.call(timeout=)`."""

    max_message: int = 16 * MIB
    """Largest encoded message accepted from a peer, announced to it in the
    handshake. A larger one is `MessageTooLarge` at the sender. Memory per
    peer while one arrives is about three times this. From 4 KiB to 2 GiB."""

    dial_timeout: float = 0.5
    """How long one attempt to connect and shake hands may take. Raise it
    when round trips near it: a handshake is three of them, with TLS four."""

    handshake_timeout: float = 5.0
    """How long an accepted connection may take to prove the cookie."""

    handshake_slots: int = 64
    """Handshakes under way at once on the listener. One more closes the
    oldest that has not sent a valid Hello, so silent connections never keep
    an honest dialer out. Memory before authentication is bounded by
    `handshake_slots` KiB; with TLS by a hundred times that, which takes
    strangers that send a lot."""

    backoff_first: float = 0.02
    """First pause between dials; it doubles, with full jitter."""

    backoff_cap: float = 0.3
    """Longest pause during the first `backoff_patience` of an outage."""

    backoff_patience: float = 10.0
    """After this long an outage counts as long."""

    backoff_long_cap: float = 5.0
    """Longest pause in a long outage; bounds how late a peer that comes
    back is noticed if it does not dial itself."""

    give_up_after: float = inf
    """After how long an outage a link is given up: what it holds is accounted
    for, and it is dialled no more. For ever by default: a node that is away for
    a weekend is to come back by itself. Two nodes that have given each other up
    find together only by `meet`, `kernel.connect` or a restart."""

    give_up_tries: float = inf
    """After how many failed dials of one outage a link is given up, likewise.
    At the pace of the pauses above a refused connection is tried some 70 times
    in the first ten seconds, one that nobody answers 20 times; then every 2.5 s."""

    tie_wait: float = 1.0
    """How long the loser of simultaneous dials waits for the other's."""

    ping_after: float = 1.0
    """A Ping is sent after this long without a byte from the peer. The end
    that was dialled, which hears the other's Pings, waits twice as long, but
    at most until halfway to `dead_after`."""

    dead_after: float = 3.0
    """A session without a byte for this long is dead (half-open, paused).
    At least twice `ping_after`."""

    frame_timeout: float = 10.0
    """A session on which a begun frame is not whole for this long is dead: no
    frame is longer than 256 KiB. It is dialled anew, and nothing is lost."""

    down_after: float = 2.0
    """A peer without a session for this long is down: pending calls fail,
    monitors fire, new calls fail at once; casts go on queueing."""

    idle_close: float = 60.0
    """A link that carried nothing but Pings for this long is closed, in
    clusters of `full_mesh` members or more; the next message dials anew."""

    full_mesh: int = 32
    """Below this many members every node keeps a link to every other."""

    ack_delay: float = 0.02
    """Longest time an Ack waits for a frame going back to ride on."""

    ack_bytes: int = 512 * KIB
    """Received bytes after which an Ack is sent at once."""

    window_bytes: int = 4 * MIB
    """Sent and not yet acknowledged bytes per peer; full, the writer stops.
    Bounds what a cut resends; throughput is at most this per round trip.
    What is under way when a mailbox is full still comes: as long as this and
    64 KiB are below `mailbox_bytes`, nothing of a single sender is refused."""

    window_records: int = 4_096
    """The same, in messages: this and 2,048 below the `mailbox` of an actor.
    Not checked, since each actor has its own."""

    assembly_bytes: int = 64 * MIB
    """Bytes of messages over 64 KiB that may be on their way in, from all
    peers; of one peer it is `max_message`. One that finds no room is refused:
    a call with `MailboxFull`, a cast with `Refused`. One alone always fits."""

    outbox_messages: int = 65_536
    """Messages waiting to be sent to one peer, before the policy applies."""

    outbox_bytes: int = 16 * MIB
    """Encoded bytes waiting to be sent to one peer, before the policy."""

    outbox_policy: Policy = "wait"
    """What a full outbox does to a new message: `wait` makes the sender
    wait up to `busy_wait`, then `OutboxFull`; `raise` raises it at once;
    `drop_oldest` drops the oldest casts, counted; if there are only calls,
    it raises. Replies, faults and other control messages are never refused."""

    busy_wait: float = 5.0
    """How long a cast waits for room, in an outbox or at a full mailbox."""

    mailbox_policy: Policy = "wait"
    """What a full mailbox does to a new cast, unless the actor's class has a
    `mailbox_policy` of its own: `wait` makes the sender wait up to
    `busy_wait`, then `MailboxFull`; `raise` raises it at once; `drop_oldest`
    drops the oldest casts there, counted."""

    mailbox_bytes: int = 8 * MIB
    """Encoded bytes in one mailbox at which its senders are choked; the
    bound in messages is the class attribute `GenServer.mailbox`. At twice
    either bound messages are refused."""

    inbound_calls: int = 10_000
    """Unanswered calls held per peer; one more is answered `busy`. So is
    every call while the outbox to the peer is full: it does not take its
    answers."""

    stream_bytes: int = 256 * KIB
    """Bytes of one direction of a stream that its sender may be ahead of its
    reader. Throughput is at most this per round trip. Bounds what a peer can
    make this node keep, for each stream it opens, and it may open as many as
    `inbound_calls`; in addition one message of up to `max_message`."""

    stream_timeout: float = 30.0
    """How long one end of a stream waits for the other to send, take, or
    return, with nothing moving meanwhile. Otherwise per stream with
    `ref.within()` or `node.stream(timeout=)`, then for both ends."""

    refused_interval: float = 1.0
    """Least time between two notices to a sender of refused casts."""

    gossip_interval: float = 1.0
    """Period of the ring's poll: one digest to one member."""

    gossip_fanout: int = 2
    """Members told per round."""

    tombstone_ttl: float = TOMBSTONE_TTL
    """How long a removed name is remembered. A saved state older than this
    does not load as a member."""

    probe_timeout: float = 0.5
    """How long after `ping_after` a member may be silent before others are
    asked for it; they have twice as long to answer. Both grow while this node
    seems to be deaf itself."""

    detector: Detector = "probe"
    """What makes a member silent: `probe`, nothing having come for `ping_after`
    and `probe_timeout`; or `phi`, its phi being above `phi_threshold`."""

    phi_form: Form = "normal"
    """Which distribution phi supposes: `normal`, Hayashibara's and Akka's, or
    `exponential`, Cassandra's and node-gossip's. The same threshold is another
    time in each: see `core.phi`."""

    phi_threshold: float = 8.0
    """From which phi on a member is silent, if that is the `detector`."""

    phi_pause: float = 3.0
    """Silence beyond what is usual that the normal form accepts, in seconds."""

    phi_min_deviation: float = 0.1
    """Least standard deviation that the normal form supposes, in seconds."""

    forget_after: float = 86_400.0
    """How long a member that is dead, or has ended, is still dialled, and its keys
    known. Then it has to speak up itself, or be inserted anew. Only by who sees a
    majority of the ring alive: nobody forgets the others for being cut off."""

    remove_after: float = inf
    """After how long a dead member is removed from the ring, never by default.
    Likewise only by who sees a majority of the ring alive, so a ring of two is not
    reduced. Who was removed is alone when it comes back, and has to meet again."""

    state_tombstone_ttl: float = 3_600.0
    """How long a key of `node.state` that was deleted is remembered. Who has
    not been in touch for longer is told the node's keys anew."""

    event_buffer: int = 1_000
    """Events held for one slow subscriber; the oldest go first."""

    drain_timeout: float = 10.0
    """How long leaving the node waits for outboxes and mailboxes."""

    held_after: float = 0.5
    """An actor that keeps the loop longer than this is named in the log."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_knob(field.name, getattr(self, field.name), field.type)
        if not self.backoff_first <= self.backoff_cap <= self.backoff_long_cap:
            raise ConfigError(
                "backoff_first must not exceed backoff_cap, nor that backoff_long_cap"
            )
        if self.dead_after < 2 * self.ping_after:
            raise ConfigError("dead_after must be at least twice ping_after")


def check_knob(name: str, value: Any, kind: Any) -> None:
    """Check the value of a field by itself.

    Args:
        name: The field's.
        value: What it is to have.
        kind: Its annotation.

    Raises:
        ConfigError: It cannot be that, whatever the others are.
    """
    if kind in _NUMBERS:
        _check_number(name, value, kind)
    if name == "max_message" and not MIN_MESSAGE <= value <= MAX_MESSAGE:
        raise ConfigError(f"max_message is {MIN_MESSAGE} to {MAX_MESSAGE} bytes")
    if name == "phi_threshold" and not 1.0 <= value <= MOST_THRESHOLD:
        raise ConfigError(f"phi_threshold is 1 to {MOST_THRESHOLD:g}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigError(f"no {name} is called {value!r}")


# By annotation, which is text here.
_NUMBERS: Final = {"int": (int,), "float": (int, float)}

CHOICES: Final = {
    "outbox_policy": POLICIES,
    "mailbox_policy": POLICIES,
    "detector": ("probe", "phi"),
    "phi_form": ("normal", "exponential"),
}
"""What the fields that are no numbers may be."""

_LONGEST: Final = sys.float_info.max


def _check_number(name: str, value: object, kind: str) -> None:
    """Refuse what is no number of that kind above 0; NaN is not above it."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS[kind]):
        what = "a whole number" if kind == "int" else "a number"
        raise ConfigError(f"{name} must be {what}, not {value!r}")
    if not value > 0:
        raise ConfigError(f"{name} must be above 0, not {value!r}")
    if kind == "float" and isinstance(value, int) and value > _LONGEST:
        raise ConfigError(f"{name} is beyond all clocks; math.inf is for ever")
