"""Rings too large for every member to keep a link to every other.

`full_mesh` and `idle_close` are small here, so that a few nodes will do.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from string import ascii_lowercase

import trio

from clusterkit.cluster.neighbourhood import NEIGHBOURS, neighbours
from clusterkit.config import Config
from clusterkit.testing.sim import simulate

from .rings import Collector, at, form, links, quiet, until

CONFIG = Config(full_mesh=5, idle_close=3.0)
NAMES = "abcdefghijkl"


async def large(sim, **options):
    """Form a ring, and let the links go that only its making needed."""
    nodes = await form(sim, NAMES, config=CONFIG, **options)
    await trio.sleep(6)
    return nodes


def same_ring(nodes):
    return len({node.ring for node in nodes}) == 1


def test_links_and_traffic_of_an_idle_ring_do_not_grow_with_it(sim_seed):
    async def main(sim):
        nodes = await large(sim)
        before = sim.network.statistics()
        await trio.sleep(20)
        after = sim.network.statistics()
        assert after.streams <= 2 * (NEIGHBOURS + 1) * len(nodes)
        assert (after.bytes - before.bytes) / 20 / len(nodes) < 1000

    simulate(main, seed=sim_seed)


def test_news_reaches_every_member_in_a_few_rounds(sim_seed):
    async def main(sim):
        nodes = await large(sim)
        sim.network.everywhere(delay=0.001, spread=0.001, loss=0.1)
        await nodes[3].gossip.update(nodes[5].address, 7)
        await until(lambda: all(n.ring.weight("f") == 7 for n in nodes), 5)

    simulate(main, seed=sim_seed)


def test_news_reaches_every_member_by_polls_alone(sim_seed):
    """The rumour is told to two members only, and both of them die."""

    async def main(sim):
        nodes = await large(sim, disk=True)
        teller = nodes[0]
        others = [node for node in nodes[1:] if node.name not in links(teller)]
        sim.partition({teller.name})
        await teller.gossip.update(others[0].address, 7)
        await trio.sleep(5)
        sim.heal()
        await until(lambda: all(n.ring.weight(others[0].name) == 7 for n in nodes), 20)

    simulate(main, seed=sim_seed)


def test_a_split_ring_becomes_one_again(sim_seed):
    async def main(sim):
        nodes = await large(sim)
        sim.partition(set(NAMES[:6]), set(NAMES[6:]))
        await trio.sleep(10)
        await nodes[0].gossip.insert(at("x"))
        await nodes[8].gossip.insert(at("y"))
        await trio.sleep(3)
        sim.heal()
        await until(lambda: same_ring(nodes), 20)
        assert {"x", "y"} <= set(nodes[4].ring.weights())

    simulate(main, seed=sim_seed)


def test_a_ring_whose_other_half_is_dead_still_agrees(sim_seed):
    async def main(sim):
        nodes = await large(sim)
        for name in NAMES[::2]:
            await sim.crash(name, silent=True)
        await trio.sleep(10)
        alive = nodes[1::2]
        await alive[0].gossip.update(alive[1].address, 7)
        await until(lambda: same_ring(alive), 10)

    simulate(main, seed=sim_seed)


def test_a_removed_member_is_told_in_a_large_ring(sim_seed):
    async def main(sim):
        nodes = await large(sim)
        await nodes[0].gossip.remove(NAMES[-1])
        await quiet(sim)
        assert set(nodes[-1].ring.weights()) == {NAMES[-1]}
        await trio.sleep(10)
        assert links(nodes[-1]) == ""

    simulate(main, seed=sim_seed)


def test_a_closed_link_is_opened_by_the_next_message(sim_seed):
    async def main(sim):
        nodes = await large(sim, actors={"list": Collector})
        far = next(n for n in nodes[1:] if n.name not in links(nodes[0]))
        assert await nodes[0].call(f"list@{far.name}", "all") == []
        await until(lambda: far.name not in links(nodes[0]))

    simulate(main, seed=sim_seed)


def test_a_link_that_was_asked_for_is_kept(sim_seed):
    async def main(sim):
        nodes = await large(sim)
        far = next(n for n in nodes[1:] if n.name not in links(nodes[0]))
        await nodes[0].kernel.connect(far.address)
        await nodes[1].gossip.insert(at("x"))
        await trio.sleep(10)
        assert far.name in links(nodes[0])

    simulate(main, seed=sim_seed)


def test_a_ring_that_grows_lets_links_go(sim_seed):
    async def main(sim):
        few = await form(sim, NAMES[:4], config=CONFIG)
        await until(lambda: all(len(links(n)) == 3 for n in few), 1)
        for name in NAMES[4:]:
            node = await sim.start(name, config=CONFIG)
            await node.meet(at("a"))
        await quiet(sim)
        await trio.sleep(6)
        assert sim.network.statistics().streams <= 2 * (NEIGHBOURS + 1) * len(NAMES)

    simulate(main, seed=sim_seed)


def test_neighbours_are_spread_evenly_and_change_little():
    names = [f"node-{i}" for i in range(300)]
    chosen = {name: neighbours(name, set(names) - {name}) for name in names}
    counts = Counter(other for some in chosen.values() for other in some)
    assert max(counts.values()) < 5 * NEIGHBOURS
    rest = set(names) - {"node-7"}
    changed = [name for name in rest if neighbours(name, rest - {name}) != chosen[name]]
    assert all("node-7" in chosen[name] for name in changed)
    assert component("node-0", chosen) == set(names)


def test_whoever_is_left_over_is_always_chosen_by_somebody(sim_seed):
    """Those of the other half, once all but a few of them are known to be dead."""
    rng = Random(sim_seed)
    names = [f"node-{i}" for i in range(200)]
    for _ in range(20):
        side = set(rng.sample(names, 60))
        ghosts = set(rng.sample(sorted(set(names) - side), 10))
        while ghosts:
            alive = side | ghosts
            seen = {
                other for name in side for other in neighbours(name, alive - {name})
            }
            assert seen & ghosts
            ghosts -= seen


def test_both_sides_of_a_split_come_to_know_that_all_of_the_other_are_dead(sim_seed):
    async def main(sim):
        nodes = await form(sim, ascii_lowercase, config=CONFIG)
        sides = [nodes[::2], nodes[1::2]]
        names = [{node.name for node in side} for side in sides]
        sim.partition(*names)
        await until(
            lambda: all(
                set(node.members.alive()) == own
                for side, own in zip(sides, names, strict=True)
                for node in side
            ),
            30,
        )

    simulate(main, seed=sim_seed)


def component(start, chosen):
    """Return who can be reached from `start`, links leading both ways."""
    near = {name: set(some) for name, some in chosen.items()}
    for name, some in chosen.items():
        for other in some:
            near[other].add(name)
    found, front = {start}, [start]
    while front:
        fresh = near[front.pop()] - found
        found |= fresh
        front += fresh
    return found
