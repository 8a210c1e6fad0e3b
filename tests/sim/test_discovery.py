"""Nodes of one LAN find each other by beacons, whatever is lost on the way."""

from __future__ import annotations

import logging

import trio

from clusterkit.cluster.discovering import MOST_DIALS
from clusterkit.discovery import Beacons
from clusterkit.events import AddressCheckFailed, Discovered, MemberDown
from clusterkit.names import Address, NodeInfo
from clusterkit.testing.sim import simulate

from .rings import Listed, at, listening, members, until

GOAL = 2.5
"""Seconds within which two nodes are one ring, in 99 of 100 runs."""


async def together(sim, *names, **options):
    """Start nodes that are to find each other; return them and how long it took."""
    began = sim.now
    nodes = [await sim.start(name, discover=True, **options) for name in names]
    started = sim.now
    whole = "".join(sorted(names))
    await until(lambda: all(members(node) == whole for node in nodes))
    return nodes, sim.now - started if len(names) == 2 else sim.now - began


def test_two_nodes_find_each_other_within_the_goal(sim_seed):
    async def main(sim):
        _, seconds = await together(sim, "a", "b")
        assert seconds < GOAL

    simulate(main, seed=sim_seed)


def test_one_datagram_in_ten_may_be_lost(sim_seed):
    took = []

    async def main(sim):
        sim.network.everywhere(delay=0.0002, spread=0.0003, loss=0.1)
        _, seconds = await together(sim, "a", "b")
        took.append(seconds)

    for seed in range(sim_seed * 100, sim_seed * 100 + 20):
        simulate(main, seed=seed)
    # TCP sends again after 0.2 s, 0.6 s and so on: one run of twenty may be late.
    assert sorted(took)[-2] < GOAL, took


def test_many_nodes_that_start_at_once_are_one_ring(sim_seed):
    names = "abcdefghijklmnop"

    async def main(sim):
        nodes, seconds = await together(sim, *names)
        assert seconds < 5
        assert all(node.discovery.refused["flood"] == 0 for node in nodes)

    simulate(main, seed=sim_seed)


def test_a_removed_node_stays_out_until_it_is_met_or_restarted(sim_seed):
    async def main(sim):
        (a, b), _ = await together(sim, "a", "b")
        await a.gossip.remove("b")
        await trio.sleep(60)
        assert (members(a), members(b)) == ("a", "b")
        await sim.restart("b")
        await until(lambda: members(a) == "ab")

    simulate(main, seed=sim_seed)


def test_a_node_that_has_left_is_not_found_until_it_joins_again(sim_seed):
    async def main(sim):
        (a, b), _ = await together(sim, "a", "b")
        await b.gossip.leave()
        await trio.sleep(60)
        assert members(a) == "a"
        await b.gossip.join("ring")
        await until(lambda: members(a) == members(b) == "ab")

    simulate(main, seed=sim_seed)


def test_other_rings_and_other_cookies_are_not_met(sim_seed):
    async def main(sim):
        a = await sim.start("a", discover=True)
        b = await sim.start("b", discover=True, ring="other")
        c = await sim.start("c", discover=True, cookie="another")
        await trio.sleep(20)
        assert [members(node) for node in (a, b, c)] == ["a", "b", "c"]
        assert a.discovery.refused["ring"]
        assert a.discovery.refused["forged"]
        assert not a.discovery.refused["source_failed"]
        assert not a.discovery.found()

    simulate(main, seed=sim_seed)


def test_a_source_may_say_what_it_likes(sim_seed, caplog):
    class Talking(Listed):
        async def run(self, found, node):
            node.say("odd", source="mine", level=3, logger=4, error="x" * 100_000)
            await trio.sleep_forever()

    async def main(sim):
        a = await sim.start("a", discover=Talking())
        await trio.sleep(1)
        assert not a.discovery.refused

    with caplog.at_level(logging.WARNING):
        simulate(main, seed=sim_seed)
    assert "odd source=mine level=3 logger=4 error=xxx" in caplog.text
    assert len(caplog.text) < 10_000


