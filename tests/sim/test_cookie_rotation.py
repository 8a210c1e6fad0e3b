"""The cookie is changed under load and cuts: nothing lost, nobody refused."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
import trio

from clusterkit.errors import WrongCookie
from clusterkit.testing.sim import simulate

from .ledger import Ledger
from .rings import at

NAMES = "abc"
STEPS = (["old", "new"], ["new", "old"], ["new"])


async def rotate(sim, cookies):
    """Take one step at every node, one after the other, with cuts in between."""
    names = list(NAMES)
    sim.rng.shuffle(names)
    for name in names:
        await sim.nodes[name].cookies.replace(cookies)
        for pair in combinations(NAMES, 2):
            if sim.rng.random() < 0.7:
                sim.cut(*pair)
        await trio.sleep(sim.rng.expovariate(2))
    for pair in combinations(NAMES, 2):  # each finds its way back under this step
        sim.cut(*pair)
    await trio.sleep(2)


@pytest.mark.parametrize("seed", range(4))
def test_three_nodes_rotate_under_load_and_cuts(seed):
    async def main(sim):
        async with trio.open_nursery() as nursery:
            ledger = Ledger(sim, nursery)
            for name in NAMES:
                await ledger.start(name, cookie="old")
            for name in "bc":
                await sim.nodes["a"].meet(at(name))
            await sim.converged()
            async with trio.open_nursery() as talkers:
                for name, peer in permutations(NAMES, 2):
                    talkers.start_soon(ledger.talk, name, peer, 300)
                for cookies in STEPS:
                    await rotate(sim, cookies)
            await ledger.settled()
            ledger.judge(lossless=True)
            for node in sim.nodes.values():
                assert node.statistics().rejected == {}
                assert min(link.reconnects for link in node.kernel.links()) >= 3
            nursery.cancel_scope.cancel()
        await _is_refused(sim, "old")
        await _is_let_in(sim, "new")

    simulate(main, seed=seed)


async def _is_refused(sim, cookie):
    late = await sim.start("late", cookie=cookie)
    for name in NAMES:
        with pytest.raises(WrongCookie):
            await late.meet(at(name))
    await sim.stop("late")


async def _is_let_in(sim, cookie):
    await (await sim.start("fresh", cookie=cookie)).meet(at("a"))
    await sim.converged()
    assert len(sim.nodes["c"].ring.nodes()) == 4


def test_a_node_that_missed_a_step_still_finds_those_of_the_next():
    """What the two have in common is enough, if not silent: a try is refused."""

    async def main(sim):
        for name in "ab":
            await sim.start(name, cookie="old")
        a, b = sim.nodes["a"], sim.nodes["b"]
        await a.meet(at("b"))
        await a.cookies.replace(["old", "new"])
        await a.cookies.replace(["new", "old"])
        sim.cut("a", "b")
        await trio.sleep(5)
        assert await a.ping("b") == await b.ping("a") == "pong"

    simulate(main)
