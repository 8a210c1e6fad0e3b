"""Leaving while members are down: whom a leaver asks, and what it still does."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, cast
from clusterkit.events import Left, LinkDown
from clusterkit.testing.sim import simulate

from .rings import at, form, listening, members, quiet

ENDED: list[tuple[str, str]] = []


class Tidy(GenServer):
    async def terminate(self, reason):
        ENDED.append((self.node.name, reason))


class Stuck(GenServer):
    @cast
    async def hang(self):
        await trio.sleep_forever()


@pytest.fixture(autouse=True)
def _nobody_ended():
    ENDED.clear()


async def leave(node):
    """Leave; return how long it took, and who was told."""
    began = trio.current_time()
    async with listening(node, Left) as heard:
        await node.gossip.leave()
        await trio.lowlevel.checkpoint()
    return trio.current_time() - began, heard[-1].told


def test_members_known_to_be_down_cost_a_leaver_no_time(sim_seed):
    async def main(sim):
        a, *_ = await form(sim, "abcdefghij")
        for name in "bcdefghij":
            await sim.crash(name)
        await trio.sleep(5)
        took, told = await leave(a)
        assert told is None
        assert took < 0.1

    simulate(main, seed=sim_seed)


def test_the_one_member_that_lives_is_found_among_the_dead(sim_seed):
    async def main(sim):
        a, b, *_ = await form(sim, "abcdefghij")
        for name in "cdefghij":
            await sim.crash(name, silent=True)  # nobody knows yet
        took, told = await leave(a)
        assert told == "b"
        assert took < 3.5
        assert members(b) == "bcdefghij"

    simulate(main, seed=sim_seed)


def test_members_that_never_ran_are_not_waited_for(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab")
        await a.gossip.minsert([at(f"n{i}") for i in range(40)])
        await quiet(sim)
        took, told = await leave(a)
        assert told == "b"
        assert took < 1.5

    simulate(main, seed=sim_seed)


def test_who_cannot_be_told_is_tried_again_until_it_is_there(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc", disk=True)
        sim.partition({"a"}, {"b", "c"})
        await trio.sleep(5)
        _, told = await leave(a)
        assert told is None
        sim.heal()
        await trio.sleep(20)
        assert members(b) == members(c) == "bc"

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("silent", [False, True])
def test_a_node_that_ends_among_the_dead_still_ends_its_actors(sim_seed, silent):
    async def main(sim):
        await form(sim, "abcdefghijklmno", actors={"x": Tidy})
        for name in "bcdefghijklmno":
            await sim.crash(name, silent=silent)
        if not silent:
            await trio.sleep(5)
        began = sim.now
        await sim.stop("a")
        assert [name for name, _ in ENDED] == ["a"]
        assert sim.now - began < (8 if silent else 1)

    simulate(main, seed=sim_seed)


def test_a_hook_that_never_ends_keeps_no_node_from_ending_its_actors(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"x": Tidy})

        async def hook(old, new):
            await trio.sleep_forever()

        a.gossip.on_process(hook)
        await a.gossip.insert(at("x"))
        async with listening(b, LinkDown) as heard:
            await sim.stop("a")
            await trio.sleep(1)
        assert [name for name, _ in ENDED] == ["a"]
        assert heard == [LinkDown("a", "bye")]

    simulate(main, seed=sim_seed)


def test_an_actor_that_hangs_leaves_time_to_send_what_is_queued(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"s": Stuck}, disk=True)
        await a.cast("s", "hang")
        async with listening(b, LinkDown) as heard:
            await sim.stop("a")
            await trio.sleep(1)
        assert heard == [LinkDown("a", "bye")]

    simulate(main, seed=sim_seed)


def test_a_ring_actor_that_begins_anew_hands_over_what_it_owes_once(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc", disk=True)
        sim.partition({"a"}, {"b", "c"})
        await trio.sleep(5)
        await leave(a)
        for pause in (0, 5, 15):
            await trio.sleep(pause)
            (handover,) = a.gossip._membership.start()
            job = a.gossip._work.submit([handover])
            with trio.fail_after(1):
                await job.done.wait()
        sim.heal()
        await trio.sleep(20)
        assert members(b) == members(c) == "bc"
        assert a.gossip._membership.owed == ()
        assert a.gossip.ignored.get("failed", 0) == 0

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("after", [n / 50 for n in range(6, 24, 2)])
def test_a_node_that_ends_while_it_meets_leaves_the_ring_that_took_it_in(after):
    async def main(sim):
        a = await sim.start("a")
        sim.delay("a", "b", 0.04)
        await sim.start("b", seeds=[a.address], on_exit="leave")
        await trio.sleep(after)
        await sim.stop("b")
        await trio.sleep(5)
        assert members(a) == "a"

    simulate(main)


def test_nodes_that_end_within_a_second_hardly_wait_for_each_other(sim_seed):
    async def main(sim):
        await form(sim, "abc", on_exit="stay", disk=True)
        await trio.sleep(5)

        async def stop(name):
            await trio.sleep(sim.rng.random())
            began = sim.now
            await sim.stop(name)
            assert sim.now - began < 1.5  # of ten, by which what is owed must go

        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(stop, name)

    for seed in range(sim_seed, sim_seed + 10):
        simulate(main, seed=seed)
