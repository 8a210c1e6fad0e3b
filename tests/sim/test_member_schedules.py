"""Whatever happens to members, all come to see each as it is, and what it says."""

from __future__ import annotations

from clusterkit.testing.sim import simulate

from .member_world import MemberWorld


def test_all_come_to_see_each_member_as_it_is(sim_seed):
    async def main(sim):
        await MemberWorld(sim).run()

    simulate(main, seed=sim_seed)
