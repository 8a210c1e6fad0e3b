"""Nothing is lost, repeated or reordered while both processes live."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from clusterkit.config import Config
from clusterkit.testing.sim import simulate

from .ledger import Ledger
from .rings import Collector, at, form, links, until


@asynccontextmanager
async def pair(sim, **options):
    """Start a and b, which know each other, with a ledger of what they say."""
    async with trio.open_nursery() as nursery:
        ledger = Ledger(sim, nursery)
        for name in "ab":
            await ledger.start(name, **options)
        await sim.nodes["a"].meet(at("b"))
        yield ledger
        nursery.cancel_scope.cancel()


async def converse(ledger, weather, *, count, seconds, calls=0.5):
    """Have both nodes talk for about so long while the weather does its worst."""
    pause = 5 * seconds / count
    async with trio.open_nursery() as nursery:
        for name, peer in (("a", "b"), ("b", "a")) * 2:
            nursery.start_soon(
                lambda n=name, p=peer: ledger.talk(
                    n, p, count, calls=calls, pause=pause
                )
            )
        nursery.start_soon(weather)
    await ledger.settled()
    ledger.judge(lossless=True)


def cuts(sim, count, seconds):
    async def weather():
        for _ in range(count):
            await trio.sleep(sim.rng.expovariate(count / seconds))
            sim.cut("a", "b")

    return weather


def storm(sim, count, seconds):
    """Cuts of every kind, delays, losses and partitions."""

    async def weather():
        for _ in range(count):
            await trio.sleep(sim.rng.expovariate(count / seconds))
            match sim.rng.randrange(7):
                case 0 | 1 | 2:
                    sim.cut("a", "b")
                case 3:
                    sim.network.abort(*sim.rng.sample("ab", 2))
                case 4:
                    sim.delay("a", "b", sim.rng.random() * 0.05, spread=0.01)
                case 5:
                    sim.loss("a", "b", sim.rng.choice((0, 0.02, 0.1)))
                case 6:
                    sim.partition({"a"}, {"b"})
                    await trio.sleep(sim.rng.random())
                    sim.heal()
            if sim.rng.random() < 0.05:
                sim.cut("a", "b", half_open=True)

    return weather


def test_cuts_at_any_byte_lose_nothing(sim_seed):
    async def main(sim):
        async with pair(sim) as ledger:
            weather = cuts(sim, 50, 10)
            await converse(ledger, weather, count=500, seconds=10)
            assert sim.nodes["a"].kernel.links()[0].reconnects > 20
            assert ledger.outcomes.keys() == {"answered"}

    simulate(main, seed=sim_seed)


def test_ten_thousand_messages_and_fifty_cuts():
    async def main(sim):
        async with pair(sim) as ledger:
            weather = cuts(sim, 50, 10)
            await converse(ledger, weather, count=2500, seconds=10)

    simulate(main)


def test_cuts_while_the_window_is_full_lose_nothing(sim_seed):
    async def main(sim):
        config = Config(window_bytes=2000, window_records=20, ack_bytes=500)
        async with pair(sim, config=config) as ledger:
            weather = cuts(sim, 50, 5)
            await converse(ledger, weather, count=500, seconds=5)

    simulate(main, seed=sim_seed)


def test_a_storm_loses_no_cast_and_runs_no_call_twice(sim_seed):
    async def main(sim):
        async with pair(sim) as ledger:
            weather = storm(sim, 30, 15)
            await converse(ledger, weather, count=500, seconds=15)

    simulate(main, seed=sim_seed)


def test_dials_from_both_sides_at_once_lead_to_one_connection(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"list": Collector})
        await until(lambda: links(a) == "b" and links(b) == "a", 3)
        for n, delay in enumerate((0.0, 0.0001, 0.001, 0.01, 0.05) * 4):
            sim.delay("a", "b", delay)
            sim.cut("a", "b")
            a.cast_nowait("list@b", "add", n)
            b.cast_nowait("list@a", "add", n)
            await until(lambda: links(a) == "b" and links(b) == "a", 3)
            await trio.sleep(2)
            for name in "ab":
                assert len(sim.network.host(name).streams) == 1
        for node in (a, b):
            assert await node.call("list", "all") == list(range(20))

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("dialler", ["a", "b"])
def test_one_side_that_can_dial_is_enough(sim_seed, dialler):
    async def main(sim):
        async with pair(sim) as ledger:
            other = "b" if dialler == "a" else "a"
            sim.network.wall(other, dialler)
            weather = cuts(sim, 20, 10)
            await converse(ledger, weather, count=300, seconds=10)
            assert sim.nodes["a"].kernel.links()[0].reconnects > 5

    simulate(main, seed=sim_seed)


def test_a_healed_cut_is_mended_within_half_a_second():
    """At the 99th percentile of outages up to ten seconds, by virtual time."""

    async def main(sim):
        a, b = await form(sim, "ab")
        waits = []
        for _ in range(200):
            sim.partition({"a"}, {"b"})
            sim.cut("a", "b")
            await trio.sleep(sim.rng.random() * 9)
            sim.heal()
            since = sim.now
            await until(lambda: links(a) == "b" and links(b) == "a")
            waits.append(sim.now - since)
            await trio.sleep(1.5)
        waits.sort()
        assert waits[197] <= 0.5, waits[-10:]

    simulate(main)


def test_a_reset_is_mended_within_a_tenth_of_a_second():
    async def main(sim):
        a, b = await form(sim, "ab")
        await until(lambda: links(a) == "b" and links(b) == "a", 3)

        def sessions():
            return [node.kernel.links()[0].reconnects for node in (a, b)]

        for _ in range(100):
            before = sessions()
            sim.cut("a", "b")
            await until(lambda b=before: all(map(int.__gt__, sessions(), b)), 0.1)
            await trio.sleep(sim.rng.random() * 3)

    simulate(main)


def test_a_peer_that_comes_back_after_long_is_found_within_seconds(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=True)
        sim.network.wall("b", "a")  # only a dials
        await sim.crash("b")
        await trio.sleep(300)
        await sim.restart("b")
        await until(lambda: links(a) == "b", 5.1)

    simulate(main, seed=sim_seed)
