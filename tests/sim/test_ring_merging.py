"""What becomes of changes that meet: concurrent ones, remote ones, none at all."""

from __future__ import annotations

import itertools

import pytest
import trio

from clusterkit.config import Config
from clusterkit.events import EventsLost, RingChanged, RingConflict, RingEntry
from clusterkit.names import NodeInfo
from clusterkit.testing.sim import PORT, simulate

from .rings import at, form, heard_of, listening, members, quiet, until


def test_concurrent_inserts_both_stand(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.gossip.insert, at("x"))
            nursery.start_soon(b.gossip.insert, at("y"))
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abcxy"] * 3

    simulate(main, seed=sim_seed)


def test_inserts_on_both_sides_of_a_partition_all_stand(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abcd")
        sim.partition({"a", "b"}, {"c", "d"})
        for node, name in zip(nodes, "wxyz", strict=True):
            await node.gossip.insert(at(name))
            await trio.sleep(sim.rng.random() * 5)
        sim.heal()
        await quiet(sim)
        assert {members(node) for node in nodes} == {"abcdwxyz"}
        assert len({node.ring for node in nodes}) == 1

    simulate(main, seed=sim_seed)


def test_a_remove_wins_over_a_concurrent_update(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        await a.gossip.insert(at("x"))
        await quiet(sim)
        sim.partition({"a"}, {"b"}, {"c"})
        await a.gossip.remove("x")
        for weight in (3, 4, 5):
            await b.gossip.update(at("x"), weight)
        sim.heal()
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3

    simulate(main, seed=sim_seed)


def test_concurrent_updates_of_one_node_end_alike_and_are_reported(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        await a.gossip.insert(at("x"))
        await quiet(sim)
        async with (
            listening(a, RingConflict) as here,
            listening(b, RingConflict) as there,
        ):
            sim.partition({"a"}, {"b"})
            await a.gossip.update(at("x"), 3)
            await b.gossip.update(at("x"), 4)
            sim.heal()
            await quiet(sim)
        assert a.ring.weight("x") == b.ring.weight("x")
        x = NodeInfo("x", "x", PORT)
        mine, other = RingEntry(x, 3), RingEntry(x, 4)
        assert here == [RingConflict("b", mine, other, "x")]
        assert there == [RingConflict("a", other, mine, "x")]

    simulate(main, seed=sim_seed)


def test_a_conflict_over_a_removed_member_shows_no_node(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        await a.gossip.insert(at("x"))
        await quiet(sim)
        async with listening(a, RingConflict) as here:
            sim.partition({"a"}, {"b"})
            await a.gossip.remove("x")
            await b.gossip.remove("x")
            sim.heal()
            await quiet(sim)
        gone = RingEntry(None, 128)
        assert here == [RingConflict("b", gone, gone, "x")]

    simulate(main, seed=sim_seed)


def test_an_insert_and_a_remove_of_one_name_end_alike(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        await a.gossip.insert(at("x"))
        await quiet(sim)
        sim.partition({"a"}, {"b"}, {"c"})
        await a.gossip.remove("x")
        await b.gossip.remove("x")
        await b.gossip.insert(at("x"))
        sim.heal()
        await quiet(sim)
        # The insert was b's later word, at a higher logical time than a's remove.
        assert [members(n) for n in (a, b, c)] == ["abcx"] * 3

    simulate(main, seed=sim_seed)


def test_a_member_that_was_away_brings_no_removed_node_back(sim_seed):
    async def main(sim):
        a, b, _ = await form(sim, "abc", disk=True)
        await a.gossip.insert(at("x"))
        await quiet(sim)
        await sim.crash("c")
        await a.gossip.remove("x")
        await trio.sleep(5)
        c = await sim.restart("c")
        assert members(c) == "abcx"
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3

    simulate(main, seed=sim_seed)


def test_two_rings_that_insert_one_node_at_once_become_clear_of_it(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        c, d = await form(sim, "cd")
        x = await sim.start("x")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.gossip.insert, x.address)
            nursery.start_soon(c.gossip.insert, x.address)
        await quiet(sim)
        await trio.sleep(10)
        assert members(a) == members(b)
        assert members(c) == members(d)
        assert members(x) in {"abx", "cdx"}
        assert {members(a), members(c)} == {
            members(x),
            {"abx": "cd", "cdx": "ab"}[members(x)],
        }

    simulate(main, seed=sim_seed)


def test_a_ring_that_meets_while_one_leaves_keeps_the_rest(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        d, e = await form(sim, "de")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.meet, d.address)
            nursery.start_soon(c.gossip.leave)
        await quiet(sim)
        assert [members(n) for n in (a, b, d, e)] == ["abde"] * 4
        assert members(c) == "c"

    simulate(main, seed=sim_seed)


def test_remove_then_meet_leads_back(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        await a.gossip.remove("c")
        await until(lambda: members(c) == "c")
        assert await c.meet(b.address)
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3

    simulate(main, seed=sim_seed)


def test_a_weight_alone_is_a_change_everywhere(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        seen = []
        b.gossip.on_process(lambda old, new: seen.append((old, new)))
        async with listening(b, RingChanged) as heard:
            await a.gossip.update(b.address, 5)
            await quiet(sim)
        (event,) = heard
        assert (event.old.weight("b"), event.new.weight("b")) == (128, 5)
        assert event.cause == "merge"
        assert seen == [(event.old, event.new)]

    simulate(main, seed=sim_seed)


def test_what_one_node_forgets_earlier_is_no_conflict(sim_seed):
    async def main(sim):
        config = Config(tombstone_ttl=30.0)
        a, b, c = await form(sim, "abc", config=config)
        await c.gossip.update(c.address, 5)
        await quiet(sim)
        assert a.gossip.clock.has("c")
        async with listening(a) as here, listening(b) as there:
            await a.gossip.remove("c")
            await trio.sleep(90)
        for node, heard in ((a, here), (b, there)):
            assert not node.gossip.clock.has("c")
            assert members(node) == "ab"
            assert len([e for e in heard if isinstance(e, RingChanged)]) == 1
            assert not [e for e in heard if isinstance(e, RingConflict)]

    simulate(main, seed=sim_seed)


def test_a_forgotten_name_may_be_inserted_again(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", config=Config(tombstone_ttl=30.0))
        for _ in range(3):
            assert await a.gossip.insert(at("x"))
            await quiet(sim)
            assert await b.gossip.remove("x")
            await trio.sleep(60)
            assert members(a) == members(b) == "ab"

    simulate(main, seed=sim_seed)


def test_an_idle_cluster_says_nothing_new(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abc")
        await quiet(sim)
        clocks = [node.gossip.clock for node in nodes]
        async with listening(nodes[0]) as heard:
            await trio.sleep(120)
        assert [node.gossip.clock for node in nodes] == clocks
        assert heard == []

    simulate(main, seed=sim_seed)


def test_idle_gossip_does_not_grow_with_the_ring(sim_seed):
    """A digest is what it costs, whatever the ring holds."""

    async def idle_bytes(sim, node, extra):
        await node.gossip.minsert([at(f"x{i}") for i in range(extra)])
        await node.gossip.mremove([f"x{i}" for i in range(extra)])
        await quiet(sim)
        before = sim.network.statistics().bytes
        await trio.sleep(60)
        return sim.network.statistics().bytes - before

    async def main(sim):
        a, _, _ = await form(sim, "abc")
        small = await idle_bytes(sim, a, 0)
        large = await idle_bytes(sim, a, 20)
        assert large < 1.1 * small
        assert small / 60 / 3 < 700  # bytes per second and node

    simulate(main, seed=sim_seed)


def test_mutations_wait_for_a_hook(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        done = []

        @a.gossip.on_process
        async def move_data(old, new):
            await trio.sleep(5)
            done.append(members_of(new))

        await a.gossip.insert(at("x"))
        assert sim.now < 1
        await a.gossip.insert(at("y"))
        assert done == ["ax"]
        await a.gossip.remove("x")
        assert done == ["ax", "axy"]

    simulate(main, seed=sim_seed)


def test_mutations_at_once_are_one_after_the_other(sim_seed):
    async def main(sim):
        a = await sim.start("a", disk=True)
        running = []

        @a.gossip.on_process
        async def move_data(old, new):
            assert len(new.weights()) - len(old.weights()) == 1
            running.append(members(a))
            await trio.sleep(1)
            assert members(a) == running[-1]  # no mutation in between

        async with trio.open_nursery() as nursery:
            for name in "xyz":
                nursery.start_soon(a.gossip.insert, at(name))
        await until(lambda: len(running) == 3)

    simulate(main, seed=sim_seed)


COMMANDS = {
    "insert": lambda ring: ring.insert(at("z"), 3),
    "minsert": lambda ring: ring.minsert([at("y"), at("z")]),
    "update": lambda ring: ring.update(at("x"), 5),
    "remove": lambda ring: ring.remove("x"),
    "mremove": lambda ring: ring.mremove(["w", "x"]),
    "leave": lambda ring: ring.leave(),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_waits_for_a_hook_that_runs(command):
    async def main(sim):
        a = await sim.start("a")
        await a.gossip.minsert([at("w"), at("x")])
        hook_ends = trio.Event()

        @a.gossip.on_process
        async def move_data(old, new):
            await hook_ends.wait()

        await a.gossip.insert(at("v"))
        before = a.gossip.name, a.ring.weights(), a.gossip.clock
        async with trio.open_nursery() as nursery, listening(a, RingChanged) as heard:
            nursery.start_soon(COMMANDS[command], a.gossip)
            await trio.sleep(100)
            assert (a.gossip.name, a.ring.weights(), a.gossip.clock) == before
            assert heard == []
            hook_ends.set()
            await until(lambda: len(heard) == 1)
            assert heard[0].cause == command.removeprefix("m")
        assert (a.gossip.name, a.ring.weights()) != before[:2]

    simulate(main)


def test_a_forced_mutation_does_not_wait_for_a_hook(sim_seed):
    async def main(sim):
        a = await sim.start("a")

        @a.gossip.on_process
        async def move_data(old, new):
            await trio.sleep(100)

        await a.gossip.insert(at("x"))
        with trio.fail_after(1):
            await a.gossip.insert(at("y"), force=True)
            await a.gossip.minsert([at("z")], force=True)
            await a.gossip.update(at("y"), 3, force=True)
            await a.gossip.remove("x", force=True)
            await a.gossip.mremove(["y", "z"], force=True)
            await a.gossip.leave(force=True)
        assert a.gossip.name == ""

    simulate(main, seed=sim_seed)


def test_a_hook_may_change_the_ring_itself(sim_seed):
    async def main(sim):
        a = await sim.start("a")

        @a.gossip.on_process
        async def balance(old, new):
            await trio.sleep(1)
            if "y" not in new:
                await a.gossip.insert(at("y"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.gossip.insert, at("x"))
            await trio.sleep(0.5)
            nursery.start_soon(a.gossip.insert, at("z"))  # waits for the hook
            await until(lambda: members(a) == "axyz")

    simulate(main, seed=sim_seed)


def test_a_hook_that_raises_does_not_stop_the_ring(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        a.gossip.on_process(lambda old, new: 1 / 0)
        await a.gossip.insert(at("x"))
        await a.gossip.insert(at("y"))
        await quiet(sim)
        assert members(a) == members(b) == "abxy"

    simulate(main, seed=sim_seed)


def test_a_slow_subscriber_is_told_how_much_it_missed():
    async def main(sim):
        a = await sim.start("a", config=Config(event_buffer=3))
        async with a.events(RingChanged, EventsLost) as events:
            for weight in range(1, 9):
                await a.gossip.update(at("x"), weight)
            heard = [await anext(events) for _ in range(4)]
        assert heard[0] == EventsLost(5)
        assert [event.new.weight("x") for event in heard[1:]] == [6, 7, 8]

    simulate(main)


def test_select_random_gives_others_only(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abcd")
        for node in nodes:
            assert sorted(node.gossip.select_random(9)) == sorted(
                set("abcd") - {node.name}
            )
            assert len(set(node.gossip.select_random(2))) == 2

    simulate(main, seed=sim_seed)


def test_a_key_has_as_many_owners_as_the_ring_says():
    async def main(sim):
        a, *_ = await form(sim, "abcd", pfactor=1)
        assert len(a.gossip.find("key")) == 2
        assert len(set(a.gossip.find("key", 3))) == 3
        assert len(a.gossip.find("key", 9)) == 4
        assert a.gossip.find("key", 1) == (a.ring.find("key"),)
        with pytest.raises(ValueError, match="at least 1, not 0"):
            a.gossip.find("key", 0)

    simulate(main)


def test_gossip_that_is_none_is_dropped_and_counted(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        junk = [None, 1, [], {}, ["digest"], ["state", [[1], [], {}, 0], ["x"]], "ö"]
        for ring, message in itertools.product(["ring", "", "other", 7, None], junk):
            await b.cast("_ring@a", "gossip", ring, message)
        await quiet(sim)
        assert members(a) == "ab"
        assert a.gossip.ignored["invalid"] == 2 * len(junk)
        assert a.statistics().foreign_gossip == 3 * len(junk)
        assert {s.restarts for s in a.statistics().actors} <= {0}

    simulate(main, seed=sim_seed)


def members_of(ring):
    return "".join(sorted(ring.weights()))


def test_the_cause_of_a_change_is_told(sim_seed):
    async def main(sim):
        a, b = await sim.start("a"), await sim.start("b")
        async with (
            listening(a, RingChanged) as here,
            listening(b, RingChanged) as there,
        ):
            await a.meet(b.address)
            await quiet(sim)
            await b.gossip.leave()
            await quiet(sim)
        assert heard_of(here) == ["join", "merge"]
        assert heard_of(there) == ["join", "leave"]

    simulate(main, seed=sim_seed)
