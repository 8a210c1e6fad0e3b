"""What `Membership` asks of its shell, as frozen values, in order.

Effects live here. Carrying them out never will: that takes links and a disk.
The invariant is their order: what must be on disk comes before the message
that says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.core.registers import Entry
    from clusterkit.events import Cause
    from clusterkit.names import NodeInfo


@frozen
class Persist:
    """Save `Membership.to_plain` before carrying out what follows.

    Always the first effect, if it is there. An operation is answered after it.
    """


@frozen
class Send:
    """Send `message` to the node named `to`; losing it costs time only."""

    to: str
    message: tuple[Any, ...]


@frozen
class HandOver:
    """Send `message` to one candidate after the other until one has taken it.

    A candidate that has saved it makes `receive` return a `HandedOver` of the
    same ticket; then stop. Give each about a second. When all have failed, the
    message is kept: it goes to the first member of that ring that speaks up.
    """

    ticket: int
    candidates: tuple[str, ...]
    message: tuple[Any, ...]


@frozen
class HandedOver:
    """What was to be handed over is saved at `by`."""

    ticket: int
    by: str


@frozen
class Changed:
    """A member, a weight or an address changed; nodes and their weights."""

    old: Mapping[NodeInfo, int]
    new: Mapping[NodeInfo, int]
    cause: Cause


@frozen
class Conflict:
    """Here and at `peer` one register of `name` was written concurrently.

    Both nodes merge alike, to the later stamp of each register: this is for
    the operator to know.
    """

    peer: str
    name: str
    ours: Entry
    theirs: Entry


@frozen
class LeftRing:
    """This node has left a ring that had other members.

    `ticket` is that of the `HandOver` that tells them. `moved`: not by command,
    but because another ring had inserted this node.
    """

    ticket: int
    moved: bool


@frozen
class RemovedFromRing:
    """The node named `by` removed this one, which is alone now."""

    by: str


@frozen
class CloseLinks:
    """These are no members any more: close the links to them.

    After what was sent to them before, unless the operation was forced.
    """

    peers: tuple[str, ...]


@frozen
class Dropped:
    """Something from `peer` was ignored; count it.

    `foreign`: a ring that has nothing to do with this node. `invalid`: `count`
    entries of a message, or a whole message. `full`: a merge that would exceed
    the most names. `stale`: the end of a meeting that is no longer wanted.
    """

    peer: str
    what: Literal["foreign", "invalid", "full", "stale"]
    count: int = 1


Effect: TypeAlias = (
    Persist
    | Send
    | HandOver
    | HandedOver
    | Changed
    | Conflict
    | LeftRing
    | RemovedFromRing
    | CloseLinks
    | Dropped
)
