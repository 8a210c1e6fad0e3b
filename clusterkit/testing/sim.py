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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cluster.creation import create_cluster
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.platform import Platform
from clusterkit.errors import ConfigError
from clusterkit.testing.runner import LIMIT, Simulation, Trace, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from clusterkit.cluster.creation import ActorFactory
    from clusterkit.cluster.node import ClusterNode

PORT: Final = 7022
"""Every simulated node has a host of its own, so all have the same port."""

_LOOK: Final = 0.05  # virtual seconds between two looks at the rings


@dataclass(slots=True)
class _Life:
    """One life of a node: how it was started, and what ends it."""

    options: dict[str, Any]
    lives: int
    node: ClusterNode | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)


class ClusterSimulation(Simulation):
    """A simulation with nodes in it; what `simulate` hands to its function."""

    _nursery: trio.Nursery

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._lives: dict[str, _Life] = {}

    @property
    def nodes(self) -> dict[str, ClusterNode]:
        """The nodes that run now, by name."""
        lives = self._lives.items()
        return {name: life.node for name, life in lives if life.node is not None}

    async def start(
        self,
        name: str,
        *,
        actors: Mapping[str, ActorFactory] | None = None,
        seeds: Iterable[str] = (),
        disk: bool = False,
        **options: Any,
    ) -> ClusterNode:
        """Start a node on a host of its own, which has its name.

        Args:
            name: The node's.
            actors: As for `create_cluster`.
            seeds: As for `create_cluster`; `node.address` of others.
            disk: Whether it keeps its ring on a simulated disk.
            options: Further ones for `create_cluster`.

        Raises:
            ConfigError: A node of that name runs.
            Exception: What `create_cluster` raised.
        """
        if name in self.nodes:
            raise ConfigError(f"{name} runs already")
        state = f"/state/{name}" if disk else None
        options = {"cookie": "simulated", "state": state, **options}
        options |= {"actors": actors, "seeds": tuple(seeds)}
        return await self._begin(name, options, 1)

    async def stop(self, name: str) -> None:
        """End a node in good order, as SIGTERM does; wait for it."""
        life = self._life(name)
        life.scope.cancel()
        await life.over.wait()
        self.trace(f"{name} stopped")

    async def crash(self, name: str, *, silent: bool = False) -> None:
        """Kill a node: nothing is sent, what was not synced is lost.

        Args:
            name: The node.
            silent: Whether its machine is gone too, so that peers hear no
                reset, only silence.
        """
        life = self._life(name)
        self.trace(f"{name} crashed")
        self.crash_host(name, silent=silent)
        if life.node is not None:
            life.node.abandon()
        life.scope.cancel()
        await life.over.wait()

    async def restart(self, name: str) -> ClusterNode:
        """Start a node again, as it was started; crash it first if it runs."""
        if name in self.nodes:
            await self.crash(name)
        before = self._lives[name]
        return await self._begin(name, before.options, before.lives + 1)

    async def converged(self, timeout: float = 30.0) -> None:
        """Wait until all running nodes that list each other see one ring.

        Args:
            timeout: Virtual seconds.

        Raises:
            trio.TooSlowError: They did not; the text has their rings.
        """
        with trio.move_on_after(timeout):
            # Agreement is of all nodes at once: there is no one event for it.
            while not self._agreed():  # noqa: ASYNC110
                await trio.sleep(_LOOK)
            return
        rings = {name: sorted(node.ring.weights()) for name, node in self.nodes.items()}
        raise trio.TooSlowError(f"no agreement after {timeout:g} s: {rings}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry the nodes; those that still run at the end are abandoned."""
        with collapsed_groups():
            async with trio.open_nursery() as self._nursery:
                yield
                for node in self.nodes.values():
                    node.abandon()
                self._nursery.cancel_scope.cancel()

    def _agreed(self) -> bool:
        nodes = self.nodes
        return all(
            nodes[member.id].ring == node.ring
            for node in nodes.values()
            for member in node.ring.nodes()
            if member.id in nodes
        )

    def _life(self, name: str) -> _Life:
        if name not in self.nodes:
            raise ConfigError(f"no node {name} runs")
        return self._lives[name]

    async def _begin(
        self, name: str, options: dict[str, Any], number: int
    ) -> ClusterNode:
        life = self._lives[name] = _Life(options, number)
        node: ClusterNode = await self._nursery.start(self._live, name, life)
        return node

    async def _live(
        self, name: str, life: _Life, *, task_status: trio.TaskStatus[ClusterNode]
    ) -> None:
        platform = Platform(
            transport=self.network.host(name),
            rng=self.generator(f"node/{name}/{life.lives}"),
            disk=self.disk(name),
            wall_clock=self.wall,
            run_blocking=_in_place,
            copy_local=True,
            watchdog=False,
        )
        try:
            with life.scope:
                async with create_cluster(
                    name, name, PORT, platform=platform, **life.options
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
