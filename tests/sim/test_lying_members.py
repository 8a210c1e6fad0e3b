"""A member that has the cookie and lies: what it says costs it, and nobody else."""

from __future__ import annotations

from math import nan

import pytest

from clusterkit.config import Config
from clusterkit.core.liveness import ALIVE, DEAD, LEFT, MOST_RUMOUR
from clusterkit.core.registers import MOST_INCARNATION
from clusterkit.core.replica import MOST_VERSION
from clusterkit.errors import ClusterError, DecodeError
from clusterkit.events import ActorGaveUp, ActorRestarted
from clusterkit.testing.sim import simulate

from .rings import form, listening, until

MEMBERS = "_members@a"
STATE = "_state@a"
OVERLAY = Config(full_mesh=5, idle_close=3.0)
LIE = b"\xa3lie"


def states(nodes, name):
    return {node.members.state(name) for node in nodes}


def keys_of(nodes, name):
    return [{k: value_of(n, name, k) for k in n.state.keys(name)} for n in nodes]


def value_of(node, name, key):
    try:
        return node.state.value(name, key)
    except DecodeError:
        return DecodeError


def hashes(nodes):
    return {node.state._book.known.hashes.hash for node in nodes}


def test_no_argument_ends_the_actor_that_knows_the_members(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        async with listening(a, ActorRestarted, ActorGaveUp) as heard:
            for event, args in [
                ("probe", [[], 1.0]),
                ("probe", ["a", None]),
                ("probe", ["b", "1"]),
                ("probe", ["b", -1.0]),
                ("probe", ["b", nan]),
                ("reasons", [{}]),
                ("reasons", [["b"]]),
            ]:
                with pytest.raises(ClusterError) as refused:
                    await b.call(MEMBERS, event, *args)
                assert refused.value.code == "not_heard"
        assert heard == []
        assert a.members.ignored["invalid"] == 7
        assert await b.call(MEMBERS, "probe", "nobody", 1.0) is False
        assert await b.call(MEMBERS, "reasons", "nobody") == []

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("state", [DEAD, LEFT])
@pytest.mark.parametrize("rumour", [0, MOST_RUMOUR - 1, MOST_RUMOUR])
@pytest.mark.parametrize("below", [0, 1])
def test_there_is_no_number_that_cannot_be_refuted(sim_seed, state, rumour, below):
    """Else one message would make a member dead for ever."""

    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        lie = {"c": [MOST_INCARNATION - below, rumour, state, []]}
        with_room = (below, rumour) != (0, MOST_RUMOUR)
        if with_room:
            await b.call(MEMBERS, "tell", lie)
            assert a.members.state("c") != "alive"
        else:
            with pytest.raises(ClusterError):
                await b.call(MEMBERS, "tell", lie)
        await until(lambda: states(nodes, "c") == {"alive"}, 5)
        a.state.set("k", 1)
        await until(lambda: c.state.value("a", "k") == 1, 2)
        assert {node.members.ignored["invalid"] for node in (b, c)} == {0}

    simulate(main, seed=sim_seed)


def test_what_is_said_at_the_end_of_numbers_is_refuted_again_and_again(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc", disk=True)
        for rumour in range(3):
            lie = {"c": [MOST_INCARNATION, rumour, DEAD, []]}
            await b.call(MEMBERS, "tell", lie)
            await until(lambda: states(nodes, "c") == {"alive"}, 5)
        await sim.crash("c")
        await until(lambda: states([a, b], "c") == {"dead"}, 10)
        c = await sim.restart("c")
        await until(lambda: states([a, b, c], "c") == {"alive"}, 5)

    simulate(main, seed=sim_seed)


def test_a_farewell_is_of_who_says_it(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        lie = {"c": [c.incarnation, 9, LEFT, []], "b": [b.incarnation, 7, LEFT, []]}
        await b.cast(MEMBERS, "farewell", lie)
        await until(lambda: a.members.ignored["invalid"] == 1, 1)
        assert states([a], "c") == {"alive"}
        assert states([a], "b") == {"alive"}
        await b.cast(MEMBERS, "farewell", {"b": [b.incarnation, 7, ALIVE, []]})
        await until(lambda: a.members.ignored["invalid"] == 2, 1)

    simulate(main, seed=sim_seed)


PARTS = {
    "a floor beyond all versions": lambda i, v: [i, 0, v, 2**40, []],
    "the highest floor": lambda i, v: [i, 0, v, MOST_VERSION, []],
    "a floor and a lie": lambda i, v: [i, 0, v, v + 1, [["k", v, LIE]]],
    "the next version": lambda i, v: [i, v, v + 1, 0, [["k", v + 1, LIE]]],
    "a deletion": lambda i, v: [i, v, v + 1, 0, [["k", v + 1]]],
    "the next life": lambda i, _: [i + 1, 0, 1, 0, [["k", 1, LIE]]],
    "the highest version": lambda i, _: [i, 0, MOST_VERSION, 0, [["k", 1, LIE]]],
    "the last life": lambda *_: [MOST_INCARNATION, 0, 5, 0, [["k", 1, LIE]]],
    "the last but one": lambda *_: [MOST_INCARNATION - 1, 0, 5, 0, [["k", 1, LIE]]],
    "the end of it": lambda *_: [MOST_INCARNATION - 1, 0, MOST_VERSION, 0, []],
    "what cannot be read": lambda i, v: [i, v, v + 1, 0, [["k", v + 1, b"\xc1"]]],
}


@pytest.mark.parametrize("lie", PARTS.values(), ids=PARTS)
def test_only_a_node_itself_has_the_last_word_about_its_keys(sim_seed, lie):
    async def main(sim):
        nodes = _a, b, c = await form(sim, "abc")
        c.state.set("k", "true")
        c.state.set("j", 1)
        c.state.set("x", 1)
        c.state.delete("x")
        await until(lambda: len(hashes(nodes)) == 1, 5)
        own = c.state._book.known.own
        await b.call(STATE, "tell", [["c", *lie(own.incarnation, own.version)]])
        truth = {"k": "true", "j": 1}
        await until(lambda: keys_of(nodes, "c") == [truth] * 3, 8)
        c.state.set("k", "later")
        await until(lambda: keys_of(nodes, "c") == [truth | {"k": "later"}] * 3, 5)
        await until(lambda: len(hashes(nodes)) == 1, 5)
        assert [node.state.ignored["invalid"] for node in nodes] == [0, 0, 0]

    simulate(main, seed=sim_seed)


def test_a_node_whose_last_life_was_claimed_may_still_restart(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc", disk=True)
        lie = ["c", MOST_INCARNATION - 1, 0, 5, 0, [["k", 1, LIE]]]
        await b.call(STATE, "tell", [lie])
        c.state.set("k", 1)
        await until(lambda: keys_of(nodes, "c") == [{"k": 1}] * 3, 8)
        for value in (2, 3):
            c = await sim.restart("c")
            c.state.set("k", value)
            nodes = [a, b, c]
            truth = [{"k": value}] * 3
            await until(lambda nodes=nodes, t=truth: keys_of(nodes, "c") == t, 8)

    simulate(main, seed=sim_seed)


def test_who_is_asked_why_and_answers_nonsense_is_left_out(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc")
        for rows in (None, [{}], [{"age": "long ago", "what": "dead"}]):
            b.members._reasons.of = lambda _name, rows=rows: rows
            lie = {"c": [c.incarnation + 1, 0, DEAD, ["b"]]}
            await b.call(MEMBERS, "tell", lie)
            assert "b" not in await a.members.why("c")

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("config", [Config(), OVERLAY], ids=["mesh", "overlay"])
def test_a_lie_that_looks_no_newer_than_the_truth_is_found_as_well(sim_seed, config):
    """Who is told the same version first, by a liar, has nothing more to ask for."""

    async def main(sim):
        nodes = await form(sim, "abcdefgh", config=config)
        a, b, c = nodes[:3]
        c.state.set("k", "true")
        c.state.set("j", 1)
        await until(lambda: keys_of(nodes, "c") == [{"k": "true", "j": 1}] * 8, 5)
        own = c.state._book.known.own
        lie = ["c", own.incarnation, 0, own.version, 0, [["k", own.version, LIE]]]
        for _ in range(20):  # until the liar is faster than the truth
            # a has forgotten what it knew, as who joins has known nothing.
            a.state._book.known.forget("c")
            await b.call(STATE, "tell", [lie])
            if keys_of([a], "c") == [{"k": "lie"}]:
                break
        assert keys_of([a], "c") == [{"k": "lie"}]
        await until(lambda: keys_of(nodes, "c") == [{"k": "true", "j": 1}] * 8, 20)
        await until(lambda: len(hashes(nodes)) == 1, 5)

    simulate(main, seed=sim_seed)


def test_a_lie_about_who_is_dead_disturbs_nobody_else(sim_seed):
    """Nobody is left who knows better; what others say goes on as ever."""

    async def main(sim):
        a, b, c = await form(sim, "abc", disk=True)
        c.state.set("k", "true")
        await until(lambda: keys_of([a, b], "c") == [{"k": "true"}] * 2, 5)
        await sim.crash("c")
        await until(lambda: states([a, b], "c") == {"dead"}, 10)
        summary = a.state._book.known.replica("c").summary
        a.state._book.known.forget("c")
        lie = ["c", summary.incarnation, 0, summary.version, 0, [["k", 1, LIE]]]
        await b.call(STATE, "tell", [lie])
        a.state.set("news", 1)
        b.state.set("news", 2)
        await until(lambda: b.state.value("a", "news") == 1, 3)
        await until(lambda: a.state.value("b", "news") == 2, 3)
        c = await sim.restart("c")
        await until(lambda: keys_of([a, b, c], "c") == [{}] * 3, 10)

    simulate(main, seed=sim_seed)
