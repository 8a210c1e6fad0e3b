"""Inward: what the network brings, into mailboxes and to waiting callers.

This is the kernel's `Observer`. Taking a record here is taking responsibility
for it: the kernel acknowledges it. So nothing blocks, nothing raises, and what
cannot be taken is answered or counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.actors.dropped import MOST_TEXT
from clusterkit.actors.faults import from_fault, text_of
from clusterkit.actors.stream_delivery import StreamDelivery
from clusterkit.errors import ClusterError, MailboxFull, NodeDown, NoSuchActor
from clusterkit.events import Refused, Undelivered
from clusterkit.logs import Seldom, log
from clusterkit.names import MAX_NAME
from clusterkit.net.link import Link
from clusterkit.net.peer import count_casts
from clusterkit.wire import messages as m
from clusterkit.wire.codec import too_large
from clusterkit.wire.intake import MANY

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime
    from clusterkit.events import BusyReason, Event
    from clusterkit.net.peer import Peer
    from clusterkit.wire.conversation import Settled
    from clusterkit.wire.messages import Record

logger = logging.getLogger("clusterkit.actors")

_KIND_OF: Final = itemgetter(m.KIND)
_ACTOR_OF: Final = itemgetter(m.ACTOR)
_CASTS: Final = {m.CAST}

MOST_CHOKED: Final = 4096
"""Actors of one peer that senders wait for; more of its Chokes are not heeded, and
it refuses what comes. A peer chooses the names."""

LONGEST_NAME: Final = MAX_NAME + 1
"""Characters of an actor's name; those of a node's own begin with one more."""

_TOO_MANY: Final = "too many calls of this node wait"
_UNREAD: Final = "its answers to this node wait"


class Delivery:
    """Takes what peers send.

    Attributes:
        undelivered: Casts of ours that may not have arrived, by peer.
        refused: Casts of ours that a full mailbox refused, by peer.
        streams: Takes what is of streams.
        each: Bytes of a record, on average in its frame.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.each = 0
        self.undelivered: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.streams = StreamDelivery(runtime)
        self._refusals = Seldom(trio.current_time, silence=10.0)
        self._table = {
            m.FAULT: self._on_fault,
            m.CANCEL: self._on_cancel,
            m.MONITOR: self._on_monitor,
            m.DEMONITOR: self._on_demonitor,
            m.DOWN: self._on_down,
            m.CHOKE: self._on_choke,
            m.UNCHOKE: self._on_unchoke,
            m.REFUSED: self._on_refused,
            m.UNTAKEN: self._on_untaken,
            m.CROWDED: self._on_crowded,
            **self.streams.table,
        }

    def deliver(self, peer: Peer, records: list[Record], size: int) -> None:
        """Take `records`, one at least, of one frame of `size` bytes."""
        outbox = peer.outbox  # `swamped`, in line
        if len(outbox.queue) + len(outbox.control) > peer.most_waiting:
            peer.cut_off("unread")
            return
        runtime = self._runtime
        lookup, resolve = runtime.registry.get, runtime.calls.resolve
        each = size // len(records)
        if len(records) >= MANY and self._deliver_casts(peer, records, size):
            return
        now = runtime.now()
        for record in records:
            kind = record[0]
            if kind == m.REPLY:
                resolve(record[1], peer, record[2])
                continue
            if kind > m.CAST:
                self.each = each
                self._table[kind](peer, record)
                continue
            process = lookup(record[1])
            if process is None:
                self.nobody(peer, record)
                continue
            # `Mailbox.full` and `put` in line: this is the path of every message.
            mailbox = process.mailbox
            if (
                len(mailbox.queue) >= mailbox.mark or mailbox.bytes >= mailbox.byte_mark
            ) and not runtime.pressure.takes(process, peer):
                runtime.pressure.refuse(process, peer, record)
                continue
            deadline = inf if kind == m.CAST else self.open_call(peer, record, now)
            if deadline is None:
                continue
            if mailbox.task is not None:
                mailbox.wake()
            mailbox.queue.append((record, peer, each, deadline))
            mailbox.bytes += each

    def _deliver_casts(self, peer: Peer, records: list[Record], size: int) -> bool:
        """Take many casts to one actor at once; say whether they were such.

        They must fit under its mark, too: what does not is looked at one by one.
        """
        if set(map(_KIND_OF, records)) != _CASTS:
            return False
        actors = set(map(_ACTOR_OF, records))
        process = self._runtime.registry.get(actors.pop())
        if actors or process is None:
            return False
        mailbox = process.mailbox
        if (
            len(mailbox.queue) + len(records) > mailbox.mark
            or mailbox.bytes + size > mailbox.byte_mark
        ):
            return False
        if mailbox.task is not None:
            mailbox.wake()
        each = size // len(records)
        mailbox.queue.extend([(record, peer, each, inf) for record in records])
        mailbox.bytes += each * len(records)
        return True

    def drop_unknown(self, record: Record, peer: str) -> None:
        """Count a cast to an actor that does not exist, and say so."""
        runtime, actor = self._runtime, record[m.ACTOR]
        runtime.accounts.drop("no_actor", peer=peer, actor=actor)
        error = f"no actor {text_of(actor, MOST_TEXT)!r} runs on {runtime.name}"
        runtime.dropped.say(actor, record[m.EVENT], peer, error)

    def settled(self, peer: Peer, settled: Settled) -> None:
        """Fail calls and count casts that a lost conversation took with it."""
        for entry in settled.dropped:
            if entry.kind in m.ASKS:
                self._fail(peer, entry.about, self._down(peer, "not sent"))
        for entry in settled.lost:
            if entry.kind in m.ASKS:
                self._fail(peer, entry.about, self._down(peer, "unknown"))
        for entry in settled.too_large:
            if entry.kind in m.ASKS:
                error = too_large(len(entry.data), peer.max_message)
                self._fail(peer, entry.about, error)
        if any(e.kind in m.OF_STREAMS for e in (*settled.lost, *settled.too_large)):
            self.streams.lose(peer, lambda: self._down(peer, "unknown"))
        if settled.peer_is_new:
            self._forget_former(peer)
        for actor, n in count_casts(settled).items():
            self._say_undelivered(peer, actor, n)

    def _forget_former(self, peer: Peer) -> None:
        """End what a process had to do with us that has another in its place."""
        runtime = self._runtime
        # What was sent earlier may have been run, but its reply is gone.
        runtime.calls.fail_all(
            peer,
            lambda: self._down(peer, "unknown"),
            lambda pending: peer.outbox.has_left(pending.ticket),
        )
        runtime.abandon_calls_of(peer)
        self.streams.purge(peer)
        runtime.monitors.lost_sent(peer)
        runtime.monitors.forget(peer)

    def _say_undelivered(self, peer: Peer, actor: str, n: int) -> None:
        self.undelivered[peer.name] += n
        self.notify(Undelivered(peer.name, actor, n))
        log(logger, logging.WARNING, "undelivered", peer=peer.name, actor=actor, n=n)

    def peer_down(self, peer: Peer, reason: str) -> None:
        """Fail what waits for a peer; take its unsent calls back."""
        runtime = self._runtime
        for entry in peer.outbox.remove(lambda entry: entry[1] in m.ASKS):
            self._fail(peer, entry.about, self._down(peer, "not sent"))
        self.streams.lose(peer, lambda: self._down(peer, "unknown"))
        runtime.calls.fail_all(peer, lambda: self._down(peer, "unknown"))
        runtime.monitors.lost(peer)
        if peer.role == "client":
            runtime.abandon_calls_of(peer)
            runtime.monitors.forget(peer)

    def owes(self, peer: Peer) -> bool:
        """Say whether a call of the peer's is open, or a monitor."""
        return bool(peer.open_calls) or self._runtime.monitors.held_by(peer)

    def peer_left(self, peer: Peer) -> None:
        """Treat the peer's calls as given up."""
        self._runtime.abandon_calls_of(peer)

    def notify(self, event: Event) -> None:
        """Publish an event."""
        self._runtime.notify(event)

    def _fail(self, peer: Peer, call_id: Any, error: ClusterError) -> None:
        if call_id in self._runtime.calls.pending:
            self._runtime.calls.fail(call_id, peer, error)

    def _down(self, peer: Peer, outcome: str) -> NodeDown:
        if not isinstance(peer, Link) or peer.reconnects >= 0:
            return NodeDown(f"{peer.name} went down ({outcome})", outcome)
        why = str(peer.failure or "nobody knows where it is")
        why = why.removeprefix(f"{peer.name}: ")
        return NodeDown(f"{peer.name} is not reachable ({why}); {outcome}", outcome)

    def open_call(self, peer: Peer, record: Record, now: float) -> float | None:
        """Note a call as open; return its deadline, None if it is refused."""
        if record[m.CALL_ID] in peer.open_calls:
            # Or nothing would end what it has had there before.
            self._runtime.cancel(peer, record[m.CALL_ID])
        if len(peer.open_calls) >= self._runtime.config.inbound_calls or (
            (peer.outbox.bytes or peer.outbox.bulk_bytes) and peer.full
        ):
            self._too_many(peer, record)
            return None
        peer.open_calls[record[m.CALL_ID]] = record
        return now + record[m.BUDGET] / 1000 if record[m.BUDGET] > 0 else inf

    def nobody(self, peer: Peer, record: Record) -> None:
        """Take a call, cast or stream to an actor that is not here."""
        if record[m.KIND] == m.CAST:
            self.drop_unknown(record, peer.name)
            return
        runtime = self._runtime
        actor = text_of(record[m.ACTOR], MOST_TEXT)
        what = f"no actor {actor!r} runs on {runtime.name}"
        runtime.refuse_call(peer, record, NoSuchActor(what))

    def _too_many(self, peer: Peer, record: Record) -> None:
        """Refuse a call of a peer that has too much open already.

        Answers are never refused by an outbox; so what leads to them is.
        """
        runtime = self._runtime
        many = len(peer.open_calls) >= runtime.config.inbound_calls
        reason: BusyReason = "inbound_calls" if many else "unread"
        runtime.accounts.refuse(reason, peer=peer.name, actor=record[m.ACTOR])
        error = MailboxFull(_TOO_MANY if many else _UNREAD)
        runtime.refuse_call(peer, record, error)

    def _on_fault(self, peer: Peer, record: Record) -> None:
        calls = self._runtime.calls
        pending = calls.pending.get(record[m.ANSWERS])
        where = {}
        if pending is not None:
            where = pending.where()
            if pending.peer is peer:  # refused with its first piece: spare the rest
                peer.outbox.withdraw(pending.ticket)
        error = from_fault(record[m.CODE], record[m.DETAILS], where)
        calls.fail(record[m.ANSWERS], peer, error)

    def _on_cancel(self, peer: Peer, record: Record) -> None:
        self._runtime.cancel(peer, record[m.ANSWERS])

    def _on_monitor(self, peer: Peer, record: Record) -> None:
        self._runtime.monitors.watch(peer, record[m.MONITOR_ID], record[m.MONITORED])

    def _on_demonitor(self, peer: Peer, record: Record) -> None:
        self._runtime.monitors.unwatch(peer, record[m.MONITOR_ID])

    def _on_down(self, peer: Peer, record: Record) -> None:
        self._runtime.monitors.fire(peer, record[m.MONITOR_ID], record[m.REASON])

    def _on_choke(self, peer: Peer, record: Record) -> None:
        actor = record[m.ACTOR]
        if len(peer.choked) < MOST_CHOKED and len(actor) <= LONGEST_NAME:
            peer.choked[actor] = (
                "raise" if record[m.POLICY : m.POLICY + 1] == ["raise"] else "wait"
            )

    def _on_unchoke(self, peer: Peer, record: Record) -> None:
        peer.choked.pop(record[m.ACTOR], None)
        peer.unpark()

    def _on_refused(self, peer: Peer, record: Record) -> None:
        actor, n = text_of(record[m.ACTOR], MOST_TEXT), record[m.COUNT]
        if n <= 0:
            return
        self.refused[peer.name] += n
        self.notify(Refused(peer.name, actor, n))
        due = self._refusals.due(peer.name, actor)
        if due is not None:
            told = {"peer": peer.name, "actor": actor, "n": n, **due}
            log(logger, logging.WARNING, "refused", **told)

    def _on_untaken(self, peer: Peer, record: Record) -> None:
        accounts, actor = self._runtime.accounts, record[m.ACTOR]
        accounts.drop("undecodable", peer=peer.name, actor=actor)

    def _on_crowded(self, peer: Peer, record: Record) -> None:
        """Count a large message of a peer that there was no room for."""
        accounts, (_, kind, about) = self._runtime.accounts, record
        if kind in m.ASKS:
            accounts.refuse("no_room", peer=peer.name, actor="")
        else:
            actor = about if kind == m.CAST else ""
            accounts.drop("no_room", peer=peer.name, actor=actor)
