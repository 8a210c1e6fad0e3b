"""Masters: as many as are required, whoever comes, goes, or is cut off."""

from __future__ import annotations

from math import inf, nan

import pytest
import trio

from clusterkit import GenServer
from clusterkit.core.election import MOST_COUNTER, Epoch
from clusterkit.errors import ConfigError, MessageTooLarge, NodeDown
from clusterkit.events import Demotion, MasterDown, MasterUp, Promotion
from clusterkit.testing import simulate

from .rings import form, listening, until

KINDS = (Promotion, Demotion, MasterUp, MasterDown)


def names(node):
    return [epoch.name for epoch in node.masters.all()]


def agree(nodes, count):
    """Say whether all see the same masters, so many, and those think so, too."""
    seen = {node.masters.all() for node in nodes}
    masters = {node.name for node in nodes if node.masters.is_master}
    return (
        len(seen) == 1
        and {e.name for e in next(iter(seen))} == masters
        and len(masters) == count
    )


def fill(node, value):
    for i in range(3000):
        node.state.set(f"{len(value)}.{i}", value)


async def standing(sim, letters, weights=(), **options):
    """Form a ring of candidates, with weights in order, else 1."""
    nodes = await form(sim, letters)
    weights = [*weights, *[1.0] * len(letters)]
    for node, weight in zip(nodes, weights, strict=False):
        node.masters.stand(weight=weight, **options)
    return nodes


@pytest.mark.parametrize("required", [1, 2, 3])
def test_those_with_most_weight_are_chosen(sim_seed, required):
    async def main(sim):
        nodes = await standing(sim, "abcd", [2, 4, 3, 1], required=required)
        began = sim.now
        await until(lambda: agree(nodes, required), 5)
        assert sim.now - began < 2
        assert set(names(nodes[0])) == set("bca"[:required])
        await trio.sleep(10)
        assert agree(nodes, required)
        assert len({e.counter for e in nodes[0].masters.all()}) >= 1

    simulate(main, seed=sim_seed)


def test_the_next_is_chosen_when_a_master_dies(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "abc", [3, 2, 1])
        a, b, c = nodes
        await until(lambda: agree(nodes, 1))
        first = a.masters.epoch
        async with listening(c, *KINDS) as at_c, listening(b, *KINDS) as at_b:
            await sim.crash("a")
            await until(lambda: agree([b, c], 1), 10)
        second = b.masters.epoch
        assert second > first
        assert at_c == [MasterDown("a", first), MasterUp("b", second)]
        assert at_b == [
            MasterDown("a", first),
            Promotion(second),
            MasterUp("b", second),
        ]

    simulate(main, seed=sim_seed)


def test_who_comes_with_more_weight_does_not_displace_a_master(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "abc", [3, 2, 1])
        await until(lambda: agree(nodes, 1))
        d = await sim.start("d", seeds=[nodes[0].address])
        d.masters.stand(weight=9)
        await trio.sleep(10)
        assert agree([*nodes, d], 1)
        assert names(d) == ["a"]

    simulate(main, seed=sim_seed)


