"""Whatever happens, in the end there are as many masters as are required."""

from __future__ import annotations

import trio

from clusterkit.events import Demotion, Promotion
from clusterkit.testing import simulate

from .rings import form, until
from .test_masters import agree

NAMES = "abcde"


async def disturb(sim, terms):
    """Do something, then wait a little."""
    alive = sorted(sim.nodes)
    name = sim.rng.choice(NAMES)
    what = sim.rng.choice(["crash", "split", "heal", "promote", "demote", "stand"])
    if what == "crash" and name in alive and len(alive) > 2:
        await sim.crash(name)
    elif what == "split":
        left = set(sim.rng.sample(NAMES, 2))
        sim.partition(left, set(NAMES) - left)
    elif what == "heal":
        sim.heal()
    elif name not in alive:
        node = await sim.restart(name)
        await terms.start(follow, node)
        node.masters.stand(weight=sim.rng.random())
    elif what == "promote":
        sim.nodes[name].masters.promote()
    elif what == "demote":
        sim.nodes[name].masters.demote()
    else:
        sim.nodes[name].masters.stand(weight=sim.rng.random())
    await trio.sleep(4 * sim.rng.random())


EPOCHS: list[tuple[int, str]] = []


async def follow(node, *, task_status):
    """Expect promotions and demotions in turns, each of an epoch that is new."""
    async with node.events(Promotion, Demotion) as events:
        task_status.started()
        held = None
        async for event in events:
            if isinstance(event, Promotion):
                assert event.epoch not in EPOCHS
                EPOCHS.append(event.epoch)
                held = event.epoch
            else:
                assert event.epoch == held
                held = None


def test_in_the_end_there_is_one_master_and_no_epoch_was_given_twice(sim_seed):
    async def main(sim):
        EPOCHS.clear()
        nodes = await form(sim, NAMES, disk=True)
        async with trio.open_nursery() as terms:
            for node in nodes:
                await terms.start(follow, node)
                node.masters.stand(weight=sim.rng.random())
            for _ in range(12):
                await disturb(sim, terms)
            sim.heal()
            await until(lambda: agree(list(sim.nodes.values()), 1), 30)
            await trio.sleep(7)  # by which those that sit out are back
            assert agree(list(sim.nodes.values()), 1)
            own = {name: [e for e in EPOCHS if e[1] == name] for name in NAMES}
            assert all(epochs == sorted(epochs) for epochs in own.values())
            terms.cancel_scope.cancel()

    simulate(main, seed=sim_seed)
