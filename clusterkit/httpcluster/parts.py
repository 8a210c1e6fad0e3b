"""The parts of a node of a cluster over HTTP, made in the order they need."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.actors.own_thread import OwnThread
from clusterkit.cluster.background import Background
from clusterkit.cluster.broadcast import Broadcast
from clusterkit.cluster.readiness import Readiness
from clusterkit.cluster.reconciling import Answers, Reconciling
from clusterkit.cluster.state_book import StateBook
from clusterkit.core.heartbeats import Heartbeats
from clusterkit.httpcluster.answering import Answering
from clusterkit.httpcluster.asking import Asking
from clusterkit.httpcluster.cluster import HttpCluster
from clusterkit.httpcluster.gossiping import Gossiping
from clusterkit.httpcluster.identity import MOST_NODES
from clusterkit.httpcluster.listing import Listing
from clusterkit.httpcluster.members import HttpMembers
from clusterkit.httpcluster.state import HttpState
from clusterkit.httpcluster.urls import HttpPlace
from clusterkit.wire.http_judge import Judge

if TYPE_CHECKING:
    from clusterkit.cluster.ending import Ending
    from clusterkit.cluster.keyring import Keyring
    from clusterkit.cluster.platform import Platform
    from clusterkit.config import Config
    from clusterkit.httpcluster.identity import Identity
    from clusterkit.httpcluster.posting import Post
    from clusterkit.httpcluster.urls import Dialable

MOST_AHEAD: Final = 31_557_600_000.0
"""Seconds by which what others call a node's incarnation may be ahead of the own clock, a
thousand years: more is a lie, and to outdo it would leave no room above."""


class Parts:
    """The parts of one node.

    Args:
        identity: Who it is.
        platform: Dice and clocks.
        config: How long things are remembered.
        interval: Seconds between two exchanges.
        dialable: Says whom not to dial.

    Attributes:
        background: Runs what asks others, until the node ends.
        book: What all members say of themselves.
        broadcast: Its events.
    """

    def __init__(
        self,
        identity: Identity,
        platform: Platform,
        config: Config,
        interval: float,
        dialable: Dialable,
    ) -> None:
        self.identity = identity
        self.refused: Counter[str] = Counter()
        self.background = Background()
        self.broadcast = Broadcast(config.event_buffer)
        self.thread = OwnThread.here()
        self.rng = platform.rng
        self.wall_clock = platform.wall_clock
        self.dialable = dialable
        self.interval = interval
        incarnation = int(platform.wall_clock() * 1000)
        self.heartbeats = Heartbeats(
            identity.name, incarnation, interval, MOST_NODES - 1, self._latest
        )
        self.book = StateBook(
            identity.name,
            incarnation,
            identity.codec,
            self.heartbeats.has_lived,
            self.broadcast.publish,
            trio.current_time,
            config.state_tombstone_ttl,
            self._latest,
        )
        self.members = HttpMembers(
            self.heartbeats,
            self.book,
            self.broadcast.publish,
            trio.current_time,
            config.forget_after,
            dialable,
            self.refused,
        )

    def _latest(self) -> int:
        return int((self.wall_clock() + MOST_AHEAD) * 1000)

    def gossiping(self, post: Post, seeds: list[str]) -> Gossiping:
        """Return what asks others."""
        asking = Asking(
            self.identity,
            self.members,
            post,
            trio.current_time,
            self.rng,
            self.refused,
        )
        return Gossiping(
            self.identity.name,
            self.members,
            asking,
            Reconciling(self.book, asking.ask),
            self.book,
            seeds,
            self.interval,
            self.rng,
            self.refused,
        )

    def listing(self, url: str, gossiping: Gossiping) -> Listing:
        """Return what a master list may know of the node."""
        return Listing(
            HttpPlace(self.identity.name, url),
            self.members,
            gossiping,
            self.dialable,
            self.rng,
            self.wall_clock,
            self.refused,
        )

    def cluster(
        self,
        url: str,
        cookies: Keyring,
        gossiping: Gossiping,
        ending: Ending,
        nursery: trio.Nursery,
    ) -> HttpCluster:
        """Return the node."""
        identity = self.identity
        readiness = Readiness(self.book, gossiping.farewell)
        readiness.begin()
        answering = Answering(
            identity,
            Judge(identity.ring, identity.name, identity.life, url),
            self.members,
            Answers(self.book),
            trio.current_time,
            self.refused,
        )
        return HttpCluster(
            identity.name,
            url,
            HttpState(identity.name, self.book, self.thread, self.members),
            self.members,
            cookies,
            self.refused,
            readiness=readiness,
            answering=answering,
            background=self.background,
            broadcast=self.broadcast,
            ending=ending,
            thread=self.thread,
            nursery=nursery,
        )