def test_a_node_that_comes_back_does_not_displace_a_master_while_it_is_alone(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abc", disk=True)
        for node in nodes:
            node.masters.stand()
        await until(lambda: agree(nodes, 1))
        (master,) = names(nodes[0])
        other = "a" if master != "a" else "b"
        async with listening(sim.nodes[master], *KINDS) as heard:
            await sim.crash(other)
            await trio.sleep(10)
            sim.partition({other}, set("abc") - {other})
            back = await sim.restart(other)
            back.masters.stand(weight=9)
            await trio.sleep(1.5)
            sim.heal()
            await trio.sleep(10)
        assert names(back) == [master]
        assert heard == []

    simulate(main, seed=sim_seed)


def test_masters_required_of_0_are_never_chosen_but_may_be_asked_for(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "abc", required=0)
        await trio.sleep(20)
        assert agree(nodes, 0)
        nodes[0].masters.promote()
        nodes[1].masters.promote()
        await trio.sleep(5)
        assert agree(nodes, 2)

    simulate(main, seed=sim_seed)


def test_who_is_promoted_takes_the_place_of_the_earliest(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "abc", [3, 2, 1])
        a, _, c = nodes
        await until(lambda: agree(nodes, 1))
        old = a.masters.epoch
        async with listening(a, Demotion) as heard:
            new = c.masters.promote()
            assert c.masters.promote() == new  # it is one already
            await until(lambda: agree(nodes, 1), 0.5)
        assert names(a) == ["c"]
        assert new > old
        assert heard == [Demotion(old, "superseded")]
        assert not a.masters.accepts(old)
        assert a.masters.accepts(new)
        assert a.masters.accepts((new.counter + 1, "b"))  # not heard of yet
        assert not a.masters.accepts(new)  # from now on
        assert not a.masters.accepts(old)

    simulate(main, seed=sim_seed)


def test_who_is_demoted_gives_way_and_may_come_back(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "abc", [3, 2, 1])
        a, b, _ = nodes
        await until(lambda: agree(nodes, 1))
        assert a.masters.demote()
        assert not a.masters.demote()
        await until(lambda: agree(nodes, 1), 3)
        assert names(a) == ["b"]
        await trio.sleep(10)
        assert names(a) == ["b"]
        assert b.masters.demote(permanent=True)
        await until(lambda: agree(nodes, 1), 3)
        assert names(a) == ["a"]
        a.masters.demote(permanent=True)
        await until(lambda: agree(nodes, 1), 3)
        assert names(a) == ["c"]
        await trio.sleep(10)
        nodes[2].masters.demote(permanent=True)
        await trio.sleep(10)
        assert agree(nodes, 0)  # nobody is eligible
        a.masters.promote()
        await until(lambda: agree(nodes, 1), 1)

    simulate(main, seed=sim_seed)


def test_a_demoted_node_that_is_the_only_one_is_chosen_again(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        a.masters.stand()
        await until(lambda: a.masters.is_master)
        a.masters.demote()
        await trio.sleep(4)
        assert not a.masters.is_master
        await until(lambda: a.masters.is_master, 3)

    simulate(main, seed=sim_seed)


def test_after_a_split_there_is_the_right_number_again(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "abcde", [5, 4, 3, 2, 1])
        await until(lambda: agree(nodes, 1))
        sim.partition({"a", "b"}, {"c", "d", "e"})
        left, right = nodes[:2], nodes[2:]
        await until(lambda: agree(left, 1) and agree(right, 1), 15)
        assert (names(nodes[0]), names(nodes[2])) == (["a"], ["c"])
        old, new = nodes[0].masters.epoch, nodes[2].masters.epoch
        sim.heal()
        began = sim.now
        await until(lambda: agree(nodes, 1), 10)
        assert sim.now - began < 3
        assert names(nodes[0]) == ["c"]
        assert all(node.masters.accepts(new) for node in nodes)
        assert not any(node.masters.accepts(old) for node in nodes)

    simulate(main, seed=sim_seed)


def test_a_term_that_only_a_message_told_of_is_over_for_all(sim_seed):
    async def main(sim):
        nodes = a, b, c = await standing(sim, "abc")
        assert c.masters.promote().counter > 0
        short = c.masters.promote()
        c.masters.demote(permanent=True)  # before the others have heard of it
        assert a.masters.accepts(short)  # as a message of it has come
        await until(lambda: agree(nodes, 1), 5)
        later = a.masters.all()[0]
        assert later > short
        assert all(node.masters.accepts(later) for node in (a, b, c))
        assert not any(node.masters.accepts(short) for node in (a, b, c))

    simulate(main, seed=sim_seed)


def test_a_master_that_dies_before_it_is_known_is_in_nobodys_way(sim_seed):
    async def main(sim):
        nodes = a, b, c = await standing(sim, "abc")
        await until(lambda: a.masters._candidates.keys() == set("abc"))
        short = c.masters.promote()
        assert a.masters.accepts(short)
        await sim.crash("c")
        await until(lambda: agree(nodes[:2], 1), 15)
        assert all(node.masters.accepts(a.masters.all()[0]) for node in (a, b))

    simulate(main, seed=sim_seed)


def test_epochs_go_on_when_the_whole_cluster_has_ended(sim_seed):
    async def main(sim):
        nodes = await standing(sim, "ab")
        await until(lambda: agree(nodes, 1))
        old = nodes[0].masters.all()[0]
        await sim.crash("a")
        await sim.crash("b")
        await trio.sleep(60)
        nodes = [await sim.restart(name) for name in "ab"]
        await nodes[1].meet(nodes[0].address)
        for node in nodes:
            node.masters.stand()
        await until(lambda: agree(nodes, 1), 15)
        assert nodes[0].masters.all()[0] > old

    simulate(main, seed=sim_seed)


def test_who_watches_knows_the_masters_and_how_many_there_are_to_be(sim_seed):
    async def main(sim):
        nodes = await form(sim, "abcd")
        *candidates, watcher = nodes
        for node in candidates:
            node.masters.stand(required=2)
        await until(lambda: agree(nodes, 2))
        assert watcher.masters.required == 2
        assert not watcher.masters.is_master
        with pytest.raises(ConfigError, match="no candidate"):
            watcher.masters.promote()
        with pytest.raises(ConfigError, match="no candidate"):
            watcher.masters.demote()
        candidates[0].masters.retire()
        candidates[1].masters.retire()
        await until(lambda: names(watcher) == ["c"], 5)

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": nan},
        {"weight": inf},
        {"weight": "1"},
        {"weight": True},
        {"weight": 10**400},
        {"required": -1},
        {"required": 1.0},
        {"required": True},
        {"required": 10_001},
        {"patience": -1},
        {"patience": nan},
        {"patience": inf},
        {"eligible": "no"},
    ],
    ids=str,
)
def test_a_candidate_says_what_is_possible(wrong):
    async def main(sim):
        a = await sim.start("a")
        with pytest.raises(ConfigError):
            a.masters.stand(**wrong)
        assert a.state.keys("a") == ()

    simulate(main)


