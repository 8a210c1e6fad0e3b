"""Members are alive, suspect, dead or gone: all come to know it, and only if it is so."""

from __future__ import annotations

import pytest
import trio

from clusterkit.config import Config
from clusterkit.core.liveness import MOST_ACCUSERS
from clusterkit.errors import ClusterError, NotInRing
from clusterkit.events import (
    MemberBack,
    MemberDown,
    MemberLeft,
    MemberSuspect,
    MemberUp,
)
from clusterkit.testing.sim import simulate

from .rings import form, links, listening, until

KINDS = (MemberUp, MemberSuspect, MemberDown, MemberLeft, MemberBack)
OVERLAY = Config(full_mesh=5, idle_close=3.0)
BOTH = pytest.mark.parametrize("config", [Config(), OVERLAY], ids=["mesh", "overlay"])


def states(nodes, name):
    return {node.members.state(name) for node in nodes}


def views(nodes):
    return {tuple(sorted((m.id, m.state) for m in n.members.all())) for n in nodes}


def all_alive(nodes):
    return all(
        m.state == "alive" and m.incarnation for n in nodes for m in n.members.all()
    )


async def formed(sim, names="abcdefgh", **options):
    nodes = await form(sim, names, **options)
    await until(lambda: all_alive(nodes), 10)
    return nodes


@BOTH
def test_members_that_run_are_alive_to_all(sim_seed, config):
    async def main(sim):
        a = await sim.start("a", config=config)
        async with listening(a, *KINDS) as heard:
            for name in "bcdefg":
                node = await sim.start(name, config=config)
                await node.meet(a.address)
            nodes = list(sim.nodes.values())
            await sim.converged()
            await until(lambda: all_alive(nodes), 5)
            await trio.sleep(20)
        assert sorted(heard, key=str) == [MemberUp(name) for name in "bcdefg"]
        assert views(nodes) == {tuple((name, "alive") for name in "abcdefg")}
        assert set(a.members.alive()) == set("abcdefg")

    simulate(main, seed=sim_seed)


@BOTH
def test_a_crash_is_known_to_all_and_so_is_the_way_back(sim_seed, config):
    async def main(sim):
        nodes = await formed(sim, config=config, disk=True)
        a, rest = nodes[0], [n for n in nodes if n.name != "c"]
        async with listening(a, *KINDS) as heard:
            await sim.crash("c")
            await until(lambda: states(rest, "c") == {"dead"}, 8)
            await trio.sleep(5)
            assert views(rest) == views(rest[:1])
            c = await sim.restart("c")
            nodes = [*rest, c]
            await until(lambda: all_alive(nodes), 8)
        told = [event for event in heard if event.peer == "c"]
        assert [type(event) for event in told if type(event) is not MemberSuspect] == [
            MemberDown,
            MemberBack,
        ]
        assert {event.peer for event in heard} == {"c"}

    simulate(main, seed=sim_seed)


@BOTH
def test_who_cannot_be_reached_is_dead_and_refutes_it_once_it_can(sim_seed, config):
    async def main(sim):
        nodes = await formed(sim, config=config)
        h, rest = nodes[-1], nodes[:-1]
        sim.partition(set("abcdefg"), {"h"})
        await until(lambda: states(rest, "h") == {"dead"}, 10)
        await until(lambda: set(h.members.alive()) == {"h"}, 120)
        sim.heal()
        await until(lambda: all_alive(nodes), 10)
        assert {h.members.all()[-1].incarnation} == {h.incarnation}

    simulate(main, seed=sim_seed)


@BOTH
def test_a_split_heals(sim_seed, config):
    async def main(sim):
        nodes = await formed(sim, config=config)
        sim.partition(set("abcd"), set("efgh"))
        await until(lambda: states(nodes[:4], "f") == {"dead"}, 12)
        await until(lambda: states(nodes[4:], "b") == {"dead"}, 12)
        await trio.sleep(60)
        sim.heal()
        await until(lambda: all_alive(nodes), 10)

    simulate(main, seed=sim_seed)