def test_a_namesake_is_said_and_not_met(sim_seed, caplog):
    async def main(sim):
        a = await sim.start("a", discover=True)
        await sim.start("a", host="other", discover=True)
        await trio.sleep(20)
        assert a.discovery.refused["name_taken"]

    with caplog.at_level(logging.WARNING):
        simulate(main, seed=sim_seed)
    said = [r for r in caplog.records if r.getMessage().startswith("name_taken")]
    assert len(said) == 2  # one line a minute, of each of the two


def test_clocks_hours_apart_are_said_once_with_the_difference(sim_seed, caplog):
    async def main(sim):
        wall = sim.wall
        a = await sim.start("a", discover=True)
        sim.wall = lambda: wall() + 7200
        await sim.start("b", discover=True)
        await trio.sleep(30)
        assert members(a) == "a"
        assert a.discovery.refused["clock"] > 20

    with caplog.at_level(logging.WARNING):
        simulate(main, seed=sim_seed)
    said = [r.getMessage() for r in caplog.records if "beacon_clock" in r.getMessage()]
    assert len(said) == 2
    assert "+7200 s" in said[0] + said[1]
    assert "NTP" in said[0]


def test_a_healed_lan_is_one_ring_again(sim_seed):
    async def main(sim):
        sim.partition({"a"}, {"b"})
        a = await sim.start("a", discover=True)
        b = await sim.start("b", discover=True)
        await trio.sleep(30)
        assert not a.discovery.found()
        sim.heal()
        await until(lambda: members(a) == members(b) == "ab", GOAL)

    simulate(main, seed=sim_seed)


def test_an_address_without_a_name_is_met_and_the_own_one_is_not(sim_seed):
    async def main(sim):
        await sim.start("a")
        source = Listed(Address("a", 7022), Address("b", 7022))
        b = await sim.start("b", discover=source)
        async with listening(b, Discovered) as heard:
            await until(lambda: members(b) == "ab")
            await trio.sleep(5)
        assert heard in ([], [Discovered("a:7022", "listed")])
        assert [(f.address, f.state) for f in b.discovery.found()] == [
            ("a@a:7022", "member")
        ]

    simulate(main, seed=sim_seed)


def test_ten_thousand_dead_hosts_are_dialled_a_few_at_a_time(sim_seed):
    async def main(sim):
        most = 0
        sim.network.host("dark")
        sim.crash_host("dark", silent=True)
        dead = [NodeInfo(f"n{i}", "dark", 1 + i) for i in range(10_100)]
        await sim.start("a")
        b = await sim.start(
            "b", discover=[Listed(*dead), Listed(NodeInfo.parse(at("a")))]
        )
        for _ in range(100):
            await trio.sleep(0.05)
            most = max(most, b.discovery._dials)
        assert most == MOST_DIALS
        assert len(b.discovery.found()) <= 10_000
        assert b.discovery.refused["full"] >= 101

    simulate(main, seed=sim_seed)


def test_a_source_that_fails_is_said_and_run_again(sim_seed, caplog):
    class Broken(Listed):
        async def run(self, found, node):
            raise RuntimeError("no source at all")

    async def main(sim):
        a = await sim.start("a", discover=[Broken(), Beacons()])
        await sim.start("b", discover=True)
        await until(lambda: members(a) == "ab")
        await trio.sleep(25)
        assert a.discovery.refused["source_failed"] == 3
        assert a.discovery.sources() == ("listed", "beacons")

    with caplog.at_level(logging.ERROR):
        simulate(main, seed=sim_seed)
    assert "source_failed source=listed" in caplog.text


def test_a_wrong_address_is_said(sim_seed, caplog):
    async def main(sim):
        await sim.start("other")
        events = await sim.start("a", discover=True, advertise="other:7022")
        async with listening(events, AddressCheckFailed) as heard:
            await trio.sleep(10)
        assert heard == [AddressCheckFailed("other:7022", "other answers there")]

    with caplog.at_level(logging.WARNING):
        simulate(main, seed=sim_seed)
    assert "address_check_failed" in caplog.text


def test_loss_of_one_datagram_in_ten_removes_nobody(sim_seed):
    async def main(sim):
        sim.network.everywhere(delay=0.0002, spread=0.0003, loss=0.1)
        (a, b, c), _ = await together(sim, "a", "b", "c")
        async with listening(a, MemberDown) as heard:
            await trio.sleep(120)
        assert heard == []
        assert members(a) == members(b) == members(c) == "abc"

    simulate(main, seed=sim_seed)
