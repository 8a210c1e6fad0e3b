"""How the books of `node.state` come to agree: what is told, and what is asked for.

A change is told to neighbours (`telling`): in a mesh, by whoever made it, to all; in
a larger ring it goes on from node to node, along the links that are kept. What was
missed is found by comparing (`comparing`), as `reconciling` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.cluster.own_names import STATE
from clusterkit.cluster.reconciling import MOST_NODES, ROOM, Reconciling
from clusterkit.cluster.telling import Telling
from clusterkit.core.state_input import plain_parts, read_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.background import Background
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.state_book import StateBook
    from clusterkit.core.replica import Part, Summary


class StateExchange:
    """Exchanges a book with those of members; a `Comparable`.

    Args:
        book: What is known here.
        runtime: Calls the others' actors.
        background: Runs what tells them.
        neighbourhood: Whom to tell.
        rng: Keeps the messages of many nodes apart.
    """

    def __init__(
        self,
        book: StateBook,
        runtime: Runtime,
        background: Background,
        neighbourhood: Neighbourhood,
        rng: Random,
    ) -> None:
        self.telling: Telling[Summary] = Telling(background, rng, self._tell)
        self._book = book
        self._reconciling = Reconciling(book, self._ask)
        self._runtime = runtime
        self._neighbourhood = neighbourhood
        book.changed = self.tell
        neighbourhood.on_change(book.keep_to_members)

    def __repr__(self) -> str:
        return f"<StateExchange {self.telling!r}>"

    @property
    def hash(self) -> int:
        """See `Comparable`."""
        return self._book.known.hashes.hash

    def tidy(self) -> None:
        """Delete what has come to its end."""
        self._book.tidy()

    def tell(self, before: Mapping[str, Summary], by: str) -> None:
        """Have neighbours told of nodes of which more is known now.

        Args:
            before: What was known of each, and a neighbour is thought to know.
            by: Who told it, and need not be told.
        """
        if by != self._runtime.name and self._neighbourhood.is_mesh:
            return  # whoever wrote it tells everybody itself
        for peer in self._neighbourhood.audience():
            if peer != by:
                self.telling.add(peer, before)

    async def said(self) -> None:
        """Return when neighbours have heard what this node says of itself now.

        Those that cannot be told are not waited for.

        Cancellation:
            Ends the wait only.
        """
        own = self._book.known.own.summary.extent
        await self.telling.told(self._runtime.name, lambda known: known.extent >= own)

    async def step(self, peer: str) -> tuple[Any, ...] | None:
        """Exchange with a member once; see `Comparable`."""
        return await self._reconciling.step(peer)

    async def _tell(self, peer: str, untold: dict[str, Summary]) -> dict[str, Summary]:
        parts = self._book.known.parts_for(untold, ROOM)
        if not parts:
            return {}
        answer = await self._ask(peer, "tell", plain_parts(parts))
        lacks = read_digest(answer, MOST_NODES)
        # Who lacks just what it was told did not take it, and will not.
        again = {n: known for n, known in lacks.items() if known != untold.get(n)}
        return again | self._left_out(untold, parts)

    def _left_out(
        self, untold: dict[str, Summary], parts: list[Part]
    ) -> dict[str, Summary]:
        """Return of whom not everything was told, for want of room."""
        told = {part.name: part for part in parts}
        left = {name: known for name, known in untold.items() if name not in told}
        for name, part in told.items():
            replica = self._book.known.replica(name)
            if replica is not None and replica.version > part.version:
                left[name] = replica.summary._replace(
                    version=part.version, floor=part.floor
                )
        return left

    async def _ask(self, peer: str, event: str, *args: Any) -> Any:
        timeout = self._runtime.config.call_timeout
        return await self._runtime.call(peer, STATE, event, args, {}, timeout)
