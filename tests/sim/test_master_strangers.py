"""What is said of a master that is not there is no epoch: nobody can overrule by it."""

from __future__ import annotations

import trio

from clusterkit.testing.sim import simulate

from .rings import form, until

LATEST = 2**63 - 1


async def with_master(sim, names="ab"):
    """Members that know who is a master: the first of them."""
    nodes = await form(sim, names, on_exit="stay")
    for node in nodes:
        node.masters.stand(weight=1.0 + (node is nodes[0]))
    first = nodes[0].masters
    await until(lambda: all(n.masters.all() == (first.epoch,) for n in nodes), 10)
    return nodes, first.epoch


async def dead(name, *nodes):
    """Wait until these nodes know that another is dead."""
    await until(lambda: all(n.members.state(name) == "dead" for n in nodes), 30)


def test_an_epoch_of_a_node_that_was_never_met_is_none(sim_seed):
    async def main(sim):
        nodes, epoch = await with_master(sim)
        for node in nodes:
            for name in ("nobody", "", "x" * 1000):
                assert not node.masters.accepts((LATEST, name))
            assert node.masters.accepts(epoch)

    simulate(main, seed=sim_seed)


def test_an_epoch_of_a_node_that_is_dead_or_forgotten_is_none(sim_seed):
    async def main(sim):
        (a, b, _), epoch = await with_master(sim, "abc")
        await sim.crash("c", silent=True)
        await dead("c", a, b)
        for node in (a, b):
            assert not node.masters.accepts((LATEST, "c"))
            assert node.masters.accepts(epoch)
        await a.gossip.remove("c")
        await until(lambda: all(len(n.members.all()) == 2 for n in (a, b)), 30)
        for node in (a, b):
            assert not node.masters.accepts((LATEST, "c"))
            assert node.masters.accepts(epoch)

    simulate(main, seed=sim_seed)


def test_what_was_accepted_of_a_node_ends_with_it(sim_seed):
    async def main(sim):
        (_, b, _), epoch = await with_master(sim, "abc")
        await sim.crash("c", silent=True)
        ahead = (epoch.counter + 10, "c")
        assert b.masters.accepts(ahead)  # it is not known to be dead
        assert not b.masters.accepts(epoch)
        await dead("c", b)
        await trio.sleep(1)
        assert b.masters.accepts(epoch)
        assert not b.masters.accepts(ahead)

    simulate(main, seed=sim_seed)


def test_only_a_node_itself_knows_its_epochs(sim_seed):
    async def main(sim):
        (a, b), epoch = await with_master(sim)
        for node in (a, b):
            assert not node.masters.accepts((LATEST, node.name))
            assert node.masters.accepts(epoch)

    simulate(main, seed=sim_seed)


def test_what_is_said_in_the_state_of_who_is_not_there_promotes_nobody(sim_seed):
    async def main(sim):
        (a, b, c), epoch = await with_master(sim, "abc")
        c.masters.promote()
        later = c.masters.epoch
        await until(lambda: a.masters.all() == b.masters.all() == (later,), 10)
        await sim.crash("c", silent=True)
        await dead("c", a, b)
        await until(lambda: a.masters.all() == b.masters.all() != (), 10)
        assert a.masters.all()[0].name in "ab"
        assert a.masters.all()[0] > later > epoch
        assert a.state.value("c", "_master") is not None  # said, and not heeded
        assert not a.masters.accepts(later)

    simulate(main, seed=sim_seed)
