"""A node: the kernel, the runtime and the cluster's own actors, wired up.

Wiring only: what happens is in the parts. `create_cluster` is the one door.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, overload

import trio

from clusterkit.actors.server import GenServer
from clusterkit.cluster.draining import say_what_waits
from clusterkit.cluster.foreground import in_foreground
from clusterkit.cluster.node_statistics import NodeStatistics
from clusterkit.cluster.own_names import IN_BACKGROUND, OWN
from clusterkit.cluster.reach import Reach
from clusterkit.cluster.readiness import SAID_BY
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.events import Event
from clusterkit.logs import log
from clusterkit.names import NodeInfo, check_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.ref import ActorRef
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.broadcast import Broadcast, Events
    from clusterkit.cluster.discovering import Discovering
    from clusterkit.cluster.ending import Ending
    from clusterkit.cluster.features import Features
    from clusterkit.cluster.gossip import GossipRing
    from clusterkit.cluster.keyring import Keyring
    from clusterkit.cluster.readiness import Phase
    from clusterkit.cluster.watchdog import Watchdog
    from clusterkit.core import HashRing
    from clusterkit.net.kernel import Kernel

logger = logging.getLogger("clusterkit.cluster")

LEFT_BY: Final = 0.25
"""Part of a shutdown's time by which the ring is left, or is not any more."""

ACTORS_ENDED_BY: Final = 0.75
"""Part of a shutdown's time by which actors have ended, or are cut; what they
said last takes the rest."""

P = ParamSpec("P")
S = TypeVar("S", bound=GenServer)
E = TypeVar("E", bound=Event)


