"""How a node comes into another ring: by meeting, or by being listed there.

What the two who meet do, and what either way in has in common, live here. When
a message means that is `merging`'s to say. The invariant is that a node is in
one ring: to be in another it leaves the one it is in, or unites the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.core.registers import Entry, Registers, Stamp
from clusterkit.core.ring_effects import LeftRing
from clusterkit.core.ring_state import Kind, Message, RingState
from clusterkit.core.vector_clock import VectorClock

if TYPE_CHECKING:
    from clusterkit.core.ring_step import Step
    from clusterkit.core.standing import Standing
    from clusterkit.names import NodeInfo


def adopt(step: Step, theirs: RingState) -> None:
    """Be in the ring that lists this node, and in no other."""
    standing = step.standing
    ticket = standing.adopt(theirs)
    standing.settle()
    step.cause = "join"
    if ticket is not None:
        step.note(LeftRing(ticket, moved=True))
        step.hand_over(ticket)
    step.spread(theirs.entries)


def unite(
    step: Step, sender: str, theirs: RingState, peer: NodeInfo | None = None
) -> None:
    """Make one ring of two."""
    standing, mine = step.standing, step.standing.state
    standing.unite(theirs, peer)
    standing.settle()
    step.cause = "join"
    step.spread(mine.entries, {sender})


def tell_rest(step: Step, sender: str, theirs: RingState) -> None:
    """Give the other ring what it lacks."""
    if step.standing.state.says_more_than(theirs):
        step.send(sender, Kind.REPLY)


def say_left(step: Step, sender: str, theirs: RingState, stamp: Stamp) -> None:
    """Tell a peer that lists this node that it has left that ring."""
    standing = step.standing
    for ticket, owed in standing.owed.items():
        if owed.is_kin(theirs):
            step.send(sender, Kind.FAREWELL, ticket, state=owed)
    record = theirs.entries[standing.name].record
    entries = Registers({standing.name: Entry(stamp, record, standing.now)})
    ids = theirs.ring_ids & standing.left.keys()
    left = RingState(ids, entries, VectorClock(), standing.state.lamport)
    step.send(sender, Kind.LEFT, state=left)


def on_join(step: Step, sender: str, message: Message) -> None:
    """Meet: a lone node comes into the other's ring, two rings unite."""
    standing, mine, theirs = step.standing, step.standing.state, message.state
    incarnation = message.marks[0]
    if not theirs.entries.lists(sender):
        step.drop(sender, "invalid")
        return
    if _is_outlived(mine, sender, incarnation, theirs.lamport):
        step.drop(sender, "stale")
        return
    kin = mine.is_kin(theirs)
    if not kin and theirs.entries.present == (sender,):
        _take_in(step, sender, theirs)
    elif not kin and standing.alone:
        standing.adopt(theirs)
        standing.settle()
        step.cause = "join"
        step.spread(theirs.entries, {sender})
    else:
        unite(step, sender, theirs, theirs.entries[sender].node(sender))
    step.send(sender, Kind.ANSWER, *message.marks, standing.incarnation)


def _take_in(step: Step, sender: str, theirs: RingState) -> None:
    standing, mine = step.standing, step.standing.state
    asker, known = theirs.entries[sender], mine.entries.get(sender)
    weight = (known if known and known.present else asker).record.weight
    standing.welcome(asker.node(sender), weight, theirs.lamport)
    step.cause = "join"
    step.spread(mine.entries, {sender})


def conclude(step: Step, sender: str, message: Message) -> None:
    """The awaited answer: be in the peer's ring, or unite with it."""
    standing, theirs = step.standing, message.state
    standing.meeting.discard(sender)
    if not theirs.entries.lists(sender):
        step.drop(sender, "invalid")
    elif _is_outlived(standing.state, sender, message.marks[2], theirs.lamport):
        step.drop(sender, "stale")
    elif standing.alone and _is_foreign_host(standing, theirs):
        adopt(step, theirs)
    else:
        unite(step, sender, theirs, theirs.entries[sender].node(sender))
        tell_rest(step, sender, theirs)


def decline(step: Step, sender: str, theirs: RingState) -> None:
    """Not wanted any more; the peer's ring, which lists this node, is told."""
    standing = step.standing
    step.drop(sender, "stale")
    if not _is_foreign_host(standing, theirs):
        return
    listed = theirs.entries[standing.name].member
    # The least later stamp, so that it undoes this meeting and nothing since.
    least = Stamp(
        listed.lamport + 1,
        present=False,
        name=standing.name,
        incarnation=standing.incarnation,
    )
    standing.part(theirs.ring_ids, least)
    standing.hear(least.lamport)
    say_left(step, sender, theirs, standing.parting(theirs) or least)


def _is_outlived(mine: RingState, peer: str, incarnation: int, lamport: int) -> bool:
    """Whether `peer` has left this ring, by its own hand, since it spoke."""
    entry = mine.entries.get(peer)
    if entry is None or entry.present or entry.member.name != peer:
        return False
    return (entry.member.incarnation, entry.member.lamport) > (incarnation, lamport)


def _is_foreign_host(standing: Standing, theirs: RingState) -> bool:
    """Whether another ring lists this node."""
    listed = theirs.entries.lists(standing.name)
    return listed and not standing.state.is_kin(theirs)
