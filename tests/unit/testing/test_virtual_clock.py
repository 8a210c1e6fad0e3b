"""Sleeping in a simulation is sleeping, only cheaper."""

from __future__ import annotations

import math

import pytest
import trio

from clusterkit.net.alarm import ScopeAlarm, alarm
from clusterkit.testing import Simulation
from clusterkit.testing.runner import run

MANY = 3_000  # sleepers that are cancelled: more than the clock lets lie
LONG = 1e4
NONE = 0.0


def played(main):
    """Run `main(sim)`; return its trace without times' last line."""
    return run(main, Simulation(0)).lines[:-1]


def test_who_sleeps_wakes_at_the_very_time():
    async def main(sim):
        for seconds in (0.1, 1 / 3, 2):
            due = sim.now + seconds
            await trio.sleep(seconds)
            assert sim.now == due
        await trio.sleep_until(7)
        assert sim.now == 7
        await trio.sleep_until(3)
        assert sim.now == 7

    played(main)


def test_sleepers_scopes_and_segments_come_in_the_order_of_their_times():
    async def main(sim):
        async def scoped():
            with trio.CancelScope(deadline=2):
                await trio.sleep_forever()
            sim.trace("scope")

        async def asleep(seconds):
            await trio.sleep(seconds)
            sim.trace("sleeper")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(asleep, 3)
            nursery.start_soon(scoped)
            nursery.start_soon(asleep, 1)

    assert played(main) == ("1.000000 sleeper", "2.000000 scope", "3.000000 sleeper")


def test_a_sleep_is_cancelled_at_once_and_by_a_scope_around_it():
    async def main(sim):
        with trio.move_on_after(1) as scope:
            await trio.sleep(100)
        assert scope.cancelled_caught
        assert sim.now == 1
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.sleep(100)
        assert scope.cancelled_caught
        assert sim.now == 1

    played(main)


@pytest.mark.parametrize("seconds", [-1, math.nan])
def test_what_is_no_time_is_refused_as_trio_does(seconds):
    async def main(sim):
        with pytest.raises(ValueError, match="must"):
            await trio.sleep(seconds)

    played(main)


def test_a_sleep_of_no_time_lets_others_run():
    async def main(sim):
        ran = []

        async def other():
            ran.append(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await trio.sleep(NONE)
            await trio.sleep(NONE)
            assert ran

    played(main)


def test_sleepers_that_were_cancelled_are_forgotten():
    async def main(sim):
        for _ in range(MANY):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep, LONG)
                    await trio.lowlevel.checkpoint()
                    scope.cancel()
        clock = trio.lowlevel.current_clock()
        assert len(clock._asleep) < MANY / 2
        with trio.move_on_after(5):
            await trio.sleep(LONG)
        assert sim.now == 5

    played(main)


def test_trio_is_left_as_it_was():
    before = trio.sleep, trio.sleep_until

    async def main(sim):
        assert (trio.sleep, trio.sleep_until) != before
        raise KeyError("over")

    with pytest.raises(KeyError):
        played(main)
    assert (trio.sleep, trio.sleep_until) == before


async def check_alarm(ring):
    """Sleep by an alarm that others hasten; it must do the same on every clock."""
    began = trio.current_time()
    wanted = [1.0]

    def due():
        return began + wanted[0]

    async def hasten(after, seconds):
        await trio.sleep(after)
        wanted[0] = min(wanted[0], seconds)
        ring.hasten(began + seconds)

    ring.hasten(began)  # nobody sleeps: nothing comes of it
    await ring.wait(due)
    assert trio.current_time() == pytest.approx(began + 1)
    wanted[0] = 10.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hasten, 1, 4)
        nursery.start_soon(hasten, 1.5, 3)
        nursery.start_soon(hasten, 2, 7)  # later: nothing comes of it
        await ring.wait(due)
        assert trio.current_time() == pytest.approx(began + 3)
    wanted[0] = 6.0
    await ring.wait(due)  # what woke it before does not wake it again
    assert trio.current_time() == pytest.approx(began + 6)
    wanted[0] = 60.0
    with trio.move_on_after(1) as scope:
        await ring.wait(due)
    assert scope.cancelled_caught
    ring.hasten(began)
    with trio.move_on_after(1) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught


def test_an_alarm_that_was_put_off_wakes_nobody_for_nothing():
    async def main(sim):
        wanted = [1.0]

        async def put_off():
            for later in (2.0, 3.0):
                await trio.sleep(later - sim.now - 1.5)
                wanted[0] = later

        async with trio.open_nursery() as nursery:
            nursery.start_soon(put_off)
            await alarm().wait(lambda: wanted[0])
        assert sim.now == 3

    played(main)


def test_an_alarm_of_the_virtual_clock_is_hastened():
    async def main(sim):
        assert not isinstance(alarm(), ScopeAlarm)
        await check_alarm(alarm())

    played(main)


async def test_an_alarm_of_another_clock_is_hastened(autojump_clock):
    assert isinstance(alarm(), ScopeAlarm)
    await check_alarm(alarm())
