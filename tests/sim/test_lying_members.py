"""A member that has the cookie and lies: what it says costs it, and nobody else."""

from __future__ import annotations

from math import nan

import pytest

from clusterkit.core.claim_input import MOST_INCARNATION
from clusterkit.core.liveness import ALIVE, DEAD, LEFT, MOST_RUMOUR
from clusterkit.errors import ClusterError
from clusterkit.events import ActorGaveUp, ActorRestarted
from clusterkit.testing.sim import simulate

from .rings import form, listening, until

MEMBERS = "_members@a"


def states(nodes, name):
    return {node.members.state(name) for node in nodes}


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