@BOTH
def test_bad_networks_kill_nobody(sim_seed, config):
    async def main(sim):
        nodes = await formed(sim, config=config)
        sim.network.everywhere(delay=0.001, spread=0.005, loss=0.1)
        async with listening(nodes[0], MemberDown) as heard:
            await trio.sleep(60)
        assert heard == []

    simulate(main, seed=sim_seed)


def test_one_broken_link_makes_nobody_suspect(sim_seed):
    """Others reach both of them."""

    async def main(sim):
        nodes = await formed(sim, "abcd")
        async with listening(nodes[2], *KINDS) as heard:
            sim.network.wall("a", "b")
            await trio.sleep(30)
        assert heard == []
        assert all_alive(nodes)

    simulate(main, seed=sim_seed)


def test_two_alone_suspect_each_other_without_asking(sim_seed):
    async def main(sim):
        a, _b = await formed(sim, "ab")
        await sim.crash("b")
        await until(lambda: a.members.state("b") == "dead", 8)

    simulate(main, seed=sim_seed)


def test_a_member_that_never_ran_is_dead_in_the_end(sim_seed):
    async def main(sim):
        a, b = await formed(sim, "ab")
        async with listening(a, *KINDS) as heard:
            await b.gossip.insert("ghost@ghost:7022")
            await until(lambda: len(a.members.all()) == 3)
            await until(lambda: states([a, b], "ghost") == {"dead"}, 10)
        assert MemberUp("ghost") not in heard
        assert all(m.phi is None or m.phi < 1e6 for m in a.members.all())

    simulate(main, seed=sim_seed)


def test_who_is_removed_has_left(sim_seed):
    async def main(sim):
        a, b, _c = await formed(sim, "abc")
        async with listening(a, *KINDS) as heard:
            await b.gossip.remove("c")
            await until(lambda: len(a.members.all()) == 2)
            await trio.sleep(10)
        assert heard == [MemberLeft("c")]
        with pytest.raises(NotInRing):
            a.members.state("c")

    simulate(main, seed=sim_seed)


@BOTH
def test_who_ends_in_good_order_has_left_and_comes_back(sim_seed, config):
    async def main(sim):
        nodes = await formed(sim, config=config, disk=True)
        c, rest = nodes[2], [n for n in nodes if n.name != "c"]
        async with listening(nodes[0], *KINDS) as heard:
            await c.shutdown()
            await until(lambda: states(rest, "c") == {"left"}, 2)
            await trio.sleep(10)
            assert states(rest, "c") == {"left"}
            await sim.crash("c")
            c = await sim.restart("c")
            await until(lambda: all_alive([*rest, c]), 8)
        assert heard == [MemberLeft("c"), MemberBack("c")]

    simulate(main, seed=sim_seed)


def test_why_says_who_saw_what(sim_seed):
    async def main(sim):
        nodes = await formed(sim, "abcd")
        await sim.crash("d")
        rest = nodes[:3]
        await until(lambda: states(rest, "d") == {"dead"}, 8)
        rows = await rest[0].members.why("d")
        assert "a" in rows
        seen = [row for node in rows.values() for row in node]
        silent = [row for row in seen if row["what"] == "silent"]
        assert all(row["silence"] > 1 and row["through"] for row in silent)
        assert silent
        assert rows["a"][-1]["what"] == "dead"
        assert rows["a"][-1]["suspected_by"]
        assert {n for n in rows if n != "a"} <= set(rows["a"][-1]["suspected_by"])
        with pytest.raises(NotInRing):
            await rest[0].members.why("nobody")

    simulate(main, seed=sim_seed)


