"""The same seed gives the same run, in every process.

Also a program: `python test_determinism.py SEED` prints the hash of one run.
It is the guard over `clusterkit/testing/schedule.py`: when a release of trio
schedules in another way, or keeps its generator elsewhere, this fails first.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import given, strategies as st
from trio._core import _run

import clusterkit.testing
from clusterkit.names import Address
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import Simulation, simulate
from clusterkit.testing.runner import run

NAMES = [f"n{i}" for i in range(6)]


async def everything(sim):
    """Use all that chance can touch: timers, routes, faults, disks, cancels."""
    async with trio.open_nursery() as nursery:
        for name in NAMES:
            nursery.start_soon(chatter, sim, name, nursery)
        for i in range(20):
            nursery.start_soon(sleeper, sim, i)
        sim.loss("n0", "n1", 0.3)
        sim.delay("n2", "n3", 0.05, spread=0.05)
        for i in range(30):
            await trio.sleep(0.25 * sim.rng.random())
            a, b = sim.rng.sample(NAMES, 2)
            sim.cut(a, b, half_open=i % 7 == 0)
            if i == 10:
                sim.partition({"n0", "n1"}, {"n2", "n3", "n4"})
            if i == 20:
                sim.heal()
                sim.crash_host("n5")
                nursery.start_soon(chatter, sim, "n5", nursery)
        nursery.cancel_scope.cancel()


async def sleeper(sim, i):
    """Share deadlines with others and record who comes first."""
    try:
        for _ in range(5):
            await trio.sleep(0.5)
            sim.trace(f"sleeper {i}")
        with trio.CancelScope(deadline=4):
            await trio.sleep_forever()
        sim.trace(f"sleeper {i} woken")
        await trio.sleep_forever()
    finally:
        sim.trace(f"sleeper {i} ends")


async def chatter(sim, name, nursery):
    host, disk = sim.network.host(name), sim.disk(name)
    listener = await host.listen(Address(name, 7022))
    nursery.start_soon(echo, listener, nursery)
    try:
        while host.alive:
            await one_talk(sim, host, disk)
            await trio.sleep(0.1)
    except OSError as error:
        sim.trace(f"{name} {error}")


async def one_talk(sim, host, disk):
    peer = sim.rng.choice([name for name in NAMES if name != host.name])
    await disk.append_synced("log", peer.encode())
    try:
        with trio.move_on_after(0.5):
            stream = await host.connect(Address(peer, 7022))
            for _ in range(5):
                stream.send_nowait(sim.rng.randbytes(random.randrange(1, 500)))
                sim.trace(f"{host.name} got {len(await stream.receive())}")
    except StreamBroken as error:
        sim.trace(str(error))


async def echo(listener, nursery):
    try:
        while True:
            stream, _ = await listener.accept()
            nursery.start_soon(answer, stream)
    except StreamBroken:
        return


async def answer(stream):
    try:
        while data := await stream.receive():
            stream.send_nowait(data)
    except StreamBroken:
        return


def hash_in_new_process(seed, hash_seed):
    root = Path(clusterkit.testing.__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, __file__, str(seed)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_two_processes_give_the_same_trace():
    hashes = {hash_in_new_process(7, hash_seed) for hash_seed in (1, 2)}
    assert hashes == {simulate(everything, seed=7).hash}


def test_the_same_seed_gives_the_same_lines(sim_seed):
    first, second = (simulate(everything, seed=sim_seed) for _ in range(2))
    assert first.lines == second.lines
    assert first == second


def test_another_seed_gives_another_trace():
    assert len({simulate(everything, seed=seed).hash for seed in range(5)}) == 5


def test_the_seed_decides_who_of_many_comes_first():
    async def main(sim):
        async with trio.open_nursery() as nursery:
            for i in range(10):
                nursery.start_soon(sleeper, sim, i)
            await trio.sleep(5)
            nursery.cancel_scope.cancel()

    orders = {simulate(main, seed=seed).lines for seed in range(5)}
    assert len(orders) == 5


def test_the_bytes_on_the_network_are_in_the_hash():
    async def main(sim, data):
        listener = await sim.network.host("a").listen(Address("a", 1))
        stream = await sim.network.host("b").connect(listener.address)
        stream.send_nowait(data)

    first, second = (
        simulate(lambda sim, data=data: main(sim, data)) for data in (b"one", b"two")
    )
    assert first.lines[:-1] == second.lines[:-1]
    assert first.hash != second.hash


def test_the_trace_has_virtual_times():
    async def main(sim):
        await trio.sleep(90)
        assert sim.now == 90.0
        sim.trace("here")
        await trio.sleep(10)

    trace = simulate(main)
    assert trace.lines[0] == "90.000000 here"
    assert trace.seconds == 100.0


def test_segments_travel_in_virtual_time():
    async def main(sim):
        listener = await sim.network.host("a").listen(Address("a", 1))
        ours = await sim.network.host("b").connect(listener.address)
        theirs, _ = await listener.accept()
        sim.delay("a", "b", 2.0)
        start = sim.now
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)
            nursery.start_soon(trio.sleep, 3)
            ours.send_nowait(b"x")
            await theirs.receive()
            assert sim.now - start == pytest.approx(2.0, abs=1e-5)
        assert sim.now - start == pytest.approx(3.0)

    simulate(main)


def test_time_stands_while_a_task_waits_for_all_to_block():
    async def main(sim):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 10)
            await trio.testing.wait_all_tasks_blocked()
            assert sim.now == 0.0

    simulate(main)


def test_drawing_from_rng_does_not_move_the_network():
    async def main(sim, draws):
        sim.rng.randbytes(draws)
        listener = await sim.network.host("a").listen(Address("a", 1))
        await sim.network.host("b").connect(listener.address)

    traces = {simulate(lambda sim, n=n: main(sim, n)).seconds for n in (1, 100)}
    assert len(traces) == 1


def test_a_failure_carries_its_seed_and_the_last_lines():
    async def main(sim):
        await trio.sleep(3)
        sim.trace("almost")
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        simulate(main, seed=99)
    (note,) = caught.value.__notes__
    assert "seed=99" in note
    assert "3.000000 almost" in note


def test_a_run_in_which_all_wait_for_ever_ends():
    async def main(sim):
        await trio.sleep_forever()

    with pytest.raises(trio.TooSlowError, match="wait for ever"):
        simulate(main)


def test_a_run_over_its_limit_ends():
    async def main(sim):
        for _ in range(20):
            await trio.sleep(1)

    with pytest.raises(trio.TooSlowError, match="10 virtual seconds"):
        simulate(main, limit=10)


@pytest.mark.parametrize("fails", [False, True])
def test_trio_and_random_are_left_as_they_were(fails):
    async def main(sim):
        random.randrange(10)
        if fails:
            raise ValueError

    def state():
        return (
            _run._r,
            _run._r.getstate(),
            _run._ALLOW_DETERMINISTIC_SCHEDULING,
            random.getstate(),
        )

    before = state()
    try:
        simulate(main)
    except ValueError:
        assert fails
    assert state() == before


def test_the_global_random_follows_the_seed():
    drawn = []

    async def main(sim):
        drawn.append(random.randrange(2**32))

    for seed in (1, 1, 2):
        simulate(main, seed=seed)
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_simulation_of_ones_own_surrounds_main():
    class Mine(Simulation):
        @asynccontextmanager
        async def running(self):
            self.trace("before")
            async with trio.open_nursery() as self.nursery:
                yield
                self.nursery.cancel_scope.cancel()
            self.trace("after")

    async def main(sim):
        sim.nursery.start_soon(trio.sleep_forever)
        sim.trace("main")

    lines = run(main, Mine(1)).lines
    assert [line.split()[1] for line in lines] == ["before", "main", "after", "end:"]


def test_a_host_that_crashes_keeps_its_disk():
    async def main(sim):
        disk, host = sim.disk("a"), sim.network.host("a")
        await disk.replace_atomically("file", b"kept")
        await disk.lock("file")
        sim.crash_host("a")
        assert not host.alive
        assert sim.disk("a") is not disk
        await sim.disk("a").lock("file")
        assert await sim.disk("a").read("file") == b"kept"

    simulate(main)


@given(st.integers())
def test_a_simulation_runs_inside_a_property(seed):
    async def main(sim):
        await trio.sleep(sim.rng.random())
        sim.trace(str(random.randrange(2**32)))

    assert simulate(main, seed=seed) == simulate(main, seed=seed)


if __name__ == "__main__":
    sys.stdout.write(simulate(everything, seed=int(sys.argv[1])).hash + "\n")
