"""A ring whose state is longer than what a peer accepts in one message."""

from __future__ import annotations

import logging

import pytest
import trio

from clusterkit import Config
from clusterkit.core import ring_effects as effects
from clusterkit.events import ActorRestarted
from clusterkit.testing.sim import simulate

from .rings import at, form, listening, members, quiet, until

SMALL = Config(max_message=4096, full_mesh=1000)
"""Most of the members do not run: links to all of them find those that do."""


def many(n):
    return [f"node{i}@host{i}:7022" for i in range(n)]


def sizes(*nodes):
    return [node.ring.number_nodes() for node in nodes]


def test_an_insert_of_many_reaches_every_member(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc", config=SMALL)
        await a.gossip.minsert(many(120))
        await quiet(sim)
        assert a.ring == b.ring == c.ring
        assert sizes(a) == [123]

    simulate(main, seed=sim_seed)


def test_only_the_peers_limit_is_small(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        b = await sim.start("b", config=SMALL, seeds=[a.address])
        await sim.converged()
        await a.gossip.minsert(many(120))
        await quiet(sim)
        assert a.ring == b.ring
        assert sizes(b) == [122]

    simulate(main, seed=sim_seed)


def test_a_long_ring_is_met_joined_inserted_into_and_left(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", config=SMALL)
        c, d = await sim.start("c", config=SMALL), await sim.start("d", config=SMALL)
        await a.gossip.minsert(many(90))
        await c.gossip.minsert([f"x{i}@x{i}:7022" for i in range(90)])
        await c.meet(a.address)  # two long rings unite
        await b.gossip.insert(d.address)  # one is moved into a long ring
        await until(lambda: sizes(a, b, c, d) == [184] * 4)
        sim.partition({"a", "b"}, {"c", "d"})
        await a.gossip.remove("d")
        await d.gossip.insert("late@late:7022")
        sim.heal()  # who was removed hands over what it knew, a long state
        await until(lambda: sizes(a, b, c, d) == [184, 184, 184, 1])

    simulate(main, seed=sim_seed)


def test_a_connection_that_breaks_between_parts_loses_nothing_for_good(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", config=SMALL)
        sim.delay("a", "b", 0.05)
        for i in range(6):
            await a.gossip.minsert([f"n{i}x{k}@h:1" for k in range(30)])
            await trio.sleep(0.07)
            sim.cut("a", "b")
        await quiet(sim)
        assert sizes(a, b) == [182, 182]

    simulate(main, seed=sim_seed)


def test_an_effect_that_fails_is_logged_and_counted_and_the_node_lives(caplog):
    async def main(sim):
        a, b = await form(sim, "ab")
        bad = effects.Send("b", (object(),))
        worse = effects.Send("b", None)  # type: ignore[arg-type]
        a.gossip._work.submit([bad, worse])
        await a.gossip.insert(at("x"))
        await quiet(sim)
        assert members(b) == "abx"
        assert a.gossip.ignored["unsent"] == a.gossip.ignored["failed"] == 1

    with caplog.at_level(logging.ERROR):
        simulate(main)
    assert "gossip_not_sent peer=b" in caplog.text
    assert "ring_effect_failed" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    "args",
    [
        [1, 1, 2, b"x"],  # no beginning
        [1, 0, 1, b"\xc1"],
        [1, 0, 1, b"\x90"],
        [1, 0, 1, "text"],
        [1, None, 1, b""],
        [[], {}, None, None],
        [1, 0, 1, b"\x95\x02\xa5_ring\xa6gossip\x91\x01\xc0"],
    ],
    ids=repr,
)
def test_parts_that_make_no_gossip_are_counted(args):
    async def main(sim):
        a, b = await form(sim, "ab")
        await b.cast("_ring@a", "part", *args)
        await quiet(sim)
        assert a.gossip.ignored == {"invalid": 1}
        assert members(a) == "ab"

    simulate(main)


@pytest.mark.parametrize("ring", [[], {}, None, 5, "another"], ids=repr)
def test_gossip_of_what_is_no_ring_of_ours_is_counted(ring):
    async def main(sim):
        a, b = await form(sim, "ab")
        async with listening(a, ActorRestarted) as heard:
            await b.cast("_ring@a", "gossip", ring, ["digest"])
            await quiet(sim)
        assert a.gossip.ignored == {"foreign": 1}
        assert heard == []

    simulate(main)