def test_a_liar_convinces_nobody_for_long(sim_seed):
    """Only who is spoken of has the number that ends it."""

    async def main(sim):
        nodes = a, _b, c, d = await formed(sim, "abcd")
        lie = {"c": [c.incarnation, 5, 2, ["d"]]}
        await d.call("_members@a", "tell", lie)
        assert a.members.state("c") == "dead"
        await until(lambda: all_alive(nodes), 3)
        lie = {"c": [c.incarnation + 9, 0, 3, []]}
        await d.call("_members@b", "tell", lie)
        await until(lambda: all_alive(nodes), 3)

    simulate(main, seed=sim_seed)


def test_a_member_says_which_books_are_not_as_its_own(sim_seed):
    async def main(sim):
        _a, b = await formed(sim, "ab")
        ring, keys, claims = (book.hash for book in b.members._comparing._books)
        for hashes, differing in [
            ([ring, keys, claims], []),
            ([ring, keys, claims ^ 1], [2]),
            ([ring ^ 1, keys ^ 1, claims], [0, 1]),
        ]:
            assert await b.call("_members@a", "differing", hashes) == differing

    simulate(main, seed=sim_seed)


def test_nonsense_is_refused_and_counted(sim_seed):
    async def main(sim):
        a, b = await formed(sim, "ab")
        for event, args in [
            ("tell", [{"a": [1]}]),
            ("tell", [{"a": [1, 0, 4, []]}]),
            ("exchange", [[64], {}]),
            ("exchange", [[], []]),
            ("differing", [1]),
            ("differing", [[1]]),
            ("differing", [[1, 2, "3"]]),
        ]:
            with pytest.raises(ClusterError):
                await b.call("_members@a", event, *args)
        assert a.members.ignored["invalid"] == 7
        stranger = await sim.start("s")
        await stranger.kernel.connect(a.address)
        with pytest.raises(ClusterError, match="only members"):
            await stranger.call("_members@a", "tell", {})
        with pytest.raises(ClusterError, match="only members"):
            await stranger.call("_members@a", "differing", [1, 2, 3])
        assert a.members.ignored["foreign"] == 2

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("form", ["normal", "exponential"])
def test_phi_may_decide(sim_seed, form):
    async def main(sim):
        config = Config(detector="phi", phi_form=form)
        nodes = await formed(sim, "abcd", config=config)
        await trio.sleep(30)
        assert all_alive(nodes)
        assert all(0 <= m.phi < 3 for m in nodes[0].members.all() if m.id != "a")
        await sim.crash("d")
        rest = nodes[:3]
        at = sim.now
        await until(lambda: states(rest, "d") == {"dead"}, 40)
        assert sim.now - at > (5 if form == "normal" else 10)

    simulate(main, seed=sim_seed)


def test_a_slow_link_costs_at_most_one_other_for_each_end(sim_seed):
    """Who is near is asked first, and nobody else once one has reached the member."""

    async def main(sim):
        nodes = await formed(sim, "abcdefghijkl", config=OVERLAY)
        await trio.sleep(20)
        a = nodes[0]
        b = next(s.peer for s in a.kernel.links() if s.state == "up")

        def pairs():
            return {frozenset((n.name, peer)) for n in nodes for peer in links(n)}

        before = pairs()
        sim.network.wall("a", b)
        await trio.sleep(2.5)
        assert len(pairs() - before) <= 2
        assert all_alive(nodes)

    simulate(main, seed=sim_seed)


def test_each_that_finds_a_suspect_silent_too_shortens_its_time(sim_seed):
    async def main(sim):
        nodes = await formed(sim, "abcdefgh")
        await trio.sleep(5)
        async with listening(nodes[0], MemberSuspect, MemberDown) as heard:
            await sim.crash("h", silent=True)
            await until(lambda: states(nodes[:7], "h") >= {"suspect"}, 5)
            began = sim.now
            await until(lambda: states(nodes[:7], "h") == {"dead"}, 5)
            assert sim.now - began < 2.6
        assert len(heard[-1].by) == MOST_ACCUSERS

    simulate(main, seed=sim_seed)