def test_a_node_that_says_a_lot_can_still_become_master():
    async def main(sim):
        a = await sim.start("a")
        a.masters.stand()
        with pytest.raises(MessageTooLarge):
            fill(a, b"x" * 32_000)
        with pytest.raises(MessageTooLarge):
            fill(a, b"x" * 10)
        await until(lambda: a.masters.is_master)

    simulate(main)


def test_who_does_not_want_to_be_chosen_is_not_after_it_was_overruled(sim_seed):
    async def main(sim):
        a, b = await standing(sim, "ab")
        await until(lambda: agree([a, b], 1))
        first, other = (a, b) if a.masters.is_master else (b, a)
        first.masters.stand(eligible=False)
        assert first.masters.is_master
        other.masters.promote()
        await until(lambda: agree([a, b], 1) and other.masters.is_master)
        await sim.crash(other.name)
        await trio.sleep(20)
        assert names(first) == []
        first.masters.promote()  # which is another wish
        assert names(first) == [first.name]

    simulate(main, seed=sim_seed)


def test_a_node_that_ends_is_no_candidate_and_says_so():
    told = []

    class Clings(GenServer):
        """Wants to be a master to the last."""

        async def terminate(self, reason):
            masters = self.node.masters
            for ask in (masters.stand, masters.promote, masters.demote):
                with pytest.raises(NodeDown, match="this node ends"):
                    ask()
            masters.retire()
            told.append(masters.is_master)

    async def main(sim):
        a, b = await form(sim, "ab", actors={"clings": Clings})
        for node in (a, b):
            node.masters.stand(weight=2.0 if node is a else 1.0)
        await until(lambda: names(b) == ["a"])
        await sim.stop("a")
        assert told == [False]
        with pytest.raises(NodeDown):
            a.masters.stand()
        await until(lambda: names(b) == ["b"])

    simulate(main)


def test_what_is_impossible_changes_nothing_else(sim_seed):
    async def main(sim):
        a, b = await standing(sim, "ab", patience=0)
        await until(lambda: agree([a, b], 1))
        first, other = (a, b) if a.masters.is_master else (b, a)
        first.masters.demote()
        for node in (first, other):
            with pytest.raises(ConfigError):
                node.masters.stand(weight=nan, patience=60)
        await until(lambda: names(first) == [other.name], 1)
        other.masters.demote(permanent=True)
        await trio.sleep(1)
        assert names(first) == []  # it still sits out
        await until(lambda: names(other) == [first.name])

    simulate(main, seed=sim_seed)


def test_patience_is_what_was_said_last():
    async def main(sim):
        a = await sim.start("a")
        a.masters.stand(patience=60)
        await trio.sleep(10)
        assert not a.masters.is_master
        a.masters.stand(patience=2)
        await trio.sleep(1)
        a.masters.stand(patience=2, weight=3)  # the same, and no reason to begin anew
        assert not a.masters.is_master
        await until(lambda: a.masters.is_master, 1.1)

    simulate(main)


def test_who_cannot_have_a_later_epoch_knows_that_it_is_no_master(sim_seed):
    async def main(sim):
        nodes = a, z = await form(sim, "az")
        a.masters.stand()
        highest = [1.0, True, MOST_COUNTER, 1, MOST_COUNTER]
        z.masters._announcements.announce("_master", highest)
        await until(lambda: names(a) == ["z"])
        async with listening(a, *KINDS) as heard:
            epoch = a.masters.promote()
            await trio.sleep(5)
        assert not a.masters.is_master
        assert heard == [Promotion(epoch), Demotion(epoch, "superseded")]
        assert {node.masters.all() for node in nodes} == {(Epoch(MOST_COUNTER, "z"),)}

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        (),
        [1],
        ["a", 1],
        [1, 2],
        [1, "a", 2],
        (True, "a"),
        (2**63, "b"),
        (0, "a"),
    ],
    ids=str,
)
def test_what_is_no_epoch_is_not_accepted(wrong):
    async def main(sim):
        a = await sim.start("a")
        a.masters.stand()
        await until(lambda: a.masters.is_master)
        assert not a.masters.accepts(wrong)
        assert a.masters.accepts(list(a.masters.epoch))

    simulate(main)


@pytest.mark.parametrize("busy", [False, True])
def test_a_master_that_ends_gives_way_before_another_is_chosen(sim_seed, busy):
    class Slow(GenServer):
        async def terminate(self, _):
            await trio.sleep(5 * busy)

    async def main(sim):
        nodes = a, *others = await standing(sim, "abc", [3, 2, 1])
        await until(lambda: agree(nodes, 1))
        await a.start("slow", Slow)
        epoch = a.masters.epoch
        async with listening(a, *KINDS) as heard, trio.open_nursery() as nursery:
            nursery.start_soon(sim.stop, "a")
            await until(lambda: not a.masters.is_master)
            assert not others[0].masters.is_master
            await until(lambda: agree(others, 1), 2)
            assert names(others[0]) == ["b"]
        assert heard[:2] == [Demotion(epoch, "ending"), MasterDown("a", epoch)]
        assert not a.masters.is_master

    simulate(main, seed=sim_seed)
