"""Meetings that somebody gives up."""

from __future__ import annotations

import pytest
import trio

from clusterkit.errors import NodeDown
from clusterkit.testing.sim import simulate

from .rings import at, form, links, members


def test_a_cancelled_meeting_is_dialled_no_more(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        with trio.move_on_after(1):
            await a.meet(at("ghost"), timeout=30)
        assert a.kernel.links() == ()

    simulate(main, seed=sim_seed)


def test_a_meeting_cancelled_after_the_link_is_up_keeps_no_link(sim_seed):
    async def main(sim):
        a, b = await sim.start("a"), await sim.start("b")
        await a.kernel.connect(b.address)
        a.kernel.peers["b"].pinned = False
        b.gossip._membership.receive = lambda *_: []  # it never answers
        with trio.move_on_after(1):
            await a.meet(b.address, timeout=30)
        assert not a.kernel.peers["b"].pinned

    simulate(main, seed=sim_seed)


def test_a_failed_meeting_is_dialled_no_more(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(NodeDown):
            await a.meet(at("ghost"), timeout=3)
        assert a.kernel.links() == ()

    simulate(main, seed=sim_seed)


def test_a_meeting_cancelled_once_it_has_taken_place_keeps_the_member(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        with trio.CancelScope() as scope:
            scope.cancel()
            await a.meet(b.address)
        await trio.sleep(5)
        assert members(a) == "ab"
        assert links(a) == "b"

    simulate(main, seed=sim_seed)
