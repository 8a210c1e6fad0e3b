"""The rules of the ring hold for real nodes, whatever happens to them."""

from __future__ import annotations

from clusterkit.testing.sim import simulate

from .ring_world import World


def test_no_schedule_of_operations_and_disasters_breaks_a_promise(sim_seed):
    async def main(sim):
        await World(sim).run()

    simulate(main, seed=sim_seed)