class ClusterNode(Reach):
    """One node of a cluster; made by `create_cluster`.

    Attributes:
        name: Its name.
        host: The host it is bound to.
        port: The port it is bound to, also if 0 was asked for.
        kernel: Its links.
        gossip: Its ring, and the commands that change it.
        state: What all members say of themselves.
        members: Which members are alive, and why.
        services: What members offer to each other, and what this node needs.
        masters: Which members are masters.
        channels: Messages to whoever has joined.
        cookies: Its cookies, and how to change them while it runs.
        discovery: How it finds others, and whom it has found.
    """

    discovery: Discovering

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        runtime: Runtime,
        gossip: GossipRing,
        features: Features,
        broadcast: Broadcast,
        watchdog: Watchdog,
        ending: Ending,
        cookies: Keyring,
        *,
        leaves: bool,
    ) -> None:
        super().__init__(name, kernel, runtime, gossip)
        self.cookies = cookies
        self._features = features
        self.state = features.state
        self.members = features.members
        self.services = features.services
        self.masters = features.masters
        self.channels = features.channels
        self._readiness = features.readiness
        self.host, self.port = "", 0
        self._leaves = leaves
        self._broadcast = broadcast
        self._watchdog = watchdog
        self._ending = ending

    def __repr__(self) -> str:
        return f"<ClusterNode {self.address}>"

    @property
    def address(self) -> str:
        """What peers are told: `name@host:port`."""
        return str(self.info)

    @property
    def info(self) -> NodeInfo:
        """The same, as a value."""
        return NodeInfo(self.name, *self.kernel.address)

    @property
    def incarnation(self) -> int:
        """Number of this life of the node; higher than all before it."""
        return self.kernel.me.incarnation

    @property
    def is_ready(self) -> bool:
        """Whether it is to be given work.

        It is from when its ring is loaded, its actors run and it accepts connections
        until it begins to end.
        """
        return self._readiness.is_ready and not self._ending.over

    @property
    def phase(self) -> Phase:
        """How far its life has come: `starting`, `running`, `ending` or `ended`.

        It runs from when its actors do and it accepts connections, whether it is kept
        offline or not, and ends from the beginning of its `shutdown`.
        """
        return "ended" if self._ending.over else self._readiness.phase

    @property
    def ring(self) -> HashRing:
        """The members of the ring as a hash ring, as they are now."""
        return self.gossip.ring

    async def meet(self, address: NodeInfo | str, *, timeout: float = 5.0) -> bool:
        """Become one ring with that of another node; see `GossipRing.meet`."""
        return await self.gossip.meet(address, timeout=timeout)

    @overload
    async def start(self, name: str | None, server: S, /) -> ActorRef[S]: ...
    @overload
    async def start(
        self,
        name: str | None,
        factory: Callable[P, S],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ActorRef[S]: ...
    async def start(
        self, name: str | None, server: Any, /, *args: Any, **kwargs: Any
    ) -> ActorRef[Any]:
        """Start an actor; return when its `init` has.

        Args:
            name: What it is registered as on this node; None makes one up.
            server: The class (or whatever builds an instance), or a plain
                `GenServer()` instance, which cannot be rebuilt after a crash.
            args: For the class. A restart passes them again.
            kwargs: Likewise.

        Returns:
            A reference.

        Raises:
            NameTaken: An actor of that name runs here.
            ConfigError: The name is not valid, or a class attribute is not.
            NodeDown: The node has ended, or did while `init` ran.
            Exception: Whatever `__init__` or `init` raised; the name is free.

        Cancellation:
            The actor is ended again.
        """
        return await self._runtime.start(name, server, *args, **kwargs)

    async def stop(self, name: str) -> None:
        """Stop an actor: it handles what waits now, then `terminate`s.

        In between it lets its concurrent handlers come to their ends, and
        waits for the answers it has promised with `later()`, both for up to
        `drain_timeout`; what is left then is cut, and its callers get
        `ActorDown`. Meanwhile it goes on with casts, timers and Downs, for an
        answer may depend on them, and refuses calls with `ActorDown`. A
        serial handler is never cut; it may take any time.

        When this returns the name is free. From one of the actor's own
        handlers it returns at once. Unknown names are ignored.

        Args:
            name: Its name on this node.

        Raises:
            ConfigError: It is one of the node's own: `gossip.leave()` leaves the
                ring, `shutdown` ends the node.
            NodeDown: The node ended before the actor did.

        Cancellation:
            Ends the wait only; the actor ends all the same.
        """
        self._refuse_own(name, "leave the ring, or shut the node down, instead")
        await self._runtime.stop(name)

    def pause(self, name: str) -> None:
        """Have an actor handle nothing for now; messages are kept.

        Args:
            name: Its name on this node.

        Raises:
            NoSuchActor: There is none of that name here.
            ConfigError: It is one of the node's own.
        """
        self._refuse_own(name, "without it the others would take it for broken")
        self._runtime.local(name).pause()

    def resume(self, name: str) -> None:
        """Go on after `pause`; does nothing to a running actor.

        Args:
            name: Its name on this node.

        Raises:
            NoSuchActor: There is none of that name here.
        """
        self._runtime.local(name).resume()

    def _refuse_own(self, name: str, advice: str) -> None:
        """Keep the actors that make a node a node from its application's hands."""
        process = self._runtime.registry.get(name)
        if process is not None and process.name in OWN:
            raise ConfigError(f"{name!r} is an actor of the node itself: {advice}")

    @overload
    def events(self) -> Events[Event]: ...
    @overload
    def events(self, *kinds: type[E]) -> Events[E]: ...
    def events(self, *kinds: type[Event]) -> Events[Event]:
        """Subscribe to events; all kinds if none are given.

            async with node.events(LinkUp, LinkDown) as events:
                async for event in events:
                    print(event)

        Args:
            kinds: Their classes. `EventsLost` comes in any case, where a
                subscriber was too slow.

        Returns:
            A context manager; events are kept from entering it on. The
            iteration ends when the node has ended.

        Raises:
            ConfigError: One is no kind of event.
        """
        return self._broadcast.events(*kinds)

    def statistics(self) -> NodeStatistics:
        """Return a snapshot of the node and its parts."""
        runtime, kernel = self._runtime, self.kernel
        dropped = runtime.accounts.dropped
        return NodeStatistics(
            links=kernel.links(),
            actors=tuple(p.statistics() for p in runtime.registry if p.name[0] != "_"),
            pending_calls=sum(
                p.actor not in IN_BACKGROUND for p in runtime.calls.pending.values()
            ),
            dropped=dict(dropped),
            busy=dict(runtime.accounts.busy),
            late_replies=dropped["late_reply"],
            undelivered=dict(runtime.delivery.undelivered),
            refused=dict(runtime.delivery.refused),
            unknown_casts=dropped["no_actor"],
            undecodable=dropped["undecodable"],
            streams=runtime.delivery.streams.count(),
            stray_chunks=dropped["late_chunk"],
            overruns=dropped["overrun"],
            foreign_gossip=self.gossip.ignored.get("foreign", 0),
            rejected=dict(kernel.refusals.rejected),
            handshakes=kernel.reception.under_way,
            loop_lag=self._watchdog.lag,
        )

    async def serve_forever(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run until SIGTERM or SIGINT, then shut down; main thread only.

        A second signal ends the process at once, with status 1. SIGHUP has the
        cookie file read again; one that came because the terminal was closed
        ends the node as SIGTERM does.

        Args:
            task_status: For `nursery.start`: it returns when signals are heard.

        Raises:
            SystemExit: A second signal came.

        Cancellation:
            Signals are as before; the node goes on until its block is left.
        """
        seconds = self._runtime.config.drain_timeout
        await in_foreground(
            self._ending,
            partial(self.shutdown, timeout=seconds),
            self.cookies.reload_or_log,
            partial(say_what_waits, self.kernel, seconds),
            task_status,
        )

    async def shutdown(self, *, timeout: float = 10.0) -> None:
        """Drain: no new connections, actors end, what is queued goes out, Bye.

        The actors end as by `stop`, the latest first; but for one that hangs
        the next waits only half of the time that is left. In the end an actor
        that has not come to its `terminate` is cut: its callers get
        `ActorDown`, its monitors fire, `terminate` is not called.

        First of all the node is no master any more, nor ready, and says so: its key
        `_status` of `node.state` has `"ending"` then. It leaves the ring, if
        `on_exit` says so, and tells the members that it ends. Leaving the
        `create_cluster` block does the same. A second call waits for the first, as
        long as that may take.

        Args:
            timeout: Seconds for all of it; what is not done by then is cut. A tenth
                is for members to hear of it; the ring may take a quarter, ring and
                actors three quarters, so that a member that does not answer leaves
                the actors time to `terminate`, and an actor that hangs leaves time
                to send.

        Raises:
            ConfigError: The timeout is no number of seconds.

        Cancellation:
            Stops it where it is. The next call, or the end of the block, does
            the rest, in a time of its own.
        """
        check_timeout(timeout)
        await self._ending.reach(partial(self._shut_down, timeout))

    def set_online(self, online: bool) -> None:  # noqa: FBT001 - as it reads best
        """Have this node given work, or no more until this is called again.

        Offline it is not ready, and says so to all (`_status` of `node.state`); it
        stays a member, its actors go on, and whoever calls them is answered. One that
        ends gets no work, whatever this says.

        Args:
            online: Whether it is given work.
        """
        self._runtime.thread.require()
        self._readiness.set_online(online=online)

    def drain(self) -> None:
        """Begin to `shutdown`, within `drain_timeout`, and do not wait for it.

        `serve_forever` returns when it is done, and so does `shutdown`.
        """
        self._runtime.thread.require()
        seconds = self._runtime.config.drain_timeout
        self._runtime.spawn(partial(self.shutdown, timeout=seconds))

    async def _shut_down(self, timeout: float) -> None:
        """End one part after the other, each within its share of the time."""
        began = trio.current_time()
        self.kernel.stop_accepting()
        self.masters.end()
        await self._readiness.end(began + timeout * SAID_BY)
        await self.discovery.end(timeout * LEFT_BY / 2)
        if self._leaves and self.gossip.name:
            with trio.move_on_at(began + timeout * LEFT_BY) as scope:
                await self._leave()
            if scope.cancelled_caught:
                log(logger, logging.ERROR, "not_left", error="no time is left for it")
        self._features.end()
        await self._runtime.stop_all(began + timeout * ACTORS_ENDED_BY)
        await self.kernel.drain(max(0.0, began + timeout - trio.current_time()))

    async def _leave(self) -> None:
        try:
            await self.gossip.leave()
        except ClusterError as error:  # a full disk must not keep the node
            log(logger, logging.ERROR, "not_left", error=error)
