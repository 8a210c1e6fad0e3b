"""How a node comes to be in one ring with another: dialling, asking, patience.

What the two then say to each other is decided by `core.membership`. The
invariant is that a node which was not met is not dialled any further.
"""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from clusterkit.errors import (
    CallTimeout,
    ClusterError,
    NameTaken,
    NodeDown,
    RingError,
)
from clusterkit.logs import log
from clusterkit.net.client import connect_as_client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.ring_work import RingWork
    from clusterkit.core.membership import Membership
    from clusterkit.names import NodeInfo

logger = logging.getLogger("clusterkit.cluster")

ASK_AGAIN: Final = 1.0
"""Seconds after which an unanswered request to meet is repeated."""

DIAL_AGAIN: Final = 0.1
"""Seconds between two rounds of dials, each of which lasts `down_after`."""

SEED_PAUSE: Final = 1.0
"""Seconds between two attempts to meet a seed."""

SEED_SILENCE: Final = 60.0
"""Seconds between two lines about a seed that is not met, at last; from the first
line on they double. One that never will be, for its cookie, must not fill a log."""


class Meetings:
    """The meetings that this node asks for.

    Args:
        membership: The state machine.
        work: Carries out its effects.
        runtime: The node's actors, with its links.

    Attributes:
        seeking: Seeds that have not been met yet.
    """

    def __init__(
        self, membership: Membership, work: RingWork, runtime: Runtime
    ) -> None:
        self.seeking: dict[NodeInfo, None] = {}
        self._membership = membership
        self._work = work
        self._runtime = runtime
        self._news = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<Meetings seeking={list(map(str, self.seeking))}>"

    def look_again(self) -> None:
        """Gossip has come: somebody may be a member now."""
        self._news.unpark_all()

    def seek(self, seeds: Iterable[NodeInfo]) -> None:
        """Meet each of `seeds`, however long it takes."""
        for seed in seeds:
            if seed != self._membership.node:
                self.seeking[seed] = None
                self._runtime.kernel.spawn(self._seek, seed)

    async def meet(self, node: NodeInfo, timeout: float) -> bool:
        """Become one ring with the ring of `node`; see `GossipRing.meet`."""
        if node.id == self._membership.name:
            await self._meet_namesake(node, timeout)
        if self._membership.lists(node.id):
            known = self._membership.find(node.id)
            if known != node:
                raise RingError(
                    f"{node.id} is a member at {known}; use update to move it"
                )
            return False
        link = self._runtime.kernel.peers.get(node.id)
        pinned = link is not None and link.pinned
        try:
            await self._meet(node, timeout)
        except BaseException:  # a cancellation, too: nobody wants it any more
            self._unpin(node.id)
            raise
        if not pinned:
            self._work.neighbourhood.release(node.id)
        return True

    async def _meet(self, node: NodeInfo, timeout: float) -> None:
        with trio.move_on_after(timeout) as scope:
            await self._connect(node)
            await self._unite(node.id)
        if scope.cancelled_caught:
            raise self._too_late(node, timeout)

    async def _seek(self, seed: NodeInfo) -> None:
        """Meet a seed.

        Raises:
            NameTaken: The seed knows another live node of our name; this ends
                the `create_cluster` block.
        """
        silence, said_at = SEED_PAUSE, -inf
        while seed in self.seeking:
            try:
                await self.meet(seed, 5.0)
            except NameTaken:
                raise
            except ClusterError as error:
                if trio.current_time() - said_at >= silence:
                    log(logger, logging.WARNING, "seed_not_met", seed=seed, error=error)
                    silence = min(2 * silence, SEED_SILENCE)
                    said_at = trio.current_time()
                if seed.id == self._membership.name:
                    del self.seeking[seed]  # our own, at an address we had once
                await trio.sleep(SEED_PAUSE)
            else:
                del self.seeking[seed]

    async def _meet_namesake(self, node: NodeInfo, timeout: float) -> NoReturn:
        """Find out whether another live node bears our name.

        Raises:
            RingError: The address is our own.
            NameTaken: One does, at this address.
            NodeDown: Nobody does.
        """
        if node == self._membership.node:
            raise RingError(f"{node} is this node itself")
        kernel, alive = self._runtime.kernel, False
        with trio.move_on_after(timeout):
            async with connect_as_client(
                node.address,
                tuple(kernel.cookies),
                kernel.transport,
                kernel.codec,
                kernel.config,
                kernel.rng,
                lambda *_: None,
                expected=node.id,
            ):
                alive = True
        if alive:
            raise NameTaken(f"another live node is called {node.id}, at {node}")
        raise NodeDown(f"{node} did not answer within {timeout:g} s", "not sent")

    async def _connect(self, node: NodeInfo) -> None:
        """Keep dialling until the link is up or the peer refuses."""
        kernel = self._runtime.kernel
        while True:
            try:
                await kernel.connect(node)
            except NodeDown:
                await trio.sleep(DIAL_AGAIN)
            else:
                # The peer may have known of a later life than this one.
                self._membership.outgrow(kernel.me.incarnation)
                return

    def _too_late(self, node: NodeInfo, timeout: float) -> ClusterError:
        """Return what to raise for a meeting that did not come about."""
        link = self._runtime.kernel.peers.get(node.id)
        if link is not None and link.connection is not None:
            return CallTimeout(f"{node} did not answer within {timeout:g} s")
        why = link.failure if link is not None else None
        text = f"{node} was not reached within {timeout:g} s"
        return NodeDown(f"{text}: {why}" if why else text, outcome="not sent")

    async def _unite(self, peer: str) -> None:
        while not self._membership.lists(peer):
            self._work.submit(self._membership.meet(peer))
            with trio.move_on_after(ASK_AGAIN):
                while not self._membership.lists(peer):
                    await self._news.park()
        await self._work.caught_up()

    def _unpin(self, peer: str) -> None:
        """Let go of a node that has not become a member, and forget it.

        A link that has something to carry stays, and so does what is known of
        a seed: it will be tried again.
        """
        kernel = self._runtime.kernel
        link = kernel.peers.get(peer)
        if link is None or self._membership.lists(peer):
            return
        link.pinned = False
        if link.connection is not None or link.wanted:
            return
        kernel.drop(link, "not met")
        if all(seed.id != peer for seed in self.seeking):
            kernel.forget(peer)
