"""What a node knows of its cluster and does with it: made, and put together.

State and members are exchanged with other nodes; services, masters and channels stand
on those two. The parts below them, links and the ring, are made by `assembly`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from clusterkit.cluster.announcing import Announcements
from clusterkit.cluster.background import Background
from clusterkit.cluster.channels import Channels
from clusterkit.cluster.claims_exchange import ClaimsExchange
from clusterkit.cluster.comparing import Comparing
from clusterkit.cluster.forgetting import Forgetting
from clusterkit.cluster.masters import Masters
from clusterkit.cluster.members import Members
from clusterkit.cluster.node_state import NodeState
from clusterkit.cluster.own_names import CHANNELS, MEMBERS, STATE
from clusterkit.cluster.readiness import Readiness
from clusterkit.cluster.reasons import Reasons
from clusterkit.cluster.services import Services
from clusterkit.cluster.state_book import StateBook
from clusterkit.cluster.state_exchange import StateExchange
from clusterkit.cluster.watching import Watching
from clusterkit.core.liveness import UNHEARD, Liveness
from clusterkit.core.observation import Observation
from clusterkit.core.phi import PhiAccrual

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    import trio

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.broadcast import Broadcast
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.cluster.ring_book import RingBook
    from clusterkit.config import Config
    from clusterkit.core.liveness import Turn
    from clusterkit.net.kernel import Kernel

Actor = TypeVar("Actor")

SEEKS: Final = 5.0
"""Seconds for which a node that looks for its seeds may still find its cluster."""


class Features:
    """What stands on the links and the ring of one node.

    Args:
        name: The node's.
        kernel: Its links.
        runtime: Its actors.
        gossip: Its ring.
        ring_book: Its ring, as it is compared.
        broadcast: Its events.
        rng: Its dice.
        clock: The time of day, in ms.

    Attributes:
        readiness: Whether the node is ready.
        state: What all members say of themselves.
        members: Which members are alive, and why.
        services: What members offer to each other.
        masters: Which members are masters.
        channels: Messages to whoever has joined.
    """

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        runtime: Runtime,
        gossip: GossipRing,
        ring_book: RingBook,
        broadcast: Broadcast,
        rng: Random,
        clock: Callable[[], int],
    ) -> None:
        self._runtime = runtime
        self._gossip = gossip
        neighbourhood = ring_book.neighbourhood
        config = runtime.config
        self._began = runtime.now()
        book = StateBook(
            name,
            kernel.me.incarnation,
            kernel.codec,
            neighbourhood.is_sought,
            broadcast.publish,
            runtime.now,
            config.state_tombstone_ttl,
        )
        self._liveness = Liveness(name, kernel.me.incarnation, runtime.now())
        self._reasons = Reasons()
        self._announcements = Announcements(book, self._liveness)
        observation = Observation(
            config.ping_after + config.probe_timeout,
            partial(_phi, config),
            config.detector,
        )
        back = self._background = Background()
        told = StateExchange(book, runtime, back, neighbourhood, rng)
        claims = ClaimsExchange(
            self._liveness, runtime, back, neighbourhood, rng, self._turned
        )
        neighbourhood.on_change(
            lambda: self._reasons.keep_to((name, *neighbourhood.others()))
        )
        self._watching = Watching(
            self._liveness,
            observation,
            claims,
            self._reasons,
            runtime,
            back,
            neighbourhood,
            rng,
        )
        self._comparing = Comparing(
            (ring_book, told, claims), runtime, back, neighbourhood, broadcast, rng
        )
        self.readiness = Readiness(book, told.said)
        self._forgetting = Forgetting(
            self._liveness, neighbourhood, gossip, runtime, book.keep_to_members
        )
        self.state = NodeState(book, neighbourhood, runtime)
        self.members = Members(
            self._liveness,
            observation,
            claims,
            self._comparing,
            self._reasons,
            gossip,
            neighbourhood,
            runtime,
        )
        life = lambda: kernel.me.incarnation  # noqa: E731 - it may be outgrown
        self.services = Services(self._announcements, runtime, kernel.me.incarnation)
        self.masters = Masters(self._announcements, runtime, clock, self._is_settled)
        self.channels = Channels(self._announcements, runtime, self.masters, life)

    def __repr__(self) -> str:
        return f"<Features of {self._runtime.name}>"

    async def start(self, nursery: trio.Nursery) -> None:
        """Start what is run: the actors that others speak with, and the watch."""
        for name, actor in (
            (STATE, self.state),
            (MEMBERS, self.members),
            (CHANNELS, self.channels),
        ):
            await self._runtime.start(name, partial(_same, actor), reserved=True)
        await nursery.start(self._background.run)
        for run in (self._comparing.run, self._watching.run, self._forgetting.run):
            self._background.spawn(run)

    def end(self) -> None:
        """Say that this node ends, and keep in touch with nobody any more."""
        self.members.depart()
        self._background.stop()
        self.cut()

    def cut(self) -> None:
        """Let go who waits for something of a node that ends, however it does."""
        self.services.end()

    def _turned(self, turn: Turn, by: str) -> None:
        """A member is something else now."""
        self._reasons.turn(turn, by)
        self._forgetting.follow(turn)
        self._announcements.look_at(turn.name)

    def _is_settled(self) -> bool:
        """Say whether this node knows its ring.

        It does not while members are unheard of, each of which is heard or dead within
        seconds, and for a while not if its seeds are still to be met.
        """
        known = self._liveness
        if any(known.claim(name) == UNHEARD for name in known.names()):
            return False
        return not self._gossip.seeking or self._runtime.now() - self._began >= SEEKS


def _same(actor: Actor) -> Actor:
    # A crash restarts the actor around the same knowledge.
    return actor


def _phi(config: Config, now: float) -> PhiAccrual:
    return PhiAccrual(
        now,
        form=config.phi_form,
        threshold=config.phi_threshold,
        first=config.ping_after,
        min_deviation=config.phi_min_deviation,
        pause=config.phi_pause,
    )
