"""Members that stay dead are forgotten, or removed; who is cut off finds back."""

from __future__ import annotations

import pytest
import trio

from clusterkit.config import Config
from clusterkit.events import MemberBack, Removed, RingChanged
from clusterkit.testing import simulate

from .rings import form, listening, members, until

DAY = 30.0
"""A short one: to be dead takes some ten seconds."""

FORGETS = Config(forget_after=DAY)
REMOVES = Config(remove_after=DAY)


def traced(sim):
    """Return a list that what happens on the network is appended to."""
    lines, trace = [], sim.network.trace

    def both(line):
        lines.append(line)
        trace(line)

    sim.network.trace = both
    return lines


def all_alive(nodes):
    return lambda: all(
        member.state == "alive" for node in nodes for member in node.members.all()
    )


def test_who_stays_dead_is_dialled_no_more_and_what_it_said_is_gone(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc", config=FORGETS, disk=True)
        b.state.set("key", 1)
        await until(lambda: a.state.value("b", "key") == 1)
        lines = traced(sim)
        await sim.crash("b")
        await trio.sleep(DAY - 1)
        assert lines[-1].endswith("b:7022 refused")
        assert a.state.value("b", "key") == 1
        await trio.sleep(15)
        for node in (a, c):
            assert node.state.peers() == ((node.name, "c") if node is a else ("c", "a"))
            assert node.state.keys("b") == ()
            assert node.members.state("b") == "dead"  # and a member still
        lines.clear()
        await trio.sleep(60)
        assert lines == []
        async with listening(a, MemberBack) as heard:
            b = await sim.restart("b")
            b.state.set("key", 2)
            await until(lambda: a.state.value("b", "key") == 2)
        assert heard == [MemberBack("b")]
        assert set(a.state.peers()) == set("abc")
        await until(all_alive([a, b, c]))

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("groups", ["a bcde", "ab cde", "ab cd", "a b c"])
def test_who_is_cut_off_for_longer_finds_back(sim_seed, groups):
    async def main(sim):
        nodes = await form(sim, groups.replace(" ", ""), config=FORGETS)
        sim.partition(*map(set, groups.split()))
        await trio.sleep(2 * DAY)
        sim.heal()
        await until(all_alive(nodes), 15)
        assert len({members(node) for node in nodes}) == 1

    simulate(main, seed=sim_seed)


def test_the_dead_are_removed_if_asked_for_and_never_by_a_minority(sim_seed):
    async def main(sim):
        c = (await form(sim, "abcde", config=REMOVES))[2]
        async with listening(c, RingChanged) as heard:
            await sim.crash("a")
            await sim.crash("d")
            await until(lambda: members(c) == "bce", 2 * DAY)
        assert [event.cause for event in heard] == ["merge", "merge"]
        await sim.crash("b")
        await until(lambda: members(c) == "ce", 2 * DAY)
        await sim.crash("e")
        await trio.sleep(3 * DAY)
        assert members(c) == "ce"

    simulate(main, seed=sim_seed)


def test_a_minority_that_is_cut_off_removes_nobody(sim_seed):
    async def main(sim):
        nodes = a, b, *rest = await form(sim, "abcde", config=REMOVES)
        async with listening(a, Removed) as at_a:
            sim.partition({"a", "b"}, set("cde"))
            await until(lambda: members(rest[0]) == "cde", 2 * DAY)
            assert members(a) == members(b) == "abcde"
            sim.heal()
            await until(lambda: members(a) == "a" and members(b) == "b", 20)
        assert len(at_a) == 1
        assert {members(node) for node in nodes[2:]} == {"cde"}

    simulate(main, seed=sim_seed)


def test_who_ended_in_good_order_is_not_removed(sim_seed):
    async def main(sim):
        a, *_ = await form(sim, "abc", config=REMOVES, disk=True)
        await sim.stop("b")
        await trio.sleep(3 * DAY)
        assert a.members.state("b") == "left"
        assert members(a) == "abc"

    simulate(main, seed=sim_seed)
