"""What an operator's commands do to a ring, here and at the other members."""

from __future__ import annotations

import itertools

import pytest
import trio

from clusterkit.errors import (
    AlreadyInRing,
    NotInRing,
    RingError,
)
from clusterkit.events import Left, Removed, RingChanged, Undelivered
from clusterkit.testing.sim import simulate

from .rings import (
    Collector,
    at,
    form,
    heard_of,
    links,
    listening,
    members,
    quiet,
    until,
)


def test_meeting_makes_one_ring_of_two_nodes(sim_seed):
    async def main(sim):
        a, b = await sim.start("a"), await sim.start("b")
        assert await a.meet(b.address)
        assert members(a) == "ab"
        await sim.converged()
        assert a.ring == b.ring
        assert b.ring.find("key") == a.ring.find("key")

    simulate(main, seed=sim_seed)


def test_meeting_is_transitive(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab")
        c, d = await form(sim, "cd")
        await a.meet(c.address)
        await quiet(sim)
        assert members(d) == "abcd"

    simulate(main, seed=sim_seed)


def test_inserting_takes_a_node_out_of_its_ring(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        c, d = await form(sim, "cd")
        await a.gossip.insert(c.address)
        await quiet(sim)
        assert [members(n) for n in (a, b, c, d)] == ["abc", "abc", "abc", "d"]

    simulate(main, seed=sim_seed)


def test_meeting_a_member_again_says_so(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        assert await a.meet(b.address) is False

    simulate(main, seed=sim_seed)


def test_meeting_a_member_at_another_address_is_refused():
    async def main(sim):
        a, _ = await form(sim, "ab")
        with pytest.raises(RingError, match="b@b:7022"):
            await a.meet(at("b", 7099))

    simulate(main)


def test_a_node_does_not_meet_itself():
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(RingError, match="itself"):
            await a.meet(a.address)

    simulate(main)


def test_an_inserted_node_learns_the_ring_it_is_in(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        c = await sim.start("c")
        assert await a.gossip.insert(c.address, 3)
        await quiet(sim)
        assert members(c) == members(b) == "abc"
        assert {n.ring.weight("c") for n in (a, b, c)} == {3}

    simulate(main, seed=sim_seed)


def test_a_node_may_be_inserted_before_it_runs(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab")
        await a.gossip.insert(at("c"))
        await trio.sleep(5)
        c = await sim.start("c")
        await quiet(sim)
        assert members(c) == "abc"

    simulate(main, seed=sim_seed)


def test_inserting_a_member_changes_nothing(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        before = a.gossip.clock
        assert await a.gossip.insert(b.address, 77) is False
        assert a.gossip.clock == before
        assert a.ring.weight("b") == 128

    simulate(main, seed=sim_seed)


def test_inserting_a_member_at_another_address_is_refused():
    async def main(sim):
        a, _ = await form(sim, "ab")
        with pytest.raises(RingError, match=r"7022.*7099"):
            await a.gossip.insert(at("b", 7099))

    simulate(main)


def test_minsert_takes_the_absent_ones_of_several(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        c, d = await sim.start("c"), await sim.start("d")
        ticks = a.gossip.clock.get_count("a")
        assert await a.gossip.minsert([n.address for n in (a, b, c, d)], 5)
        assert a.gossip.clock.get_count("a") == ticks + 1
        await quiet(sim)
        assert members(d) == "abcd"
        assert b.ring.weights() == {"a": 128, "b": 128, "c": 5, "d": 5}

    simulate(main, seed=sim_seed)


def test_updating_an_absent_node_inserts_it(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        assert await b.gossip.update(at("c"), 4)
        await quiet(sim)
        assert a.ring.weight("c") == 4

    simulate(main, seed=sim_seed)


def test_an_update_without_a_weight_keeps_it(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        await a.gossip.update(b.address, 9)
        assert await a.gossip.update(b.address) is False
        assert a.ring.weight("b") == 9

    simulate(main, seed=sim_seed)


def test_an_update_that_changes_nothing_is_no_change(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        async with (
            listening(a, RingChanged) as here,
            listening(b, RingChanged) as there,
        ):
            assert await a.gossip.update(b.address, 128) is False
            assert await a.gossip.insert(b.address) is False
            await quiet(sim)
        assert here == there == []

    simulate(main, seed=sim_seed)


def test_a_node_may_change_its_weight_and_not_its_address(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        assert await a.gossip.update(a.address, 5)
        with pytest.raises(RingError, match="listens on a@a:7022"):
            await a.gossip.update(at("a", 7099))
        await quiet(sim)
        assert b.ring.weight("a") == 5

    simulate(main, seed=sim_seed)


def test_another_address_of_a_member_is_corrected_by_itself(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        await a.gossip.update(at("b", 7099))
        await quiet(sim)
        for node in (a, b, c):
            assert {n.id: n for n in node.ring.nodes()}["b"].port == 7022

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), 1.5, True])
def test_an_impossible_weight_is_refused(weight):
    async def main(sim):
        a = await sim.start("a")
        for operation in (a.gossip.insert, a.gossip.update):
            with pytest.raises(RingError):
                await operation(at("b"), weight)
        assert members(a) == "a"

    simulate(main)


def test_a_removed_node_is_told_and_is_alone(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        async with listening(c, Removed) as heard:
            assert await a.gossip.remove("c")
            await quiet(sim)
        assert heard == [Removed("a")]
        assert [members(n) for n in (a, b, c)] == ["ab", "ab", "c"]
        assert [links(n) for n in (a, b, c)] == ["b", "a", ""]
        assert c.gossip.name == "ring"

    simulate(main, seed=sim_seed)


def test_mremove_takes_several_and_never_the_node_itself(sim_seed):
    async def main(sim):
        a, b, c, d = await form(sim, "abcd")
        assert await a.gossip.mremove(["a", "b", "c", "nobody"])
        await quiet(sim)
        assert [members(n) for n in (a, b, c, d)] == ["ad", "b", "c", "ad"]

    simulate(main, seed=sim_seed)


def test_removing_an_absent_node_changes_nothing():
    async def main(sim):
        a = await sim.start("a")
        assert await a.gossip.remove("b") is False
        assert await a.gossip.mremove(["b", "c"]) is False

    simulate(main)


def test_a_node_does_not_remove_itself():
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(RingError, match="leave"):
            await a.gossip.remove("a")

    simulate(main)


def test_a_leaver_is_forgotten_by_all(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        async with listening(c, Left) as heard:
            assert await c.gossip.leave()
            assert c.gossip.name == ""
            assert members(c) == "c"
            await quiet(sim)
        assert heard[0].told in {"a", "b"}
        assert members(a) == members(b) == "ab"
        assert [links(n) for n in (a, b, c)] == ["b", "a", ""]

    simulate(main, seed=sim_seed)


def test_a_node_in_no_ring_takes_no_commands():
    async def main(sim):
        a = await sim.start("a")
        await a.gossip.leave()
        for operation in (
            a.gossip.leave(),
            a.gossip.insert(at("b")),
            a.gossip.update(at("b")),
            a.gossip.remove("b"),
            a.meet(at("b")),
        ):
            with pytest.raises(NotInRing):
                await operation

    simulate(main)


def test_a_node_joins_one_ring_at_a_time():
    async def main(sim):
        a = await sim.start("a", ring="red")
        with pytest.raises(AlreadyInRing, match="red"):
            await a.gossip.join("blue")
        await a.gossip.leave()
        assert await a.gossip.join("blue")
        assert a.gossip.name == "blue"

    simulate(main)


def test_leave_then_join_then_meet_leads_back(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        await c.gossip.leave()
        await c.gossip.join("ring")
        await c.meet(a.address)
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3
        await a.gossip.update(c.address, 7)
        await quiet(sim)
        assert c.ring.weight("c") == 7

    simulate(main, seed=sim_seed)


def test_a_leave_told_to_nobody_holds_nevertheless(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        sim.partition({"c"}, {"a", "b"})
        async with listening(c, Left) as heard:
            await c.gossip.leave()
        assert heard == [Left(None)]
        await trio.sleep(20)
        assert members(a) == members(b) == "abc"
        sim.heal()
        await until(lambda: members(a) == members(b) == "ab")
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["ab", "ab", "c"]

    simulate(main, seed=sim_seed)


def test_a_leave_told_to_nobody_then_a_meeting_leads_back(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        sim.partition({"c"}, {"a", "b"})
        await c.gossip.leave()
        await c.gossip.join("ring")
        sim.heal()
        await c.meet(b.address)
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3

    simulate(main, seed=sim_seed)


def test_two_seeds_lead_into_one_ring(sim_seed):
    async def main(sim):
        a, b = await sim.start("a"), await sim.start("b")
        c = await sim.start("c", seeds=[a.address, b.address])
        await sim.converged()
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3

    simulate(main, seed=sim_seed)


def test_a_seed_is_tried_for_ever(sim_seed):
    async def main(sim):
        b = await sim.start("b", seeds=[at("a")])
        await trio.sleep(100)
        a = await sim.start("a")
        await until(lambda: members(a) == members(b) == "ab")

    simulate(main, seed=sim_seed)


def test_nodes_that_name_each_other_as_seeds_meet_once(sim_seed):
    async def main(sim):
        names = "abcd"
        seeds = [at(name) for name in names]
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(lambda n=name: sim.start(n, seeds=seeds))
        await quiet(sim)
        assert {members(node) for node in sim.nodes.values()} == {"abcd"}

    simulate(main, seed=sim_seed)


def test_links_follow_the_membership(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        await until(lambda: [links(n) for n in (a, b, c)] == ["bc", "ac", "ab"], 1)
        d = await sim.start("d")
        await a.gossip.insert(d.address)
        await quiet(sim)
        assert links(d) == "abc"
        await b.gossip.remove("a")
        await quiet(sim)
        assert [links(n) for n in (a, b, c, d)] == ["", "cd", "bd", "bc"]

    simulate(main, seed=sim_seed)


def test_a_remove_sends_what_is_queued_first(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"list": Collector})
        sim.delay("a", "b", 0.05)
        for n in range(1000):
            a.cast_nowait("list@b", "add", n)
        assert await a.gossip.remove("b")
        await until(lambda: links(a) == "")
        assert await b.call("list", "all") == list(range(1000))

    simulate(main, seed=sim_seed)


def test_a_forced_remove_does_not_send_what_is_queued(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"list": Collector})
        sim.delay("a", "b", 0.05)
        async with listening(a, Undelivered) as heard:
            for _ in range(1000):
                a.cast_nowait("list@b", "add", bytes(1000))
            assert await a.gossip.remove("b", force=True)
            assert a.kernel.links() == ()
            await quiet(sim)
        arrived = len(await b.call("list", "all"))
        assert arrived < 200  # what was on the wire
        assert sum(event.n for event in heard if event.actor == "list") == 1000

    simulate(main, seed=sim_seed)


def test_every_change_is_told_once_and_in_order(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        async with (
            listening(a, RingChanged) as here,
            listening(b, RingChanged) as there,
        ):
            await a.gossip.insert(at("c"))
            await quiet(sim)
            await a.gossip.update(at("c"), 9)
            await quiet(sim)
            await a.gossip.update(at("c", 7099))
            await quiet(sim)
            await a.gossip.remove("c")
            await quiet(sim)
        assert heard_of(here) == ["insert", "update", "update", "remove"]
        assert heard_of(there) == ["merge"] * 4
        for heard in (here, there):
            assert all(x.new == y.old for x, y in itertools.pairwise(heard))

    simulate(main, seed=sim_seed)


def test_a_hook_can_change_the_ring_in_a_task_of_its_own(sim_seed):
    async def main(sim):
        a = await sim.start("a")

        async def hook(old, new):
            if "z" not in new:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(a.gossip.insert, at("z"))

        a.gossip.on_process(hook)
        with trio.fail_after(5):
            await a.gossip.insert(at("y"))
            await a.gossip.insert(at("w"))
        assert members(a) == "awyz"

    simulate(main, seed=sim_seed)


def test_the_ring_is_one_object_until_it_changes():
    async def main(sim):
        a, b = await form(sim, "ab")
        ring = a.ring
        await quiet(sim)
        assert a.ring is a.gossip.ring is ring
        await b.gossip.insert(at("x"))
        await quiet(sim)
        assert members(a) == "abx"
        assert a.ring is a.gossip.ring is not ring

    simulate(main)
