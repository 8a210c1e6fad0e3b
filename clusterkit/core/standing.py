"""Where one node stands: the ring it is in, the rings it left, what it owes.

`Standing` holds a node's ring state and changes it; every stamp is made here.
Deciding when never will be here: operators decide in `membership`, peers in
`merging`. The invariant is that a node's own entry is always present in its own
state: a node that leaves a ring is in the next one, if only alone, at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from clusterkit.core.registers import (
    MAX_NAMES,
    MOST_JUMP,
    MOST_TIME,
    Entry,
    Record,
    Registers,
    Stamp,
)
from clusterkit.core.ring_state import RingState, hash_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from clusterkit.names import NodeInfo

MAX_OWED = 8
"""States of rings left whose members have not been heard; more: the oldest goes."""


class Parting(NamedTuple):
    """How a ring was left: the stamp of this node's removal, and when."""

    stamp: Stamp
    at: float


class Standing:
    """One node's part in its ring, past and present.

    Args:
        node: Its own name and address.
        incarnation: Of this process life; goes into every stamp.
        rng: Draws ring ids and tickets, and shuffles peers.
        weight: Its weight in a ring where nobody said another.
        now: Wall seconds.
    """

    def __init__(
        self, node: NodeInfo, *, incarnation: int, rng: Random, weight: int, now: float
    ) -> None:
        self.node = node
        self.incarnation = incarnation
        self.rng = rng
        self.weight = weight
        self.now = now
        self.left: dict[int, Parting] = {}
        self.owed: dict[int, RingState] = {}
        self.meeting: set[str] = set()
        self._hash = 0
        self._hash_of: RingState | None = None
        self.generation = 0
        self.unsaved = True
        # Lamport time 0 loses against everything: a node that lost its disk
        # knows less than whoever remembers it. No tick: nothing happened yet.
        birth = Stamp(0, present=True, name=node.id, incarnation=incarnation)
        self.state = RingState(
            self._new_ids(), Registers({node.id: self._entry(birth)})
        )

    @property
    def name(self) -> str:
        """The node's own name."""
        return self.node.id

    @property
    def others(self) -> list[str]:
        """The other members of the ring, by name."""
        return [name for name in self.state.entries.present if name != self.name]

    @property
    def alone(self) -> bool:
        """Whether nobody else is present."""
        return self.state.entries.present == (self.name,)

    @property
    def latest(self) -> int:
        """The latest Lamport time, tick or count to believe of a peer."""
        return min(MOST_TIME, self.state.lamport + MOST_JUMP)

    @property
    def hash(self) -> int:
        """Eight bytes that stand for all of the state; made once for each."""
        state = self.state
        if state is not self._hash_of:
            self._hash, self._hash_of = hash_of(state), state
        return self._hash

    def hear(self, lamport: int) -> None:
        """Take the Lamport time of a message, whatever else becomes of it."""
        if lamport > self.state.lamport:
            self.state = replace(self.state, lamport=lamport)

    def become(self, state: RingState) -> None:
        """Take `state` as the ring's, and be listed in it.

        What is owed to this ring is merged; the clock keeps to the names in it.
        """
        state = self._absorb(state).prune()
        same = state.entries is self.state.entries
        self.unsaved |= not same or state.ring_ids != self.state.ring_ids
        self.state = state
        if not state.entries.lists(self.name):
            own = state.entries.get(self.name)
            self.enlist({self.node: self.weight if own is None else own.record.weight})

    def enlist(self, members: Mapping[NodeInfo, int]) -> None:
        """Make `members` present, at the address and weight given."""
        stamp = self._stamp(present=True)
        self._write(
            {
                node.id: Entry(stamp, Record(stamp, node.host, node.port, weight))
                for node, weight in members.items()
            }
        )

    def rewrite(self, node: NodeInfo, weight: int) -> None:
        """Write address and weight of a node, and not whether it is present."""
        record = Record(self._stamp(present=True), node.host, node.port, weight)
        self._write({node.id: replace(self.state.entries[node.id], record=record)})

    def remove(self, names: Iterable[str]) -> None:
        """Make `names` absent; their records stay."""
        stamp = self._stamp(present=False)
        entries = self.state.entries
        self._write({name: self._absent(entries[name], stamp) for name in names})

    def settle(self) -> None:
        """Correct the own record if it shows another address."""
        entry = self.state.entries[self.name]
        if entry.node(self.name) != self.node:
            self.rewrite(self.node, entry.record.weight)

    def welcome(self, node: NodeInfo, weight: int, spoke: int) -> None:
        """Make a peer present that has met this node.

        As of the time at which it spoke: if it has left since, that is later.

        Args:
            node: The peer.
            weight: Its weight.
            spoke: The Lamport time of its message.
        """
        known = self.state.entries.get(node.id)
        self.enlist({node: weight})
        fresh = self.state.entries[node.id]
        if known is not None and not known.present:
            spoke = max(spoke, known.member.lamport)  # at equal times presence wins
        then = fresh.member._replace(lamport=spoke)
        if known is not None:
            then = max(then, known.member)
        self._write({node.id: replace(fresh, member=then)})

    def unite(self, theirs: RingState, peer: NodeInfo | None = None) -> None:
        """Become one ring with `theirs`; this node is in it, and so is the peer.

        Args:
            theirs: The other ring's state.
            peer: Who met this node. If either ring had removed one of the two,
                it is present again, by a new stamp.
        """
        self.become(self.state.merge(theirs))
        entries = self.state.entries
        if peer is not None and not entries.lists(peer.id):
            self.welcome(peer, entries[peer.id].record.weight, theirs.lamport)

    def call_off(self) -> None:
        """Want no meeting any more: what was asked for is declined."""
        self.generation += 1
        self.meeting.clear()

    def leave(self) -> int | None:
        """Remove this node from its ring; it is alone in a new one.

        Returns:
            The ticket of what is owed to the others; None if nothing is.
        """
        return self.depart(self._resignation(), owe=not self.alone)

    def adopt(self, theirs: RingState) -> int | None:
        """Leave the ring for another, whose state is `theirs`.

        Returns:
            As `leave`.
        """
        return self.depart(self._resignation(), owe=not self.alone, then=theirs)

    def depart(
        self, last: RingState, *, owe: bool, then: RingState | None = None
    ) -> int | None:
        """Leave a ring in which this node is absent already.

        Args:
            last: The ring's state with this node absent.
            owe: Whether others may not know all of it.
            then: The state of the ring to be in next; None to be alone.

        Returns:
            As `leave`.
        """
        # Joining from alone ends no meeting: whom this node then meets comes
        # to be in the ring that it has joined.
        if then is None or not self.alone:
            self.call_off()
        self.part(last.ring_ids, last.entries[self.name].member)
        ticket = self._owe(last) if owe else None
        self.state = last
        self.become(self._alone() if then is None else self._carry_over(then))
        return ticket

    def part(self, ring_ids: Iterable[int], stamp: Stamp) -> None:
        """Remember that this node is not in the ring of these ids, since `stamp`."""
        for ring_id in ring_ids:
            known = self.left.pop(ring_id, None)
            latest = stamp if known is None else max(stamp, known.stamp)
            self.left[ring_id] = Parting(latest, self.now)
        while len(self.left) > MAX_NAMES:
            del self.left[next(iter(self.left))]
        self.unsaved = True

    def parting(self, state: RingState) -> Stamp | None:
        """Return the latest stamp by which this node left that ring."""
        ids = state.ring_ids & self.left.keys()
        return max((self.left[i].stamp for i in ids), default=None)

    def forget(self, now: float, ttl: float) -> None:
        """Forget removals and partings that are older than `ttl` seconds."""
        self.now = now
        entries = self.state.entries
        old = frozenset(n for n in entries.absent if now - entries[n].removed_at >= ttl)
        if old:
            self.become(replace(self.state, entries=entries.without(old)))
        for ring_id in [i for i, p in self.left.items() if now - p.at >= ttl]:
            del self.left[ring_id]
            self.unsaved = True
        for ticket in [t for t, s in self.owed.items() if self._is_over(s, ttl)]:
            self.settle_debt(ticket)

    def settle_debt(self, ticket: int) -> bool:
        """Forget what was owed under `ticket`; whether there was anything."""
        owed = self.owed.pop(ticket, None) is not None
        self.unsaved |= owed
        return owed

    def _absorb(self, state: RingState) -> RingState:
        """Merge what is owed to a ring that this node is in again.

        Not if another node's removal of this one is part of it: then the others
        decide, by the later stamp, whether it is in the ring. Nor if the ring
        has no room for it; it stays owed, and comes in when names are forgotten.
        """
        for ticket in [t for t, owed in self.owed.items() if owed.is_kin(state)]:
            owed = self.owed[ticket]
            if not state.fits(owed):
                continue
            merged = state.merge(owed)
            member = merged.entries[self.name].member
            if member.present or member.name == self.name:
                state = merged
                self.settle_debt(ticket)
        return state

    def _is_over(self, owed: RingState, ttl: float) -> bool:
        return self.now - owed.entries[self.name].removed_at >= ttl

    def _owe(self, last: RingState) -> int:
        ticket = self.rng.getrandbits(63)
        self.owed[ticket] = last
        while len(self.owed) > MAX_OWED:
            del self.owed[next(iter(self.owed))]
        return ticket

    def _stamp(self, *, present: bool, shared: bool = True) -> Stamp:
        """Return the stamp of a new operation; one that others see ticks."""
        lamport, clock, tick = self.state.lamport + 1, self.state.clock, 0
        if shared:
            clock = clock.increment(self.name)
            tick = clock.get_count(self.name) or 0
        self.state = replace(self.state, clock=clock, lamport=lamport)
        return Stamp(lamport, present, self.name, self.incarnation, tick)

    def _write(self, entries: Mapping[str, Entry]) -> None:
        self.become(replace(self.state, entries=self.state.entries.put(entries)))

    def _absent(self, entry: Entry, stamp: Stamp) -> Entry:
        return Entry(stamp, entry.record, removed_at=self.now)

    def _resignation(self) -> RingState:
        stamp = self._stamp(present=False, shared=not self.alone)
        gone = self._absent(self.state.entries[self.name], stamp)
        return replace(self.state, entries=self.state.entries.put({self.name: gone}))

    def _alone(self) -> RingState:
        entry = self._entry(self._stamp(present=True, shared=False))
        entries = Registers({self.name: entry})
        return replace(self.state, ring_ids=self._new_ids(), entries=entries)

    def _carry_over(self, theirs: RingState) -> RingState:
        """Own count and Lamport time go on; they never fall, in whatever ring."""
        mine, clock = self.state, theirs.clock
        count = mine.clock.get_count(self.name) or 0
        if count > (clock.get_count(self.name) or 0):
            clock = clock.update(self.name, count)
        return replace(theirs, clock=clock, lamport=mine.lamport)

    def _entry(self, stamp: Stamp) -> Entry:
        return Entry(stamp, Record(stamp, self.node.host, self.node.port, self.weight))

    def _new_ids(self) -> frozenset[int]:
        return frozenset({self.rng.getrandbits(64)})
