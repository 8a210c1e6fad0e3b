"""NodeState: what each node says of itself, known to all the others.

Scuttlebutt over the links (R. van Renesse et al., LADIS 2008): each node owns a map
that only it writes, and every member has a copy of everybody's. What is written
reaches all within a few tenths of a second, what was missed within a few polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from clusterkit.actors.handlers import call
from clusterkit.cluster.member_actor import MemberActor
from clusterkit.cluster.reconciling import MOST_NODES, Answers, plain
from clusterkit.cluster.state_keys import StateKeys
from clusterkit.core.state_input import read_parts

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.config import Policy


class NodeState(StateKeys, MemberActor):
    """The keys of all members of the ring, as this node knows them.

    The methods without a peer are of this node's own keys. A value is anything
    that travels; what is read is a copy.

    Guarantees:
        Only a node writes its own keys. What it writes is seen by the others in
        that order, though of several writes of a key perhaps only the last. Once a
        node has restarted, what it wrote before is gone, everywhere; so is what a
        node wrote that is no member any more.

    Args:
        book: What is known.
        neighbourhood: Knows who is a member.
        runtime: The node's actors.
    """

    mailbox_policy: ClassVar[Policy | None] = "wait"  # whatever the node's is

    def __init__(
        self,
        book: StateBook,
        neighbourhood: Neighbourhood,
        runtime: Runtime,
    ) -> None:
        StateKeys.__init__(self, runtime.name, book, runtime.thread)
        MemberActor.__init__(self, neighbourhood)
        self._answers = Answers(book)

    def __repr__(self) -> str:
        return f"<NodeState {self._book!r}>"

    def peers(self) -> tuple[str, ...]:
        """Return the members of the ring, this node first; those forgotten are not."""
        return (self._name, *self._neighbourhood.sought())

    @call
    async def compare(self, hash: int) -> Any:
        """Return None if a member's book is as this one, else what leads to why."""
        self._neighbourhood.polled_by(self._member())
        return self._answers.compare(hash)

    @call
    async def digest(self, numbers: list[int]) -> dict[str, list[int]]:
        """Return what is known of the nodes in some buckets."""
        self._member()
        try:
            return self._answers.digest(numbers)
        except ValueError as error:
            raise self._invalid(error) from error

    @call
    async def exchange(self, parts: list[Any], wants: dict[str, Any]) -> list[Any]:
        """Take what a member tells; return what it wants."""
        peer = self._member()
        try:
            return self._answers.exchange(parts, wants, peer)
        except ValueError as error:
            raise self._invalid(error) from error

    @call
    async def tell(self, parts: list[Any]) -> dict[str, list[int]]:
        """Take what a member tells; return where something before it is missing."""
        peer = self._member()
        try:
            told = read_parts(parts, MOST_NODES)
        except ValueError as error:
            raise self._invalid(error) from error
        self._book.take(told, peer)
        return plain(self._book.lacks(told, peer))
