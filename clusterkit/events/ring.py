"""The ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from clusterkit.events.base import Event
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
