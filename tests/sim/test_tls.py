"""Encrypted links in bad weather: as reliable as those in clear."""

from __future__ import annotations

from clusterkit.errors import TlsRefused
from clusterkit.testing import simulate
from tests.certificates import files

from .rings import at
from .test_links_traffic import converse, pair, storm


def test_a_storm_loses_nothing(sim_seed):
    async def main(sim):
        async with pair(sim, tls=files("node")) as ledger:
            await converse(ledger, storm(sim, 20, 60.0), count=100, seconds=60.0)

    simulate(main, seed=sim_seed)


def test_a_ring_comes_together_and_outlives_a_crash(sim_seed):
    async def main(sim):
        for name in "abc":
            seeds = [] if name == "a" else [at("a")]
            await sim.start(name, seeds=seeds, disk=True, tls=files(name))
        await sim.converged()
        sim.delay("a", "b", 0.05)
        await sim.crash("b", silent=True)
        await sim.restart("b")
        await sim.converged()
        assert all(len(node.ring.nodes()) == 3 for node in sim.nodes.values())

    simulate(main, seed=sim_seed)


def test_one_in_clear_stays_outside(sim_seed):
    async def main(sim):
        await sim.start("a", tls=files("a"))
        await sim.start("p")
        for here, there in ("ap", "pa"):
            try:
                await sim.nodes[here].meet(at(there))
            except TlsRefused:
                continue
            raise AssertionError(f"{here} met {there}")
        rings = [len(node.ring.nodes()) for node in sim.nodes.values()]
        assert rings == [1, 1]

    simulate(main, seed=sim_seed)
