"""What nodes of a cluster over HTTP say of themselves: `cluster.state`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.cluster.state_keys import StateKeys

if TYPE_CHECKING:
    from clusterkit.actors.own_thread import OwnThread
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.httpcluster.members import HttpMembers


class HttpState(StateKeys):
    """The keys of all members, as this node knows them; as `node.state`.

    Guarantees:
        Those of `NodeState`: only a node writes its own keys, the others see what it
        writes in that order, and what it wrote before a restart is gone after it.

    Args:
        name: The node's.
        book: What is known.
        thread: The node's own.
        members: Who is one.
    """

    def __init__(
        self, name: str, book: StateBook, thread: OwnThread, members: HttpMembers
    ) -> None:
        super().__init__(name, book, thread)
        self._members = members

    def __repr__(self) -> str:
        return f"<HttpState {self._book!r}>"

    def peers(self) -> tuple[str, ...]:
        """Return the members, this node first; those forgotten are not."""
        return self._members.names()
