"""What sources have found becomes members: dialled, met, and let be.

Sources say where nodes may be (`clusterkit.discovery`); `candidates` keeps what
they say; this runs both and dials. The invariants: at most so many dials at once,
whatever was found; and what an operator has parted, discovery does not put
together again.
"""

from __future__ import annotations

import logging
from collections import Counter
from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal

import trio

from clusterkit.cluster.address_check import check_address
from clusterkit.cluster.candidates import HEARD_AGAIN, Candidates
from clusterkit.discovery.source import Surroundings, name_of
from clusterkit.errors import ClusterError, NameTaken, WrongRing
from clusterkit.events import Discovered
from clusterkit.frozen import frozen
from clusterkit.logs import Seldom, log
from clusterkit.names import Address, NodeInfo
from clusterkit.net.introduction import introduce
from clusterkit.wire.seal import stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clusterkit.cluster.candidates import Candidate
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.cluster.members import Members
    from clusterkit.cluster.platform import Platform
    from clusterkit.discovery.source import Found, Source
    from clusterkit.events import Event
    from clusterkit.net.kernel import Kernel

logger = logging.getLogger("clusterkit.cluster")

MOST_DIALS: Final = 8
"""Addresses that are tried at once. Of 10,000 dead hosts, each is tried for
`dial_timeout`: all of them take ten minutes."""

MEET_TIMEOUT: Final = 5.0
"""Seconds for one meeting."""

SPREAD: Final = 0.02
"""Seconds for each member of a ring within which its members dial a newcomer that
they have heard: it dials one of them at once, and one is enough."""

LONGEST_SPREAD: Final = 5.0
"""The same, at most."""

SOURCE_AGAIN: Final = 10.0
"""Seconds after which a source that has failed is run again."""


@frozen
class FoundAddress:
    """What became of one address that was found."""

    address: str
    """`name@host:port`, or `host:port` as long as no name is known."""

    source: str
    """Who told of it first."""

    state: Literal["member", "trying", "own", "removed"]
    """`member` of this node's ring; `trying` to reach it, now or later; this node's
    `own`; or `removed` from the ring, and not dialled for that."""

    tries: int
    """How often it was tried in vain since it last answered."""


