"""Several who end a node at once, one who gives up, and a node cut short."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, cast
from clusterkit.cluster.ending import Ending
from clusterkit.events import LinkDown
from clusterkit.testing.sim import simulate

from .rings import listening


class Stuck(GenServer):
    @cast
    async def hang(self):
        await trio.sleep_forever()


class Slow(GenServer):
    ended: list[str] = []

    async def terminate(self, reason):
        await trio.sleep(2)
        self.ended.append(reason)


@pytest.fixture(autouse=True)
def _nobody_ended():
    Slow.ended.clear()


def test_everybody_who_waits_for_the_end_of_a_node_that_is_cut_goes_on():
    async def main(sim):
        a = await sim.start("a", actors={"s": Stuck})
        await a.cast("s", "hang")
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(a.shutdown)
                await trio.sleep(0.1)
                a._ending.cut()

    simulate(main)


def test_a_node_that_crashes_while_it_shuts_down_holds_nobody():
    async def main(sim):
        a = await sim.start("a", actors={"s": Stuck})
        await a.cast("s", "hang")
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.shutdown)
                nursery.start_soon(a.shutdown)
                await trio.sleep(0.1)
                await sim.crash("a")

    simulate(main)


def test_a_shutdown_that_was_cancelled_is_done_by_the_end_of_the_block():
    async def main(sim):
        a = await sim.start("a", disk=True, actors={"s": Slow})
        b = await sim.start("b", seeds=[a.address])
        await sim.converged()
        with trio.move_on_after(0.1):
            await a.shutdown()
        assert Slow.ended == []
        async with listening(b, LinkDown) as heard:
            await sim.stop("a")
            await trio.sleep(1)
        assert len(Slow.ended) == 1
        assert heard == [LinkDown("a", "bye")]

    simulate(main)


def test_who_waits_beside_a_cancelled_shutdown_takes_it_up():
    async def main(sim):
        a = await sim.start("a", actors={"s": Slow})
        done = []

        async def second():
            await a.shutdown()
            done.append(len(Slow.ended))

        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.1):
                nursery.start_soon(second)
                await trio.sleep(0.05)
                await a.shutdown()
        assert done == [1]

    simulate(main)


async def test_the_first_who_waits_is_the_one_who_acts():
    ending, begun = Ending(), []

    async def end():
        begun.append(1)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ending.reach, end)
    assert ending.over
    assert begun == [1]
    await ending.reach(end)
    assert begun == [1]


async def test_a_failure_is_the_first_ones_and_the_next_tries_again():
    ending, tries = Ending(), []

    async def end():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no luck")

    with pytest.raises(OSError, match="no luck"):
        await ending.reach(end)
    await ending.reach(end)
    assert len(tries) == 2
