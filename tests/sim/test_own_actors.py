"""The node's own actors, which its application does not stop or pause."""

from __future__ import annotations

import pytest

from clusterkit import GenServer
from clusterkit.errors import ConfigError
from clusterkit.testing.sim import simulate

from .rings import at, form, members, quiet


@pytest.mark.parametrize("name", ["ring", "_ring", "_node", "command"])
def test_the_nodes_own_actors_are_neither_stopped_nor_paused(name):
    async def main(sim):
        a, b = await form(sim, "ab")
        with pytest.raises(ConfigError, match=f"'{name}' is an actor of the node"):
            await a.stop(name)
        with pytest.raises(ConfigError, match=f"'{name}' is an actor of the node"):
            a.pause(name)
        await b.gossip.insert(at("x"))
        await quiet(sim)
        assert members(a) == "abx"

    simulate(main)


def test_an_actor_with_the_name_of_the_ring_that_was_left_is_ones_own():
    async def main(sim):
        a = await sim.start("a")
        await a.gossip.leave()
        await a.start("ring", GenServer())
        a.pause("ring")
        a.resume("ring")
        await a.stop("ring")
        await a.gossip.join("ring")

    simulate(main)
