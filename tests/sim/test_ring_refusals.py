"""Who is not let in, how that is told, and how long it takes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import trio

from clusterkit.cluster.creation import create_cluster
from clusterkit.errors import (
    CallTimeout,
    ClusterError,
    NameTaken,
    NodeDown,
    WrongCookie,
    WrongNode,
    WrongRing,
)
from clusterkit.testing.sim import PORT, simulate

from .rings import at, form, members, quiet, until


def test_nodes_of_different_rings_never_mix(sim_seed):
    async def main(sim):
        red, blue = await sim.start("a", ring="red"), await sim.start("b", ring="blue")
        with pytest.raises(WrongRing, match="blue"):
            await red.meet(blue.address)
        await red.gossip.insert(blue.address)
        await trio.sleep(10)
        assert members(red) == "ab"
        assert members(blue) == "b"
        assert blue.gossip.name == "blue"
        assert blue.statistics().rejected["ring"] > 0

    simulate(main, seed=sim_seed)


def test_a_seed_of_another_ring_is_never_met(sim_seed):
    async def main(sim):
        red = await sim.start("a", ring="red")
        blue = await sim.start("b", ring="blue", seeds=[red.address])
        await trio.sleep(60)
        assert (members(red), members(blue)) == ("a", "b")

    simulate(main, seed=sim_seed)


def test_a_node_that_left_may_be_met_by_another_ring(sim_seed):
    async def main(sim):
        red, blue = await sim.start("a", ring="red"), await sim.start("b", ring="blue")
        await blue.gossip.leave()
        await red.gossip.insert(blue.address)
        await quiet(sim)
        assert members(blue) == members(red) == "ab"
        assert blue.gossip.name == "red"

    simulate(main, seed=sim_seed)


def test_a_wrong_cookie_is_refused_and_counted(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        b = await sim.start("b", cookie="another")
        with pytest.raises(WrongCookie):
            await b.meet(a.address)
        assert a.statistics().rejected == {"cookie": 1}
        assert (members(a), members(b)) == ("a", "b")

    simulate(main, seed=sim_seed)


def test_an_old_cookie_is_good_while_it_is_rotated(sim_seed):
    async def main(sim):
        a = await sim.start("a", cookie="old")
        b = await sim.start("b", cookie=["new", "old"])
        c = await sim.start("c", cookie=["new", "old"])
        await b.meet(a.address)
        await c.meet(b.address)
        await quiet(sim)
        assert members(a) == members(c) == "abc"

    simulate(main, seed=sim_seed)


def test_another_name_at_the_address_is_refused():
    async def main(sim):
        a, _ = await sim.start("a"), await sim.start("b")
        with pytest.raises(WrongNode, match="b answers"):
            await a.meet("x@b:7022")
        assert members(a) == "a"
        assert a.kernel.links() == ()

    simulate(main)


@pytest.mark.parametrize("timeout", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("absent", ["no host", "refused", "silent"])
def test_a_peer_that_is_not_reached_fails_in_time(sim_seed, timeout, absent):
    async def main(sim):
        a = await sim.start("a")
        if absent != "no host":
            await sim.start("b")
            await sim.crash("b", silent=absent == "silent")
        before = sim.now
        with pytest.raises((NodeDown, CallTimeout)):
            await a.meet(at("b"), timeout=timeout)
        assert sim.now - before <= timeout + 0.001
        assert a.kernel.links() == ()
        await trio.sleep(10)
        assert a.kernel.links() == ()

    simulate(main, seed=sim_seed)


def test_a_peer_that_comes_within_the_timeout_is_met(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.meet, at("b"))
            await trio.sleep(4)
            b = await sim.start("b")
        assert members(a) == "ab"
        await quiet(sim)
        assert members(b) == "ab"

    simulate(main, seed=sim_seed)


def test_a_peer_that_was_down_for_long_is_dialled_at_once(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=True)
        await sim.crash("b")
        await trio.sleep(600)
        await sim.restart("b")
        # The file brings b back by itself; an operator does not wait for that.
        await a.kernel.connect(at("b"))

    simulate(main, seed=sim_seed)


def test_a_meeting_that_never_answers_times_out(sim_seed):
    async def main(sim):
        a, b = await sim.start("a"), await sim.start("b")
        await a.kernel.connect(b.address)
        ring = b._runtime.local("_ring")
        ring.pause()
        before = sim.now
        with pytest.raises(CallTimeout, match="did not answer within 5 s"):
            await a.meet(b.address)
        assert math.isclose(sim.now - before, 5.0)
        ring.resume()
        await quiet(sim)
        assert members(a) == members(b)

    simulate(main, seed=sim_seed)


def test_a_live_name_is_taken(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        other = await sim.start("b", host="b2")
        with pytest.raises(NameTaken, match="another live node is called b, at b:7022"):
            await other.meet(a.address)
        await quiet(sim)
        assert members(other) == "b"
        assert a.kernel.where("b") == b.kernel.address
        assert a.kernel.is_connected("b")

    simulate(main, seed=sim_seed)


def test_the_name_of_the_met_node_itself_is_taken(sim_seed):
    async def main(sim):
        await sim.start("a")
        other = await sim.start("a", host="a2")
        b = await sim.start("b")
        await b.meet(at("a"))
        with pytest.raises(ClusterError):
            await other.meet("a@a:7022")

    simulate(main, seed=sim_seed)


def test_a_name_taken_at_a_seed_ends_the_node(sim_seed):
    async def main(sim):
        await form(sim, "ab")
        before = sim.now
        with pytest.raises(NameTaken, match="another live node is called b, at b:7022"):
            async with create_cluster(
                "b",
                "b2",
                PORT,
                cookie="simulated",
                seeds=[at("a")],
                platform=sim.platform("b2"),
            ):
                await trio.sleep_forever()
        assert sim.now - before < 3

    simulate(main, seed=sim_seed)


def test_a_dead_name_is_free_for_another_address(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab")
        await sim.crash("b", silent=True)
        other = await sim.start("b", host="b2")
        await other.meet(a.address)
        await quiet(sim)
        assert members(a) == members(other) == "ab"
        assert a.kernel.where("b").host == "b2"
        assert other.ring == a.ring

    simulate(main, seed=sim_seed)


def test_a_restarted_process_at_its_address_is_taken_at_once(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=True)
        await sim.crash("b", silent=True)
        b = await sim.restart("b")
        before = sim.now
        await b.ping("a")
        assert sim.now - before < 0.5
        await a.ping("b")

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_a_clock_set_back_does_not_keep_a_node_out(sim_seed, end):
    async def main(sim):
        a, _ = await form(sim, "ab")
        await getattr(sim, end)("b")
        platform = backwards(sim.platform("b"))
        async with create_cluster(
            "b", "b", PORT, cookie="simulated", platform=platform
        ) as b:
            await b.meet(a.address)
            await until(lambda: members(a) == members(b) == "ab")
            assert await a.ping("b") == "pong"
            await b.gossip.update(b.address, 7)
            await until(lambda: a.ring.weight("b") == 7)

    simulate(main, seed=sim_seed)


def backwards(platform):
    """Return a platform whose wall clock is an hour slow."""
    wall = platform.wall_clock
    return replace(platform, wall_clock=lambda: wall() - 3600)
