"""Members: which of the ring's members are alive, and why each is what it is."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

import trio

from clusterkit.actors.handlers import call, cast
from clusterkit.cluster.claims_exchange import MOST_NODES
from clusterkit.cluster.member_actor import MemberActor, NotHeard
from clusterkit.cluster.own_names import MEMBERS, NODE
from clusterkit.cluster.reasons import read_rows
from clusterkit.core.claim_input import plain_claims, read_claims
from clusterkit.core.liveness import LEFT
from clusterkit.core.state_input import read_numbers
from clusterkit.errors import ClusterError, NotInRing
from clusterkit.frozen import frozen
from clusterkit.names import check_name, check_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.claims_exchange import ClaimsExchange
    from clusterkit.cluster.comparing import Comparing
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.reasons import Reasons
    from clusterkit.config import Policy
    from clusterkit.core.liveness import Liveness
    from clusterkit.core.observation import Observation

P = ParamSpec("P")
R = TypeVar("R")


@frozen
class Member:
    """A member of the ring, as one node knows it.

    Attributes:
        id: Its name.
        host: Where it listens.
        port: Likewise.
        state: `alive`, `suspect`, `dead` or `left`.
        incarnation: Of its life; 0 if nothing was ever heard of it.
        phi: How surprising its silence is (see `core.phi`); None if this node does
            not watch it itself.
        since: For how many seconds it has been in that state.
    """

    id: str
    host: str
    port: int
    state: str
    incarnation: int
    phi: float | None
    since: float

    def place(self) -> dict[str, Any]:
        """Return where it is, as it is shown."""
        return {"host": self.host, "port": self.port}


class Members(MemberActor):
    """The members of the ring and their lives, as this node knows them.

    Guarantees:
        A member that has crashed is `dead` on every other within seconds; one that
        is alive, and can be reached by some, is not, or is back within seconds: only
        it can say so, and does. All come to know the same.

    Args:
        liveness: What is known.
        observation: What this node sees itself.
        exchange: Has others know it.
        comparing: Compares it, and all else, with others.
        reasons: What was seen.
        gossip: The ring.
        neighbourhood: Who is a member.
        runtime: The node's actors.
    """

    mailbox_policy: ClassVar[Policy | None] = "wait"  # whatever the node's is

    def __init__(
        self,
        liveness: Liveness,
        observation: Observation,
        exchange: ClaimsExchange,
        comparing: Comparing,
        reasons: Reasons,
        gossip: GossipRing,
        neighbourhood: Neighbourhood,
        runtime: Runtime,
    ) -> None:
        self._liveness = liveness
        self._observation = observation
        self._exchange = exchange
        self._comparing = comparing
        self._reasons = reasons
        self._gossip = gossip
        super().__init__(neighbourhood)
        self._runtime = runtime

    def __repr__(self) -> str:
        return f"<Members {self._liveness!r}>"

    @property
    def health(self) -> int:
        """How this node judges itself: 0 at best, 8 if it may be deaf itself."""
        return self._observation.health

    def all(self) -> tuple[Member, ...]:
        """Return every member, this node included, by name."""
        now = trio.current_time()
        return tuple(
            Member(
                node.id,
                node.host,
                node.port,
                self._liveness.state(node.id),
                self._liveness.claim(node.id).incarnation,
                self._observation.phi(node.id, now),
                now - (self._liveness.since(node.id) or now),
            )
            for node in self._gossip.ring.nodes()
        )

    def state(self, name: str) -> str:
        """Return what a member is: `alive`, `suspect`, `dead` or `left`.

        Args:
            name: The member's.

        Raises:
            NotInRing: It is no member.
        """
        if self._liveness.since(name) is None:
            raise NotInRing(f"{name!r} is no member of the ring")
        return self._liveness.state(name)

    def alive(self) -> tuple[str, ...]:
        """Return the names of the members that are alive, or suspect; this one first."""
        known = self._liveness
        names = known.names()
        return tuple(n for n in names if known.state(n) in ("alive", "suspect"))

    def depart(self) -> None:
        """Have the others know that this node ends; `shutdown` does."""
        self._exchange.depart()

    async def why(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """Return what led to a member's state: what was seen of it, by whom.

        Args:
            name: The member's.

        Returns:
            By node, this one first, then those that suspect it and can be asked:
            rows, oldest first, each with its `age` in seconds, `what` was seen
            (`silent`, or a state), and what is known of that: `silence` in seconds,
            `phi`, whom it was asked for `through` in vain; `told_by`, `suspected_by`.

        Raises:
            NotInRing: It is no member.

        Cancellation:
            Ends the wait for those that are asked.
        """
        self.state(name)
        rows = {self._runtime.name: self._reasons.of(name)}
        for accuser in self._liveness.claim(name).by:
            if accuser not in rows:
                try:
                    told = await self._runtime.call(
                        accuser, MEMBERS, "reasons", (name,), {}, 1.0
                    )
                    rows[accuser] = read_rows(told)
                except (ClusterError, ValueError):
                    continue  # perhaps it is dead by now, too; or it tells nonsense
        return rows

    @call
    async def differing(self, hashes: list[int]) -> list[int]:
        """Return which of all books are not as a member has them."""
        self._neighbourhood.polled_by(self._member())
        return self._checked(self._comparing.differing, hashes)

    @call
    async def compare(self, hash: int) -> Any:
        """Return None if a member knows what is known here, else hashes of buckets."""
        self._neighbourhood.polled_by(self._member())
        hashes = self._liveness.hashes
        return None if hash == hashes.hash else hashes.each

    @call
    async def exchange(self, numbers: list[int], claims: dict[str, Any]) -> Any:
        """Take what a member knows of those in some buckets; return what is known."""
        peer = self._member()
        wanted = self._checked(read_numbers, numbers)
        told = self._checked(read_claims, claims, MOST_NODES)
        self._exchange.hear(told, peer)
        return plain_claims(self._exchange.in_buckets(wanted))

    @call
    async def tell(self, claims: dict[str, Any]) -> None:
        """Take what a member tells."""
        peer = self._member()
        self._exchange.hear(self._checked(read_claims, claims, MOST_NODES), peer)

    @cast
    async def farewell(self, claims: dict[str, Any]) -> None:
        """Take what a member says that ends."""
        with suppress(NotHeard):  # counted; nobody waits for an answer
            peer = self._member()
            told = self._checked(read_claims, claims, 1)
            if [(name, claim.state) for name, claim in told.items()] != [(peer, LEFT)]:
                raise self._invalid(ValueError("a farewell is of who says it"))
            self._exchange.hear(told, peer)

    @call(concurrent=True)
    async def probe(self, name: str, timeout: float) -> bool:
        """Say whether this node reaches a member."""
        self._member()
        self._checked(check_timeout, timeout)
        if not self._neighbourhood.is_member(self._checked(check_name, name)):
            return False
        with trio.move_on_after(min(timeout, self._runtime.config.call_timeout)):
            try:
                await self._runtime.call(name, NODE, "ping", (), {}, None)
            except ClusterError:
                return False
            return True
        return False

    @call
    async def reasons(self, name: str) -> list[dict[str, Any]]:
        """Return what was seen of a member here."""
        self._member()
        return self._reasons.of(self._checked(check_name, name))

    def _checked(self, check: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `check` makes of what was sent.

        Raises:
            NotHeard: It is not valid, which is counted.
        """
        try:
            return check(*args, **kwargs)
        except ValueError as error:
            raise self._invalid(error) from error
