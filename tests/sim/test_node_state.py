"""What nodes say of themselves reaches every member, whatever happens between."""

from __future__ import annotations

import pytest
import trio

from clusterkit.cluster.own_names import STATE
from clusterkit.config import Config
from clusterkit.errors import ClusterError, MessageTooLarge
from clusterkit.events import StateDeleted, StateUpdated
from clusterkit.testing.sim import simulate

from .rings import form, listening, members, until

SMALL_MESH = Config(full_mesh=5, idle_close=3.0)
"""Of a ring in which a few nodes are too many for each to know all."""


def all_have(nodes, peer, key, value):
    return lambda: all(node.state.value(peer, key) == value for node in nodes)


def books(nodes):
    """Return what each knows of all, with what it is compared by."""
    return {
        (
            node.state._book.known.hashes.hash,
            str(
                {
                    p: {k: node.state.value(p, k) for k in node.state.keys(p)}
                    for p in sorted(node.state.peers())
                }
            ),
        )
        for node in nodes
    }


def test_every_member_sees_what_one_sets_and_deletes(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abc")
        a, b, c = nodes
        async with listening(c, StateUpdated, StateDeleted) as heard:
            b.state.set("your", "node")
            assert b.state.get("your") == "node"
            await until(all_have(nodes, "b", "your", "node"), 0.2)
            b.state.set("your", ["other", 1])
            await until(all_have(nodes, "b", "your", ["other", 1]), 0.2)
            assert b.state.delete("your")
            assert not b.state.delete("your")
            await until(all_have(nodes, "b", "your", None), 0.2)
        assert heard == [
            StateUpdated("b", "your", "node"),
            StateUpdated("b", "your", ["other", 1]),
            StateDeleted("b", "your"),
        ]
        assert set(a.state.peers()) == set("abc")
        assert a.state.keys("b") == ()
        assert a.state.keys("nobody") == ()
        assert a.state.value("nobody", "key", 7) == 7

    simulate(main, seed=sim_seed)


def test_what_is_set_before_the_ring_is_there_is_told_too(sim_seed):
    async def main(sim):
        a, b = await sim.start("a"), await sim.start("b")
        a.state.set("k", 1)
        b.state.set("k", 2)
        assert a.state.peers() == ("a",)
        await b.meet(a.address)
        await until(lambda: a.state.value("b", "k") == 2, 1.5)
        await until(lambda: b.state.value("a", "k") == 1, 1.5)

    simulate(main, seed=sim_seed)


def test_setting_what_is_there_says_nothing(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        a.state.set("k", {"x": 1})
        await until(lambda: b.state.value("a", "k") == {"x": 1}, 1)
        async with listening(b, StateUpdated) as heard:
            a.state.set("k", {"x": 1})
            await trio.sleep(3)
        assert heard == []

    simulate(main, seed=sim_seed)


def test_what_is_read_is_a_copy(sim_seed):
    async def main(sim):
        a, _b = await form(sim, "ab")
        value = [1]
        a.state.set("k", value)
        value.append(2)
        a.state.get("k").append(3)
        assert a.state.get("k") == [1]

    simulate(main, seed=sim_seed)


def test_a_key_ends_when_its_time_is_up(sim_seed):
    async def main(sim):
        nodes = a, _b = await form(sim, "ab")
        a.state.set("k", 1, ttl=5)
        await until(all_have(nodes, "a", "k", 1), 1)
        await trio.sleep(3)
        a.state.set("k", 1, ttl=5)
        await trio.sleep(3.5)
        assert all_have(nodes, "a", "k", 1)()
        await trio.sleep(3)
        assert all_have(nodes, "a", "k", None)()
        a.state.set("k", 2, ttl=1)
        a.state.set("k", 3)
        await trio.sleep(3)
        assert all_have(nodes, "a", "k", 3)()

    simulate(main, seed=sim_seed)


def test_a_restart_loses_no_fresh_write_and_brings_no_old_one_back(sim_seed):
    """node-gossip's peers ignore a restarted node until it has written as much again."""

    async def main(sim):
        nodes = await form(sim, "abc")
        a, b, c = nodes
        for n in range(50):
            b.state.set("old", n)
        b.state.set("both", "old")
        await until(all_have(nodes, "b", "both", "old"), 2)
        async with listening(c, StateUpdated, StateDeleted) as heard:
            await sim.crash("b")
            b = await sim.restart("b")
            b.state.set("both", "new")
            await b.meet(a.address)
            nodes = [a, b, c]
            await until(all_have(nodes, "b", "both", "new"), 5)
            await until(all_have(nodes, "b", "old", None), 5)
            await trio.sleep(3)
        assert [e for e in heard if e.key == "old"] == [StateDeleted("b", "old")]
        assert b.state.keys("b") == ("both",)

    simulate(main, seed=sim_seed)


def test_a_removed_member_is_forgotten(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        b.state.set("k", 1)
        a.state.set("k", 2)
        await until(all_have(nodes, "b", "k", 1), 1)
        async with listening(c, StateDeleted) as heard:
            await a.gossip.remove("b")
            await until(lambda: members(c) == "ac" and members(b) == "b")
            await until(lambda: c.state.keys("b") == (), 2)
            await trio.sleep(3)
        assert heard == [StateDeleted("b", "k")]
        assert set(a.state.peers()) == set("ac")
        assert b.state.peers() == ("b",)
        assert b.state.keys("a") == ()
        assert b.state.get("k") == 1

    simulate(main, seed=sim_seed)


def test_what_a_partition_kept_apart_comes_together(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abcd")
        sim.partition({"a", "b"}, {"c", "d"})
        for node in nodes:
            for n in range(20):
                node.state.set(f"k{n}", node.name)
        nodes[0].state.delete("k3")
        await trio.sleep(10)
        assert nodes[0].state.keys("c") == ()
        sim.heal()
        await until(lambda: len(books(nodes)) == 1, 10)
        assert len(nodes[2].state.keys("a")) == 19

    simulate(main, seed=sim_seed)


def test_who_slept_longer_than_deletions_are_remembered_is_told_anew(sim_seed):
    async def main(sim):
        config = Config(state_tombstone_ttl=20.0)
        nodes = a, _b, c = await form(sim, "abc", config=config)
        for n in range(10):
            a.state.set(f"k{n}", n)
        await until(all_have(nodes, "a", "k9", 9), 2)
        sim.partition({"a", "b"}, {"c"})
        for n in range(5):
            a.state.delete(f"k{n}")
        await trio.sleep(60)
        assert a.state._book.known.own.floor > 0
        sim.heal()
        await until(lambda: len(books(nodes)) == 1, 10)
        assert c.state.keys("a") == tuple(f"k{n}" for n in range(5, 10))

    simulate(main, seed=sim_seed)


def test_large_states_go_over_in_many_messages(sim_seed):
    async def main(sim):
        nodes = a, b = await form(sim, "ab")
        sim.partition({"a"}, {"b"})
        for n in range(200):
            a.state.set(f"k{n}", bytes(1_000))
        sim.heal()
        await until(lambda: len(b.state.keys("a")) == 200, 10)
        await until(lambda: len(books(nodes)) == 1, 5)

    simulate(main, seed=sim_seed)


def test_news_goes_through_a_ring_in_which_nobody_knows_all(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abcdefghijkl", config=SMALL_MESH)
        await trio.sleep(6)
        for node in nodes:
            node.state.set("k", node.name)
        await until(lambda: len(books(nodes)) == 1, 5)
        nodes[3].state.set("k", "news")
        await until(all_have(nodes, "d", "k", "news"), 2)

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("small", [True, False], ids=["overlay", "mesh"])
def test_books_agree_in_the_end_on_a_bad_network(sim_seed, small):
    """Nodes write, delete and crash while segments tarry and links are cut."""

    async def main(sim):
        config = SMALL_MESH if small else Config()
        names = "abcdefgh"
        await form(sim, names, config=config, disk=True)
        sim.network.everywhere(delay=0.002, spread=0.01, loss=0.1)
        for n in range(200):
            name = sim.rng.choice(names)
            node = sim.nodes.get(name)
            what = sim.rng.random()
            if node is None:
                await sim.restart(name)
            elif what < 0.02:
                await sim.crash(name)
            elif what < 0.05:
                sim.cut(name, sim.rng.choice([n for n in names if n != name]))
            elif what < 0.3:
                node.state.delete(f"k{sim.rng.randrange(5)}")
            else:
                node.state.set(f"k{sim.rng.randrange(5)}", n)
            await trio.sleep(sim.rng.random() * 0.2)
        for name in names:
            if name not in sim.nodes:
                await sim.restart(name)
        nodes = list(sim.nodes.values())
        await sim.converged()
        await until(lambda: len(books(nodes)) == 1, 15)
        for node in nodes:
            assert node.state.ignored["invalid"] == 0
            for peer in nodes:
                own = {k: peer.state.get(k) for k in peer.state.keys(peer.name)}
                seen = node.state.keys(peer.name)
                assert {k: node.state.value(peer.name, k) for k in seen} == own

    simulate(main, seed=sim_seed)


def test_an_idle_cluster_is_quiet(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abcdef")
        for node in nodes:
            node.state.set("k", node.name)
        await until(lambda: len(books(nodes)) == 1, 5)
        before = sim.network.statistics()
        await trio.sleep(20)
        after = sim.network.statistics()
        assert (after.bytes - before.bytes) / 20 / len(nodes) < 1_000
        # A poll is one segment, its answer and an Ack of that; the rest is Pings.
        assert (after.segments - before.segments) / 20 / len(nodes) < 9

    simulate(main, seed=sim_seed)


def test_who_is_no_member_is_not_heard(sim_seed):
    async def main(sim):
        a, _b = await form(sim, "ab")
        stranger = await sim.start("s", ring="ring")
        await stranger.kernel.connect(a.address)
        for event, args in [("compare", [0]), ("digest", [[0]]), ("tell", [[]])]:
            with pytest.raises(ClusterError, match="only members"):
                await stranger.call(f"{STATE}@a", event, *args)
        assert a.state.ignored["foreign"] == 3
        assert set(a.state.peers()) == set("ab")

    simulate(main, seed=sim_seed)


def test_nonsense_of_a_member_is_refused_and_counted(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        for event, args in [
            ("digest", [[99]]),
            ("tell", [[["b", 1, 0, 0, 0]]]),
            ("exchange", [[["b", 1, 0, 1, 0, [["k", 1, 5]]]], {}]),
            ("exchange", [[], {"b": [1]}]),
        ]:
            with pytest.raises(ClusterError):
                await b.call(f"{STATE}@a", event, *args)
        assert a.state.ignored["invalid"] == 4
        b.state.set("k", 1)
        await until(lambda: a.state.value("b", "k") == 1, 1)

    simulate(main, seed=sim_seed)


def test_a_liar_is_outgrown_by_who_is_lied_about(sim_seed):
    """Only the owner speaks for its keys, whatever a peer says it said."""

    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        c.state.set("k", "true")
        await until(all_have(nodes, "c", "k", "true"), 1)
        lie = ["c", c.incarnation, 0, 10_000, 0, [["k", 9_999, b"\xa3lie"]]]
        await b.call(f"{STATE}@a", "tell", [lie])
        assert a.state.value("c", "k") == "lie"
        await until(all_have(nodes, "c", "k", "true"), 5)
        c.state.set("k", "later")
        await until(all_have(nodes, "c", "k", "later"), 5)
        await until(lambda: len(books(nodes)) == 1, 5)

    simulate(main, seed=sim_seed)


def test_writers_have_bounds(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(MessageTooLarge, match="32768"):
            a.state.set("k", bytes(33_000))
        for n in range(8):
            a.state.set(f"k{n}", bytes(32_000))
        with pytest.raises(MessageTooLarge, match="261120"):
            a.state.set("k8", bytes(32_000))
        for n in range(8):
            a.state.delete(f"k{n}")
        for n in range(500):
            a.state.set(f"k{n}", n)
        with pytest.raises(MessageTooLarge, match="500 keys"):
            a.state.set("one more", 1)
        a.state.set("k0", "instead")

    simulate(main, seed=sim_seed)


def test_who_has_met_knows_what_the_other_says_at_once(sim_seed):
    async def main(sim):
        a, b = [await sim.start(name) for name in "ab"]
        a.state.set("k", 1)
        b.state.set("k", 2)
        await b.meet(a.address)
        await until(lambda: b.state.value("a", "k") == 1, 0.2)
        await until(lambda: a.state.value("b", "k") == 2, 0.2)
        await until(lambda: all(m.incarnation for m in a.members.all()), 0.1)

    simulate(main, seed=sim_seed)
