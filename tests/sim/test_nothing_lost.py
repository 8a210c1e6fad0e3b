"""A hundred short schedules for each seed: every message arrives or is accounted for.

Cuts, half-open connections, walls, delays, losses, partitions and restarts
between two nodes that cast and call, and sometimes say something large. Each is
cheap, so that there can be many: what is rare is found by their number.
"""

from __future__ import annotations

from collections import Counter

import pytest
import trio

from clusterkit.testing.sim import simulate

from .ledger import Ledger
from .schedules import FAULTS, Schedule

PARTS, EACH = 10, 20


@pytest.mark.parametrize("part", range(PARTS))
def test_many_short_schedules_keep_the_contract(sim_seed, part):
    for number in range(EACH):
        simulate(short, seed=f"{sim_seed}/{part}/{number}")


async def short(sim):
    """Run one; return its ledger and the faults that it had."""
    async with trio.open_nursery() as nursery:
        ledger = Ledger(sim, nursery)
        schedule = Schedule(ledger, sim.rng, steps=8, messages=12, large=0.05)
        await schedule.run()
        nursery.cancel_scope.cancel()
    return ledger, schedule.faults


def test_the_schedules_reach_what_they_are_for():
    """Else their number would prove nothing."""
    ledgers, faults, sessions = [], set(), 0

    async def main(sim):
        nonlocal sessions
        ledger, some = await short(sim)
        ledgers.append(ledger)
        faults.update(some)
        for node in sim.nodes.values():
            sessions += sum(link.reconnects for link in node.kernel.links())

    for number in range(40):
        simulate(main, seed=f"0/0/{number}")
    outcomes = sum((ledger.outcomes for ledger in ledgers), Counter())
    assert {"answered", "unknown", "not sent"} <= outcomes.keys()
    told = sum(sum(life.undelivered.values()) for life in lives(ledgers))
    assert (told > 0, sessions > 100, outcomes["answered"] > 200) == (True,) * 3
    assert faults == set(FAULTS)


def lives(ledgers):
    return [life for ledger in ledgers for life in ledger.lives.values()]
