"""Nodes that find each other, over their lives: moved, left, forgotten, kept apart."""

from __future__ import annotations

from math import inf

import pytest
import trio

from clusterkit import Config
from clusterkit.cluster.node import LEFT_BY
from clusterkit.discovery import Beacons
from clusterkit.names import Address, NodeInfo
from clusterkit.testing.sim import simulate

from .rings import Listed, at, members, until


async def found(sim, names, **options):
    """Start nodes that find each other; return them when they have."""
    nodes = [await sim.start(name, discover=True, **options) for name in names]
    await until(lambda: all(members(node) == names for node in nodes))
    return nodes


@pytest.mark.parametrize("silent", [False, True], ids=["reset", "silent"])
def test_a_node_that_comes_back_at_another_port_is_found_there(sim_seed, silent):
    async def main(sim):
        a, _ = await found(sim, "ab")
        await sim.crash("b", silent=silent)
        b = await sim.restart("b", port=7099)
        await until(lambda: members(a) == members(b) == "ab")
        await until(lambda: {n.port for n in a.ring.nodes()} == {7022, 7099})

    simulate(main, seed=sim_seed)


def test_a_node_that_comes_back_with_its_clock_set_back_is_one_of_the_ring(sim_seed):
    async def main(sim):
        wall = sim.wall
        a = await sim.start("a", discover=True)
        sim.wall = lambda: wall() + 25
        b = await sim.start("b", discover=True)
        await until(lambda: members(a) == members(b) == "ab")
        await trio.sleep(5)
        await sim.crash("b")
        sim.wall = wall
        b = await sim.restart("b")
        await until(lambda: a.members.state("b") == "alive" and members(b) == "ab")
        await trio.sleep(10)
        assert a.members.state("b") == b.members.state("a") == "alive"

    simulate(main, seed=sim_seed)


def test_who_leaves_at_its_end_stays_away_until_it_starts_again(sim_seed):
    async def main(sim):
        a, _ = await found(sim, "ab", on_exit="leave")
        await sim.stop("b")
        await until(lambda: members(a) == "a")
        await trio.sleep(30)
        assert members(a) == "a"
        b = await sim.restart("b")
        await until(lambda: members(a) == members(b) == "ab")

    simulate(main, seed=sim_seed)


def test_who_was_forgotten_and_removed_for_it_is_found_when_it_is_back(sim_seed):
    async def main(sim):
        config = Config(forget_after=60.0, remove_after=120.0)
        a, b, _ = await found(sim, "abc", config=config)
        await sim.crash("c")
        await trio.sleep(400)
        assert members(a) == members(b) == "ab"
        c = await sim.restart("c")
        await until(lambda: {members(n) for n in (a, b, c)} == {"abc"})

    simulate(main, seed=sim_seed)


def test_who_was_removed_while_it_was_away_stays_out(sim_seed):
    async def main(sim):
        a, b, c = await found(sim, "abc")
        sim.partition({"c"}, {"a", "b"})
        await a.gossip.remove("c")
        await trio.sleep(30)
        sim.heal()
        await trio.sleep(60)
        assert (members(a), members(b), members(c)) == ("ab", "ab", "c")

    simulate(main, seed=sim_seed)


def test_clusters_on_one_lan_do_not_merge_and_each_finds_its_own(sim_seed):
    async def main(sim):
        one = await found(sim, "abc", cookie="x")
        two = await found(sim, "def", cookie="y")
        three = await found(sim, "ghi", cookie="x", ring="other")
        await trio.sleep(120)
        seen = ["".join(map(members, nodes)) for nodes in (one, two, three)]
        assert seen == ["abc" * 3, "def" * 3, "ghi" * 3]
        assert set(one[0].discovery.refused) == {"forged", "ring"}
        assert set(two[0].discovery.refused) == {"forged"}
        # Each beacon of another ring is counted once, though it comes twice.
        told = three[0].discovery.refused["ring"]
        assert 300 < told < 3 * 150

    simulate(main, seed=sim_seed)


def test_nodes_between_two_cookies_find_each_other(sim_seed):
    async def main(sim):
        cookies = {"a": ["new", "old"], "b": ["old"], "c": ["old", "new"]}
        nodes = [
            await sim.start(name, discover=True, cookie=both)
            for name, both in cookies.items()
        ]
        await until(lambda: all(members(node) == "abc" for node in nodes))

    simulate(main, seed=sim_seed)


def test_who_encrypts_and_who_does_not_are_told_of_each_other_only(sim_seed):
    async def main(sim):
        hidden = Beacons(encrypt=True)
        nodes = [
            await sim.start(name, discover=discover)
            for name, discover in (("a", hidden), ("b", True), ("c", hidden))
        ]
        await trio.sleep(20)
        assert [members(node) for node in nodes] == ["ac", "b", "ac"]
        assert all(set(node.discovery.refused) == {"form"} for node in nodes)

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("named", [True, False], ids=["named", "address"])
def test_who_has_left_is_not_drawn_into_a_ring_by_who_finds_it_on_a_list(
    sim_seed, named
):
    async def main(sim):
        b = await sim.start("b")
        await b.gossip.leave()
        there = NodeInfo.parse(at("b")) if named else Address("b", 7022)
        c = await sim.start("c", discover=Listed(there))
        await trio.sleep(30)
        assert (b.gossip.name, members(b), members(c)) == ("", "b", "c")
        assert c.discovery.refused["other_ring"]
        await b.gossip.join("ring")
        await until(lambda: members(b) == members(c) == "bc", 70)

    simulate(main, seed=sim_seed)


def test_another_node_at_the_address_of_one_that_has_left_is_found(sim_seed):
    async def main(sim):
        a = await sim.start("a", discover=Listed(Address("b", 7022)))
        await sim.start("b", on_exit="leave")
        await until(lambda: members(a) == "ab")
        await sim.stop("b")
        await until(lambda: members(a) == "a")
        await sim.start("c", host="b")
        await until(lambda: members(a) == "ac", 70)

    simulate(main, seed=sim_seed)


def test_a_source_learns_how_long_it_may_speak_at_the_end(sim_seed):
    left = []

    class Speaking(Listed):
        async def run(self, found, node):
            left.append(node.left())
            try:
                await trio.sleep_forever()
            finally:
                left.append(node.left())
                with trio.move_on_after(node.left(), shield=True):
                    await trio.sleep_forever()

    async def main(sim):
        a = await sim.start("a", discover=Speaking())
        await trio.sleep(1)
        began = sim.now
        await a.shutdown(timeout=2.0)
        assert sim.now - began <= 2.0

    simulate(main, seed=sim_seed)
    assert left == [inf, 2.0 * LEFT_BY / 2]


def test_who_speaks_itself_need_not_wait_for_a_list_of_dead_ones_that_it_is_on(
    sim_seed,
):
    async def main(sim):
        sim.network.host("dark")
        sim.crash_host("dark", silent=True)
        dead = [NodeInfo(f"n{i}", "dark", 1 + i) for i in range(500)]
        listed = Listed(*dead, *(NodeInfo.parse(at(name)) for name in "ab"))
        nodes = [
            await sim.start(name, discover=[listed, Beacons()]) for name in ("a", "b")
        ]
        # Each of the dead takes half a second, eight at once.
        await until(lambda: all(members(node) == "ab" for node in nodes), 3)

    simulate(main, seed=sim_seed)
