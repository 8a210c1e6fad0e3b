"""The parts of a node, made and put together in the order they need."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.actors.ref import take_ref
from clusterkit.actors.runtime import Runtime
from clusterkit.cluster.bench_target import BenchTarget
from clusterkit.cluster.broadcast import Broadcast
from clusterkit.cluster.command_server import CommandServer
from clusterkit.cluster.discovering import Discovering
from clusterkit.cluster.ending import Ending
from clusterkit.cluster.features import Features
from clusterkit.cluster.fork_guard import guard
from clusterkit.cluster.gossip import GossipRing
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.keyring import Keyring
from clusterkit.cluster.neighbourhood import Neighbourhood
from clusterkit.cluster.node import ClusterNode
from clusterkit.cluster.node_actor import node_actor
from clusterkit.cluster.own_names import BENCH, COMMAND, NODE, RING
from clusterkit.cluster.process_hooks import ProcessHooks
from clusterkit.cluster.ring_book import RingBook
from clusterkit.cluster.ring_file import RingFile
from clusterkit.cluster.ring_work import RingWork, apply
from clusterkit.cluster.watchdog import Watchdog
from clusterkit.core import HashRing
from clusterkit.core.membership import Membership
from clusterkit.errors import NodeDown
from clusterkit.events import Event, LinkUp
from clusterkit.frozen import frozen
from clusterkit.names import Address, NodeInfo
from clusterkit.net.kernel import Kernel
from clusterkit.wire.codec import Codec
from clusterkit.wire.handshake import Identity
from clusterkit.wire.seal import stretch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clusterkit.cluster.cookies import Found
    from clusterkit.cluster.platform import Platform
    from clusterkit.config import Config
    from clusterkit.discovery.source import Source


@frozen(kw_only=True)
class Plan:
    """What `create_cluster` was given, checked."""

    name: str
    bind: Address
    advertise: Address | None
    secrets: Found
    ring: str
    rfactor: int
    pfactor: int
    state: str | None
    leaves: bool
    config: Config
    platform: Platform
    sources: tuple[Source, ...] = ()


class Assembly:
    """A node under construction.

    Attributes:
        node: The node; its ring speaks from `start_ring` on.
    """

    node: ClusterNode

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._broadcast = Broadcast(plan.config.event_buffer)
        self._runtime = Runtime(
            plan.name,
            plan.config,
            plan.platform.rng.getrandbits(48),
            self._publish,
            copy_local=plan.platform.copy_local,
        )
        guard(self._runtime)
        self._watchdog = Watchdog(plan.config.held_after)
        self._ending = plan.platform.ending or Ending()
        self._file: RingFile | None = None
        if plan.state is not None:
            self._file = RingFile(plan.platform.disk, plan.state)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bind, read the state file, run the parts; shut down after the block."""
        plan = self._plan
        for cookie in plan.secrets.cookies:
            # Before anybody waits for it: it takes as long as many calls.
            await plan.platform.run_blocking(stretch, cookie)
        saved = await self._file.open(plan.ring) if self._file is not None else None
        kernel = self._kernel()
        try:
            bound = await self._listen(kernel)
            self._make_node(kernel, saved)
            self.node.host, self.node.port = bound
            with collapsed_groups():
                async with trio.open_nursery() as nursery:
                    scope = await nursery.start(self._carry)
                    try:
                        yield
                    finally:
                        await self._end(scope)
        finally:
            kernel.stop_accepting()
            self._fail_calls(kernel)
            self._broadcast.close()
            if self._file is not None:
                self._file.close()

    async def _end(self, parts: trio.CancelScope) -> None:
        """Shut down, then end the parts, which nothing else can cancel."""
        try:
            with trio.CancelScope(shield=True):
                await self.node.shutdown(timeout=self._plan.config.drain_timeout)
        finally:  # also when Ctrl-C comes a second time, in the middle of it
            parts.cancel()

    async def _listen(self, kernel: Kernel) -> Address:
        try:
            return await kernel.listen(self._plan.bind, self._plan.advertise)
        except OSError as error:
            error.filename = str(self._plan.bind)  # what cannot be had, and shown
            raise

    def _fail_calls(self, kernel: Kernel) -> None:
        """Tell who still waits for an answer that there will be none."""
        for link in list(kernel.peers.values()):
            kernel.drop(link, "this node has ended")
        self._runtime.calls.fail_all(
            self._runtime.here, lambda: NodeDown("this node has ended")
        )

    async def start_ring(self) -> None:
        """Let the ring speak: save this life of the node, then announce it."""
        await self._runtime.start(RING, self._ring, reserved=True)
        self._runtime.registry.alias(self._plan.ring, self._runtime.local(RING))

    def begin(self) -> None:
        """Be ready: everything is there that was to be."""
        self._features.readiness.begin()

    def _publish(self, event: Event) -> None:
        self._broadcast.publish(event)
        if isinstance(event, LinkUp):
            ring = self._runtime.registry.get(RING)
            if ring is not None:
                ring.tell(event)

    def _kernel(self) -> Kernel:
        plan, runtime = self._plan, self._runtime
        codec = Codec(
            plan.config.max_message,
            take_ref=take_ref,
            make_ref=lambda parts: runtime.ref(*parts),
        )
        now = int(plan.platform.wall_clock() * 1000)
        kernel = Kernel(
            Identity(name=plan.name, incarnation=now),
            plan.secrets.cookies,
            plan.platform.transport,
            codec,
            plan.config,
            plan.platform.rng,
            runtime.delivery,
            lambda: self._work.name,
        )
        runtime.attach(kernel)
        return kernel

    def _make_node(self, kernel: Kernel, saved: dict[str, Any] | None) -> None:
        plan = self._plan
        membership = self._membership(kernel, saved)
        kernel.me = Identity(name=plan.name, incarnation=membership.incarnation)
        hooks = ProcessHooks()
        self._neighbourhood = Neighbourhood(
            plan.name, kernel, plan.config, plan.platform.rng
        )
        self._work = RingWork(
            membership,
            kernel,
            self._neighbourhood,
            plan.config,
            name=plan.ring,
            ring=apply(HashRing(plan.rfactor, plan.pfactor), membership.members),
            file=self._file,
            hooks=hooks,
            notify=self._broadcast.publish,
            wall_clock=plan.platform.wall_clock,
        )
        self._hooks = hooks
        self._gossip = GossipRing(
            membership, self._work, hooks, self._runtime, plan.platform
        )
        self._features = Features(
            plan.name,
            kernel,
            self._runtime,
            self._gossip,
            RingBook(membership, self._work, plan.platform.wall_clock),
            self._broadcast,
            plan.platform.rng,
            lambda: int(plan.platform.wall_clock() * 1000),
        )
        self.node = self._runtime.node = ClusterNode(
            plan.name,
            kernel,
            self._runtime,
            self._gossip,
            self._features,
            self._broadcast,
            self._watchdog,
            self._ending,
            Keyring(kernel, plan.platform.run_blocking, plan.secrets.file),
            leaves=plan.leaves,
        )
        self.node.discovery = Discovering(
            plan.sources,
            self._gossip,
            self._features.members,
            kernel,
            plan.platform,
            self._broadcast.publish,
        )

    def _membership(self, kernel: Kernel, saved: dict[str, Any] | None) -> Membership:
        plan = self._plan
        node = NodeInfo(plan.name, *kernel.address)
        now, rng = plan.platform.wall_clock(), plan.platform.rng
        config = plan.config
        if saved is not None:
            return Membership.restore(
                saved,
                node,
                rng=rng,
                now=now,
                weight=plan.rfactor,
                fanout=config.gossip_fanout,
                ttl=config.tombstone_ttl,
            )
        return Membership(
            node,
            incarnation=kernel.me.incarnation,
            rng=rng,
            now=now,
            weight=plan.rfactor,
            fanout=config.gossip_fanout,
            ttl=config.tombstone_ttl,
        )

    def _ring(self) -> GossipRing:
        # A crash restarts the actor around the same state: losing it would
        # lose the ring.
        return self._gossip

    async def _carry(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        """Run the parts until the scope is cancelled that this starts with.

        It is shielded: when the block is cancelled from outside, the parts
        still have to drain what they hold.
        """
        try:
            with trio.CancelScope(shield=True) as scope:
                async with trio.open_nursery() as nursery:
                    await self._run_parts(nursery)
                    task_status.started(scope)
        finally:
            self._features.cut()
            self._ending.cut()  # without its parts it would wait for nothing

    async def _run_parts(self, nursery: trio.Nursery) -> None:
        await nursery.start(self._runtime.run)
        await nursery.start(self.node.kernel.run)
        nursery.start_soon(self._work.run)
        nursery.start_soon(self._hooks.run)
        if self._plan.platform.watchdog:
            nursery.start_soon(self._watchdog.run)
        await self._runtime.start(NODE, node_actor(self.node.cookies), reserved=True)
        await self._runtime.start(BENCH, BenchTarget, reserved=True)
        await self._features.start(nursery)
        await self._runtime.start(COMMAND, CommandServer)
