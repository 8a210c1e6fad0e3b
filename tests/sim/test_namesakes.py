"""Two nodes that were given one name: the newcomer is told, not ignored."""

import pytest
import trio

from clusterkit.cluster.creation import create_cluster
from clusterkit.cluster.platform import Platform
from clusterkit.errors import NameTaken, NodeDown, RingError
from clusterkit.testing import simulate


def second_foo(sim, **options):
    """A node called foo on a host of another name."""

    async def in_place(function, *args):
        await trio.lowlevel.checkpoint()
        return function(*args)

    platform = Platform(
        transport=sim.network.host("elsewhere"),
        rng=sim.generator("elsewhere"),
        disk=sim.disk("elsewhere"),
        wall_clock=sim.wall,
        run_blocking=in_place,
        watchdog=False,
    )
    return create_cluster(
        "foo", "elsewhere", 7022, cookie="simulated", platform=platform, **options
    )


def test_a_seed_of_ones_own_name_that_lives_elsewhere_ends_the_block():
    async def main(sim):
        foo = await sim.start("foo")
        with pytest.raises(NameTaken, match="foo@foo:7022"):
            async with second_foo(sim, seeds=[foo.address]):
                await trio.sleep(60)

    simulate(main)


def test_meeting_a_live_namesake_is_refused_as_what_it_is():
    async def main(sim):
        foo = await sim.start("foo")
        async with second_foo(sim) as other:
            with pytest.raises(NameTaken):
                await other.meet(foo.address)

    simulate(main)


def test_a_seed_that_is_the_node_itself_is_passed_over():
    async def main(sim):
        foo = await sim.start("foo", seeds=["foo@foo:7022"])
        await trio.sleep(5)
        with pytest.raises(RingError, match="itself"):
            await foo.meet("foo@foo:7022")

    simulate(main)


def test_a_seed_at_an_address_that_was_ones_own_once_is_given_up():
    async def main(sim):
        await sim.start("bar")
        async with second_foo(sim, seeds=["foo@bar:9"]) as other:
            await trio.sleep(60)
            assert [node.id for node in other.ring.nodes()] == ["foo"]
            with pytest.raises(NodeDown):
                await other.meet("foo@bar:9")

    simulate(main)
