"""The rules of takeover hold for real links, under random schedules.

Dials from both sides, cuts at any byte, half-open connections, walls that let
only one side dial, delays, losses, partitions, crashes and restarts: whatever
comes, the ledger finds every message delivered, or its sender told.
"""

from __future__ import annotations

from functools import partial

import trio

from clusterkit.testing.sim import simulate

from .ledger import Ledger
from .rings import at
from .schedules import Schedule


def test_no_schedule_breaks_the_contract(sim_seed):
    async def main(sim):
        async with trio.open_nursery() as nursery:
            await Schedule(Ledger(sim, nursery), sim.rng).run()
            nursery.cancel_scope.cancel()

    for part in range(10):
        simulate(main, seed=f"{sim_seed}/{part}")


def test_two_processes_that_find_each_other_by_dialling_at_once_agree(sim_seed):
    """Neither knows the other, both dial, and the first words are not lost."""

    async def main(sim):
        async with trio.open_nursery() as nursery:
            ledger = Ledger(sim, nursery)
            async with trio.open_nursery() as starting:
                for name in "ab":
                    starting.start_soon(ledger.start, name)
            async with trio.open_nursery() as talkers:
                for name, peer in ("ab", "ba"):
                    talkers.start_soon(ledger.talk, name, peer, 50)
            await ledger.settled()
            ledger.judge(lossless=True)
            assert sim.nodes["a"].kernel.links()[0].reconnects <= 1
            nursery.cancel_scope.cancel()

    for part in range(10):
        simulate(main, seed=f"{sim_seed}/{part}")


def test_a_link_given_up_and_made_anew_loses_nothing_unreported(sim_seed):
    """Remove and insert again while messages are under way."""

    async def main(sim):
        async with trio.open_nursery() as nursery:
            ledger = Ledger(sim, nursery)
            for name in "ab":
                await ledger.start(name)
            a = sim.nodes["a"]
            async with trio.open_nursery() as talkers:
                for name, peer in ("ab", "ba"):
                    talk = partial(ledger.talk, name, peer, 300, pause=0.1)
                    talkers.start_soon(talk)
                for _ in range(10):
                    await a.gossip.insert(at("b"))
                    await trio.sleep(sim.rng.random())
                    await a.gossip.remove("b", force=sim.rng.random() < 0.7)
                    await trio.sleep(sim.rng.random())
            await ledger.settled()
            ledger.judge(given_up=True)
            nursery.cancel_scope.cancel()

    simulate(main, seed=sim_seed)