class Discovering:
    """How a node finds others: `node.discovery`.

    Args:
        sources: Where addresses come from.
        gossip: The ring.
        members: Who is alive.
        kernel: Its links.
        platform: Dice and clocks.
        publish: Is given events.

    Attributes:
        refused: What was not taken or not reached, by reason: those of beacons
            are in `wire.beacon_judge`; `full`, `name_taken`, `other_ring` (or none,
            if it has left), `unreachable`, `busy` (a name that was not looked up,
            since half of the threads for that were taken), and what each source
            counts.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        gossip: GossipRing,
        members: Members,
        kernel: Kernel,
        platform: Platform,
        publish: Callable[[Event], None],
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._sources = tuple(sources)
        self._gossip = gossip
        self._members = members
        self._kernel = kernel
        self._platform = platform
        self._publish = publish
        self._candidates = Candidates(platform.rng)
        self._seldom = Seldom(trio.current_time)
        self._dials = 0
        self._news = trio.Event()
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._began = False
        self._ends_by = inf

    def __repr__(self) -> str:
        names = ",".join(self.sources()) or "none"
        found, dials = len(self._candidates), self._dials
        return f"<Discovering {names} found={found} dials={dials} {dict(self.refused)}>"

    def sources(self) -> tuple[str, ...]:
        """Return what the sources are called."""
        return tuple(map(name_of, self._sources))

    def found(self) -> tuple[FoundAddress, ...]:
        """Return the addresses that were found, and what became of them."""
        return tuple(
            FoundAddress(
                str(c.node or c.address), c.source, self._state(c), c.backoff.tries
            )
            for c in self._candidates.all()
        )

    async def run(self) -> None:
        """Find and meet, until `end` or a cancellation."""
        if self._scope.cancel_called:
            return
        self._began = True
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(check_address, self._kernel, self._publish)
                    for source in self._sources:
                        nursery.start_soon(self._run_source, source)
                    await self._dial(nursery)
        finally:
            self._over.set()

    async def end(self, seconds: float) -> None:
        """Find nobody any more; let sources say what they must, so long at most."""
        self._ends_by = trio.current_time() + seconds
        self._scope.cancel()
        if self._began:
            with trio.move_on_after(seconds):
                await self._over.wait()

    def surroundings(self, source: str) -> Surroundings:
        """Return what a source may know of this node."""
        kernel, platform, gossip = self._kernel, self._platform, self._gossip

        def say(event: str, /, **fields: Any) -> None:
            due = self._seldom.due(source, event)
            if due is not None:
                told = {"source": source, **fields, **due}
                log(logger, logging.WARNING, event, **told)

        def count(reason: str) -> None:
            self.refused[reason] += 1

        return Surroundings(
            info=lambda: NodeInfo(kernel.me.name, *kernel.address),
            incarnation=lambda: kernel.me.incarnation,
            ring=lambda: gossip.name if gossip.seeks_company else "",
            knows=gossip.knows,
            members=self._alive,
            secrets=lambda: tuple(map(stretch, kernel.cookies)),
            datagrams=platform.datagrams,
            rng=platform.rng,
            wall_clock=platform.wall_clock,
            run_blocking=platform.run_blocking,
            count=count,
            say=say,
            left=lambda: max(0.0, self._ends_by - trio.current_time()),
        )

    def _alive(self) -> tuple[NodeInfo, ...]:
        ring = self._gossip.ring.nodes()
        gone = {m.id for m in self._members.all() if m.state in {"dead", "left"}}
        return tuple(node for node in ring if node.id not in gone)

    async def _run_source(self, source: Source) -> None:
        name = name_of(source)
        found = self._finder(name)
        while True:
            try:
                await source.run(found, self.surroundings(name))
            except Exception:  # a program's own may raise anything: the node lives on
                self.refused["source_failed"] += 1
                logger.exception("source_failed source=%s", name)
            await trio.sleep(SOURCE_AGAIN)

    def _finder(self, source: str) -> Found:
        def found(address: NodeInfo | Address, *, heard: bool = False) -> None:
            self._find(address, source, heard=heard)

        return found

    def _find(self, address: NodeInfo | Address, source: str, *, heard: bool) -> None:
        own = NodeInfo(self._kernel.me.name, *self._kernel.address)
        if address in {own, own.address}:
            return
        now = trio.current_time()
        candidate = self._candidates.get(address)
        new = candidate is None
        if candidate is None:
            candidate = self._candidates.add(address, source, now)
            if self._candidates.dropped:
                self.refused["full"] = self._candidates.dropped
            self._publish(Discovered(str(address), source))
            log(logger, logging.INFO, "discovered", address=address, source=source)
        came_forward = heard and not candidate.heard and candidate.due < inf
        candidate.told = now
        candidate.heard |= heard
        if self._state(candidate) == "removed" and candidate.may_be_another(now):
            candidate.node = None
        if self._state(candidate) != "trying":
            return
        late = heard and _is_late(candidate, now)
        if new or _is_idle(candidate, now) or came_forward or late:
            self._candidates.try_at(candidate, now + self._spread(heard=heard))
            self._news.set()

    def _spread(self, *, heard: bool) -> float:
        size = len(self._gossip.ring.nodes())
        if not heard or size < 2:
            return 0.0
        return self._platform.rng.uniform(0, min(SPREAD * size, LONGEST_SPREAD))

    def _state(
        self, candidate: Candidate
    ) -> Literal["member", "trying", "own", "removed"]:
        node = candidate.node
        if candidate.own:
            return "own"
        if node is None:
            return "trying"
        if self._gossip.lists(node.id):
            return "member"
        return "removed" if self._gossip.has_parted_with(node.id) else "trying"

    async def _dial(self, nursery: trio.Nursery) -> None:
        """Try what is due, as long as there is a hand free."""
        while True:
            self._news = trio.Event()
            now = trio.current_time()
            while self._dials < MOST_DIALS and self._gossip.seeks_company:
                candidate = self._candidates.next(now)
                if candidate is None:
                    break
                if self._state(candidate) == "trying":
                    self._dials += 1
                    nursery.start_soon(self._try, candidate)
            free = self._dials < MOST_DIALS and self._gossip.seeks_company
            # Without company wanted it looks again once a second.
            due = self._candidates.next_due() if free else now + 1.0
            with trio.move_on_at(max(due, now + 0.001)):
                await self._news.wait()

    async def _try(self, candidate: Candidate) -> None:
        try:
            if _needs_a_thread(candidate.where.host) and _are_threads_short():
                self._put_off(candidate, "busy")
            else:
                await self._meet(candidate)
        except ClusterError as error:
            log(
                logger, logging.DEBUG, "not_met", address=candidate.address, error=error
            )
            self._put_off(candidate, _reason(error))
        finally:
            self._dials -= 1
            self._news.set()

    def _put_off(self, candidate: Candidate, reason: str) -> None:
        self.refused[reason] += 1
        self._candidates.put_off(candidate, trio.current_time())

    async def _meet(self, candidate: Candidate) -> None:
        """Find out who is there, unless it has said so itself; then meet it."""
        if not candidate.heard or candidate.node is None:
            await self._introduce(candidate)
        if candidate.node is not None and self._state(candidate) == "trying":
            await self._gossip.meet(candidate.node, timeout=MEET_TIMEOUT)
            candidate.answered = True
            candidate.backoff.reset()

    async def _introduce(self, candidate: Candidate) -> None:
        """Learn the name of who is at an address.

        Raises:
            ClusterError: It is nobody to meet.
        """
        who = await introduce(self._kernel, candidate.where)
        candidate.answered = True
        me = self._kernel.me
        if who.name == me.name:
            candidate.own = who.incarnation == me.incarnation
            if not candidate.own:
                self._say_taken(candidate)
                raise NameTaken(f"another node at {candidate.where} has our name")
            return
        if who.ring != self._gossip.name:  # in none, once it has left
            raise WrongRing(f"{who.name} is in ring {who.ring or 'none'}")
        candidate.node = NodeInfo(who.name, *candidate.where)

    def _say_taken(self, candidate: Candidate) -> None:
        due = self._seldom.due("name_taken")
        if due is not None:
            remedy = "give every node a name of its own, and restart this one"
            told = {"peer": candidate.where, "remedy": remedy, **due}
            log(logger, logging.ERROR, "name_taken", **told)


def _is_idle(candidate: Candidate, now: float) -> bool:
    """Say whether one is neither waiting for its turn nor being tried."""
    return candidate.due == inf and now - candidate.tried > 2 * MEET_TIMEOUT


def _is_late(candidate: Candidate, now: float) -> bool:
    """Say whether one that speaks would be tried much later."""
    waits = candidate.due - now
    return inf > waits > HEARD_AGAIN and now - candidate.tried > HEARD_AGAIN


def _needs_a_thread(host: str) -> bool:
    """Say whether a host is a name, which the system looks up in a thread."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return False


def _are_threads_short() -> bool:
    """Say whether half of the threads are taken that a program shares.

    A look-up cannot be ended: where nobody answers it holds its thread for long after
    the dial was given up, and ten thousand dead names would hold them all.
    """
    threads = trio.to_thread.current_default_thread_limiter()
    return threads.available_tokens < threads.total_tokens / 2


def _reason(error: ClusterError) -> str:
    if isinstance(error, WrongRing):
        return "other_ring"
    return "name_taken" if isinstance(error, NameTaken) else "unreachable"
