"""Who may merge: what a node does with each message of the ring's gossip.

One function per row of the table, and the table by kind of message at the end.
Nothing else ever merges. What a merge is never will be said here: that is
`registers`. The invariant is that two live nodes which list each other become
equal, and one that lists another which does not list it is told so, joined, or
moved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clusterkit.core.meeting import (
    adopt,
    conclude,
    decline,
    on_join,
    say_left,
    tell_rest,
    unite,
)
from clusterkit.core.registers import Registers
from clusterkit.core.ring_effects import Conflict, HandedOver, RemovedFromRing
from clusterkit.core.ring_state import Kind, Message, RingState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clusterkit.core.ring_step import Step

_PARTIAL = {Kind.DELTA, Kind.LEFT}

_MARGIN = 60.0
"""Seconds within which members forget one removal: their polls and messages
take a few, and ages travel in whole ones."""


def _on_digest(step: Step, sender: str, message: Message) -> None:
    """Equal digests end the exchange; else the one who knows more speaks."""
    mine, theirs = step.standing.state, message.state
    if not mine.is_kin(theirs):
        _on_foreign_digest(step, sender, message)
    elif message.marks == (mine.entries.digest,):
        merged = mine.merge(theirs)
        step.standing.become(merged)
        if merged.ring_ids != theirs.ring_ids and message.kind is Kind.DIGEST:
            step.send_digest(sender, Kind.DIGEST)
    elif message.kind is Kind.DIGEST and _is_behind(mine, theirs):
        step.send_digest(sender, Kind.ASK)
    else:
        step.send(sender, Kind.STATE)


def _is_behind(mine: RingState, theirs: RingState) -> bool:
    return theirs.clock.descends(mine.clock) and not mine.clock.descends(theirs.clock)


def _on_foreign_digest(step: Step, sender: str, message: Message) -> None:
    """Only entries tell whether the sender lists this node."""
    if message.kind is Kind.DIGEST:
        step.send_digest(sender, Kind.ASK)
    elif step.standing.state.entries.lists(sender):
        step.send(sender, Kind.STATE)
    else:
        step.drop(sender, "foreign")


def _on_entries(step: Step, sender: str, message: Message) -> None:
    if step.standing.state.is_kin(message.state):
        _on_kin(step, sender, message)
    else:
        _on_foreign(step, sender, message)


def _on_kin(step: Step, sender: str, message: Message) -> None:
    """Same ring: merge, whoever is behind, unless the merge lacks this node."""
    standing, mine, theirs = step.standing, step.standing.state, message.state
    partial = message.kind in _PARTIAL
    if partial and not theirs.ring_ids <= mine.ring_ids:
        # To be of a ring as well takes all that it holds: entries without its
        # ids, or ids without its entries, would make strangers of its members.
        step.send_digest(sender, Kind.ASK)
        return
    merged = mine.patch(theirs) if partial else mine.merge(theirs)
    conflicts = list(mine.conflicts(theirs)) if message.kind is not Kind.LEFT else []
    for conflict in conflicts:
        step.note(Conflict(sender, *conflict))
    if not merged.entries.lists(standing.name):
        _on_removal(step, sender, message, merged)
        return
    standing.become(merged)
    standing.settle()
    # What this node held before: the sender shall see a conflict as well.
    says_more = merged.says_more_than(theirs)
    if (message.kind is Kind.STATE and says_more) or (partial and conflicts):
        step.send(sender, Kind.REPLY, state=mine)
    _acknowledge(step, sender, message)
    step.spread(mine.entries, {sender})


def _on_removal(step: Step, sender: str, message: Message, merged: RingState) -> None:
    """Removed: whoever said so gets what only this node knew."""
    anyone = bool(merged.entries.present)
    news = merged.says_more_than(message.state)
    ticket = step.standing.depart(merged, owe=anyone and news)
    step.cause = "remove"
    step.note(RemovedFromRing(merged.entries[step.standing.name].member.name))
    if ticket is not None:
        step.hand_over(ticket, first=sender)
    elif news:
        step.send(sender, Kind.REPLY, state=merged)  # it was removed as well


def _on_foreign(step: Step, sender: str, message: Message) -> None:
    """Another ring: it concerns this node only if it lists it."""
    standing, theirs = step.standing, message.state
    if not theirs.entries.lists(standing.name):
        step.drop(sender, "foreign")
        return
    if message.kind in _PARTIAL:
        step.send_digest(sender, Kind.ASK)
        return
    stamp, parting = theirs.entries[standing.name].member, standing.parting(theirs)
    if parting is not None and parting > stamp:
        # Who sends a farewell has left that ring too: two who both owe it
        # something would answer each other for ever.
        if message.kind is not Kind.FAREWELL:
            say_left(step, sender, theirs, parting)
        return
    # Listed by the hand of a peer whose answer is awaited: this is the answer.
    if stamp.name in standing.meeting and not standing.alone:
        unite(step, sender, theirs)
        tell_rest(step, sender, theirs)
    else:
        adopt(step, theirs)
    _acknowledge(step, sender, message)


def _acknowledge(step: Step, sender: str, message: Message) -> None:
    if message.kind is Kind.FAREWELL:
        step.send(sender, Kind.TAKEN, *message.marks, state=_bare(step))


def _bare(step: Step) -> RingState:
    return replace(step.standing.state, entries=Registers())


def _on_answer(step: Step, sender: str, message: Message) -> None:
    """An answer counts in the generation that asked, and once."""
    standing = step.standing
    if message.marks[:2] != (standing.incarnation, standing.generation):
        decline(step, sender, message.state)
    elif sender in standing.meeting:
        conclude(step, sender, message)
    else:
        _on_entries(step, sender, message)


def _on_taken(step: Step, sender: str, message: Message) -> None:
    """A member has taken over what this node owed to a ring it left."""
    (ticket,) = message.marks
    step.standing.settle_debt(ticket)
    step.note(HandedOver(ticket, sender))


RULES: Mapping[Kind, Callable[[Step, str, Message], None]] = {
    Kind.DIGEST: _on_digest,
    Kind.ASK: _on_digest,
    Kind.STATE: _on_entries,
    Kind.REPLY: _on_entries,
    Kind.DELTA: _on_entries,
    Kind.LEFT: _on_entries,
    Kind.FAREWELL: _on_entries,
    Kind.JOIN: on_join,
    Kind.ANSWER: _on_answer,
    Kind.TAKEN: _on_taken,
}
"""What is done with each kind of message."""


def receive(step: Step, sender: str, plain: object) -> None:
    """Do what the table says with a message, whatever it is.

    Args:
        step: What follows from it.
        sender: The node that the link authenticated.
        plain: The message as it came in.
    """
    standing = step.standing
    try:
        message, dropped = Message.from_plain(plain, standing.now, standing.latest)
    except ValueError:
        step.drop(sender, "invalid")
        return
    if sender == standing.name:
        step.drop(sender, "foreign")
        return
    if dropped:
        step.drop(sender, "invalid", dropped)
    standing.hear(message.state.lamport)
    message = replace(message, state=_without_expired(step, message.state))
    if message.kind is not Kind.ANSWER and standing.state.is_kin(message.state):
        standing.meeting.discard(sender)
    if standing.state.fits(message.state, sender):
        RULES[message.kind](step, sender, message)
    else:
        step.drop(sender, "full")


def _without_expired(step: Step, theirs: RingState) -> RingState:
    """Leave out removals that are about to be forgotten, and may be here already.

    Else the last to forget one would bring it back to the first.
    """
    since = step.standing.now - step.ttl + min(_MARGIN, step.ttl / 10)
    known = step.standing.state.entries
    entries = theirs.entries
    gone = [name for name in entries.absent if name not in known]
    old = frozenset(name for name in gone if entries[name].removed_at <= since)
    return replace(theirs, entries=entries.without(old))
