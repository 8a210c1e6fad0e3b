"""Whole clusters in virtual time: nodes that start, crash, and start again.

`simulate` runs an async function on a simulated network, and the same seed
gives the same run. The nodes are real ones: every byte between them goes
through codec and seal, every saved state through a disk that forgets what was
not synced.

    async def main(sim):
        foo = await sim.start("foo", actors={"counter": Counter})
        bar = await sim.start("bar", seeds=[foo.address])
        await sim.converged()
        sim.partition({"foo"}, {"bar"})
        ...

    trace = simulate(main, seed=7)
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cluster.creation import create_cluster
from clusterkit.cluster.ending import Ending
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.platform import Platform
from clusterkit.errors import ConfigError
from clusterkit.testing.datagrams import MemoryUdp
from clusterkit.testing.runner import LIMIT, Simulation, Trace, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from clusterkit.cluster.creation import ActorFactory
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.core import HashRing
    from clusterkit.names import NodeInfo

PORT: Final = 7022
"""Every simulated node has a host of its own, so all have the same port."""

START: Final = 0.005
"""Virtual seconds a process takes to start: two lives of a node never begin in
one millisecond, the unit of their incarnations."""

_LOOK: Final = 0.05  # virtual seconds between two looks at the rings


@dataclass(slots=True)
class _Life:
    """One life of a node: how it was started, and what ends it."""

    name: str
    port: int
    options: dict[str, Any]
    number: int
    node: ClusterNode | None = None
    ending: Ending = field(default_factory=Ending)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)


class ClusterSimulation(Simulation):
    """A simulation with nodes in it; what `simulate` hands to its function.

    Each node has a host of its own, by which all verbs here call it; the
    host's name is the node's, unless `start` is told another.
    """

    _nursery: trio.Nursery

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._lives: dict[str, _Life] = {}
        self._hashes: dict[int, tuple[HashRing, int]] = {}

    @property
    def nodes(self) -> dict[str, ClusterNode]:
        """The nodes that run now, by host."""
        lives = self._lives.items()
        return {host: life.node for host, life in lives if life.node is not None}

    async def start(
        self,
        name: str,
        *,
        host: str | None = None,
        port: int = PORT,
        actors: Mapping[str, ActorFactory] | None = None,
        seeds: Iterable[str] = (),
        disk: bool = False,
        **options: Any,
    ) -> ClusterNode:
        """Start a node on a host of its own.

        Args:
            name: The node's.
            host: The host's; by default the node's name.
            port: Where it listens.
            actors: As for `create_cluster`.
            seeds: As for `create_cluster`; `node.address` of others.
            disk: Whether it keeps its ring on a simulated disk.
            options: Further ones for `create_cluster`.

        Raises:
            ConfigError: A node runs on that host.
            Exception: What `create_cluster` raised.

        Cancellation:
            The node is ended again.
        """
        host = host or name
        if host in self.nodes:
            raise ConfigError(f"a node runs on host {host} already")
        state = f"/state/{name}" if disk else None
        options = {"cookie": "simulated", "state": state, **options}
        options |= {"actors": actors, "seeds": tuple(seeds)}
        return await self._begin(host, _Life(name, port, options, 1))

    async def stop(self, host: str) -> None:
        """End a node in good order, as SIGTERM does; wait for it.

        Args:
            host: Where it runs.

        Raises:
            ConfigError: No node runs there.

        Cancellation:
            Ends the wait only.
        """
        life = self._life(host)
        life.scope.cancel()
        await life.over.wait()
        self.trace(f"{host} stopped")

    async def crash(self, host: str, *, silent: bool = False) -> None:
        """Kill a node: nothing is sent, what was not synced is lost.

        Args:
            host: Where it runs.
            silent: Whether its machine is gone too, so that peers hear no
                reset, only silence.

        Raises:
            ConfigError: No node runs there.

        Cancellation:
            Ends the wait for its tasks only: the node is dead at once.
        """
        life = self._life(host)
        self.trace(f"{host} crashed")
        self.crash_host(host, silent=silent)
        life.ending.cut()
        life.node = None
        life.scope.cancel()
        await life.over.wait()

    async def restart(self, host: str, *, port: int | None = None) -> ClusterNode:
        """Start a node again, as it was started; crash it first if it runs.

        Args:
            host: Where.
            port: Another one than before.

        Raises:
            ConfigError: None has run there.
            Exception: As for `start`.

        Cancellation:
            As for `start`; the former life is over.
        """
        before = self._lives.get(host)
        if before is None:
            raise ConfigError(f"no node has run on host {host}; start one")
        if host in self.nodes:
            await self.crash(host)
        port = port or before.port
        life = _Life(before.name, port, before.options, before.number + 1)
        return await self._begin(host, life)

    async def converged(self, timeout: float = 30.0) -> None:
        """Wait until all running nodes that know each other see one ring.

        That is: each has met those of its seeds that run, and two of which
        one lists the other have the same members, weights and addresses.

        Args:
            timeout: Virtual seconds.

        Raises:
            trio.TooSlowError: They did not; the text has their rings.

        Cancellation:
            Ends the wait; nothing has been changed.
        """
        with trio.move_on_after(timeout):
            # Agreement is of all nodes at once: there is no one event for it.
            while not self._agreed():  # noqa: ASYNC110
                await trio.sleep(_LOOK)
            return
        rings = {host: sorted(node.ring.weights()) for host, node in self.nodes.items()}
        raise trio.TooSlowError(f"no agreement after {timeout:g} s: {rings}")

    def platform(self, host: str) -> Platform:
        """Return what a node on `host` stands on; for `create_cluster` by hand."""
        number = self._lives[host].number if host in self._lives else 0
        transport = self.network.host(host)
        return Platform(
            transport=transport,
            datagrams=MemoryUdp(transport),
            rng=self.generator(f"node/{host}/{number}"),
            disk=self.disk(host),
            wall_clock=self.wall,
            run_blocking=_in_place,
            copy_local=True,
            watchdog=False,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry the nodes; those that still run at the end are abandoned."""
        with collapsed_groups():
            async with trio.open_nursery() as self._nursery:
                try:
                    yield
                finally:
                    for life in self._lives.values():
                        life.ending.cut()
                    self._nursery.cancel_scope.cancel()

    def _agreed(self) -> bool:
        nodes = list(self.nodes.values())
        names = {node.name for node in nodes}
        # A member is the node at its address, or else the one of its name.
        hashes: dict[NodeInfo | str, int] = {}
        # Of equal rings one is looked at: to compare each one with those of all
        # its members would take a cube of their number.
        rings: dict[int, HashRing] = {}
        for node in nodes:
            if any(seed.id in names for seed in node.gossip.seeking):
                return False
            hashed = self._hash(node.ring)
            hashes[node.name] = hashes[node.info] = hashed
            rings[hashed] = node.ring
        return all(
            hashes.get(member, hashes.get(member.id, hashed)) == hashed
            for hashed, ring in rings.items()
            for member in ring.nodes()
        )

    def _hash(self, ring: HashRing) -> int:
        """Return the hash of a ring, which takes long and is asked for at each look."""
        known = self._hashes.get(id(ring))
        if known is None:
            if len(self._hashes) > 2 * len(self._lives):  # most are of former rings
                self._hashes.clear()
            # With the ring, whose id is another's once it is gone.
            known = self._hashes[id(ring)] = ring, hash(ring)
        return known[1]

    def _life(self, host: str) -> _Life:
        if host not in self.nodes:
            raise ConfigError(f"no node runs on host {host}")
        return self._lives[host]

    async def _begin(self, host: str, life: _Life) -> ClusterNode:
        await trio.sleep(START)
        self._lives[host] = life
        node: ClusterNode = await self._nursery.start(self._live, host, life)
        return node

    async def _live(
        self, host: str, life: _Life, *, task_status: trio.TaskStatus[ClusterNode]
    ) -> None:
        platform = replace(self.platform(host), ending=life.ending)
        try:
            with life.scope:
                async with create_cluster(
                    life.name, host, life.port, platform=platform, **life.options
                ) as life.node:
                    self.trace(f"{life.node.address} started")
                    task_status.started(life.node)
                    await trio.sleep_forever()
        finally:
            life.node = None
            life.over.set()


def simulate(
    main: Callable[[ClusterSimulation], Awaitable[object]],
    *,
    seed: int = 0,
    limit: float = LIMIT,
) -> Trace:
    """Run `main(sim)` in virtual time and return what happened.

    Args:
        main: Gets a `ClusterSimulation`. When it returns, the run is over.
        seed: Decides all chance: scheduling, delays, losses, what crashes
            leave, and Python's global `random`.
        limit: Virtual seconds `main` may take.

    Raises, guarantees:
        As `clusterkit.testing.runner.run`.
    """
    return run(main, ClusterSimulation(seed), limit=limit)


async def _in_place(function: Callable[..., Any], *args: Any) -> Any:
    # Virtual time does not wait for threads.
    await trio.lowlevel.checkpoint()
    return function(*args)
