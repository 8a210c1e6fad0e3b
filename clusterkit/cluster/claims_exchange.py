"""How members come to know the same of each other's lives, and who is told of it.

A claim goes from node to node: to all that its maker is near, and from each of them
on, in a mesh to three others. What it changes here is published, and a member that
is dead now is down for its callers at once.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cluster.own_names import MEMBERS
from clusterkit.cluster.telling import Telling
from clusterkit.core.buckets import bucket_of
from clusterkit.core.claim_input import plain_claims, read_claims
from clusterkit.core.liveness import ALIVE, DEAD, LEFT, SUSPECT, UNHEARD, Claim, Turn
from clusterkit.core.state_input import read_buckets
from clusterkit.errors import ClusterError
from clusterkit.events import (
    MemberBack,
    MemberDown,
    MemberLeft,
    MemberSuspect,
    MemberUp,
)
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.background import Background
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.core.liveness import Liveness
    from clusterkit.events import Event

logger = logging.getLogger("clusterkit.cluster")

MOST_NODES: Final = 10_000
"""Members that a message may name: all that a ring can have."""

GO_ON: Final = 3
"""To how many others news goes on in a mesh, where its maker has told all."""


class ClaimsExchange:
    """Exchanges claims with members; a `Comparable`.

    Args:
        liveness: What is known here.
        runtime: Calls the others' actors.
        background: Runs what tells them.
        neighbourhood: Whom to tell, and who is a member.
        rng: Keeps the messages of many nodes apart.
        noted: Called with each turn, and who told it.
    """

    def __init__(
        self,
        liveness: Liveness,
        runtime: Runtime,
        background: Background,
        neighbourhood: Neighbourhood,
        rng: Random,
        noted: Callable[[Turn, str], None],
    ) -> None:
        self.telling: Telling[None] = Telling(background, rng, self._tell)
        self._liveness = liveness
        self._runtime = runtime
        self._neighbourhood = neighbourhood
        self._rng = rng
        self._noted = noted
        neighbourhood.on_change(self._follow_ring)

    def __repr__(self) -> str:
        return f"<ClaimsExchange {self.telling!r}>"

    def tidy(self) -> None:
        """Nothing is ever due."""

    @property
    def hash(self) -> int:
        """See `Comparable`."""
        return self._liveness.hashes.hash

    def _follow_ring(self) -> None:
        """Know of the members of the ring, and of nobody else."""
        others, now = self._neighbourhood.others(), trio.current_time()
        for turn in self._liveness.keep_to(others, now):
            self._say(turn, self._runtime.name)
        self._neighbourhood.without(self._liveness.gone())

    def depart(self) -> None:
        """Say that this node ends: a word to who is near, which goes before the Bye."""
        own = self._runtime.name
        self._liveness.depart(trio.current_time())
        claims = plain_claims({own: self._liveness.own})
        for peer in self._neighbourhood.audience():
            with suppress(ClusterError):  # it will find this node silent
                self._runtime.cast_nowait(peer, MEMBERS, "farewell", (claims,), {})

    def hear(self, claims: dict[str, Claim], by: str) -> None:
        """Take what a member says."""
        self.apply(self._liveness.hear(claims, trio.current_time()), by)

    def apply(self, turns: list[Turn], by: str) -> None:
        """Publish what has changed, and have others told."""
        if not turns:
            return
        for turn in turns:
            self._say(turn, by)
        self._neighbourhood.without(self._liveness.gone())
        names = dict.fromkeys(turn.name for turn in turns)
        for peer in self._audience(by, names):
            self.telling.add(peer, names)

    def claims(self, names: Iterable[str]) -> dict[str, Claim]:
        """Return what is known of those of `names` that are members."""
        known = self._liveness
        return {n: known.claim(n) for n in names if known.since(n) is not None}

    def in_buckets(self, numbers: Iterable[int]) -> dict[str, Claim]:
        """Return what is known of the members in some buckets."""
        wanted = frozenset(numbers)
        return self.claims(n for n in self._liveness.names() if bucket_of(n) in wanted)

    async def step(self, peer: str) -> tuple[Any, ...] | None:
        """Exchange with a member once; see `Comparable`."""
        hashes = self._liveness.hashes
        answer = await self._ask(peer, "compare", hashes.hash)
        if answer is None:
            return None
        numbers = hashes.differing(read_buckets(answer))
        ours = self.in_buckets(numbers)
        told = await self._ask(peer, "exchange", numbers, plain_claims(ours))
        self.hear(read_claims(told, MOST_NODES), peer)
        return (hashes.hash, tuple(numbers))

    async def _tell(self, peer: str, names: dict[str, None]) -> dict[str, None]:
        await self._ask(peer, "tell", plain_claims(self.claims(names)))
        return {}

    def _audience(self, by: str, names: Iterable[str]) -> Iterator[str]:
        """Yield whom to tell.

        Whoever makes a claim tells it to whom it is about, too, who may refute it;
        if all did, a node that is late for being busy would be dialled by everybody.
        """
        near = [peer for peer in self._neighbourhood.audience() if peer != by]
        own = self._runtime.name
        if by == own:
            yield from dict.fromkeys((*near, *(name for name in names if name != own)))
        elif self._neighbourhood.is_mesh:
            yield from self._rng.sample(near, min(GO_ON, len(near)))
        else:
            yield from near

    def _say(self, turn: Turn, by: str) -> None:
        self._noted(turn, by)
        if turn.name == self._runtime.name:
            return
        for event in events_of(turn):
            kind = _LOGGED[type(event)]
            level = logging.WARNING if kind == "member_down" else logging.INFO
            log(logger, level, kind, peer=turn.name, by=",".join(turn.after.by) or None)
            self._runtime.notify(event)
        if turn.after.state == DEAD:
            self._runtime.kernel.declare_dead(turn.name)

    async def _ask(self, peer: str, event: str, *args: Any) -> Any:
        timeout = self._runtime.config.call_timeout
        return await self._runtime.call(peer, MEMBERS, event, args, {}, timeout)


_LOGGED: Final = {
    MemberUp: "member_up",
    MemberSuspect: "member_suspect",
    MemberDown: "member_down",
    MemberLeft: "member_left",
    MemberBack: "member_back",
}


def events_of(turn: Turn) -> Iterator[Event]:
    """Yield what subscribers hear of a turn, none if it is nothing to them."""
    before, after, name = turn.before, turn.after, turn.name
    if before == UNHEARD and after.state == LEFT:
        return  # it came and went, and nobody ever heard of it
    restarted = 0 < before.incarnation < after.incarnation
    if restarted and before.state in (ALIVE, SUSPECT):
        yield MemberDown(name, before.by)  # that life of it has ended
    was = DEAD if restarted and before.state != LEFT else before.state
    if after.state == ALIVE:
        if before.incarnation == 0 and before.state == ALIVE:
            yield MemberUp(name)
        elif was != ALIVE:
            yield MemberBack(name)
    elif after.state != was:
        if was >= DEAD and after.state != LEFT:
            yield MemberBack(name)  # its numbers are higher, so it has been alive
        yield _BAD[after.state](name, after.by)


_BAD: Final[dict[int, Callable[[str, tuple[str, ...]], Event]]] = {
    SUSPECT: MemberSuspect,
    DEAD: MemberDown,
    LEFT: lambda name, _: MemberLeft(name),
}
