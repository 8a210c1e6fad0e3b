"""Delay and loss change when bytes arrive, never which or in what order."""

from __future__ import annotations

from random import Random

import pytest
import trio
from hypothesis import given, strategies as st

from clusterkit.testing import MemoryNetwork

from .pairs import JITTER, is_silent, open_pair, play, reading, receive_exactly


def test_a_segment_arrives_after_the_delay():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 2.0)
        ours.send_nowait(b"x")
        await theirs.receive()
        assert trio.current_time() == pytest.approx(2.0, abs=JITTER)

    play(main)


def test_an_earlier_delivery_is_not_held_up_by_a_later_one():
    async def main():
        network = MemoryNetwork()
        slow, _ = await open_pair(network, "a", "b")
        quick, theirs = await open_pair(network, "a", "c")
        network.delay("a", "b", 5.0)
        network.delay("a", "c", 1.0)
        slow.send_nowait(b"slow")
        await trio.sleep(0.5)
        quick.send_nowait(b"quick")
        await theirs.receive()
        assert trio.current_time() == pytest.approx(1.5, abs=JITTER)

    play(main)


def test_order_is_kept_when_the_delay_falls():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 2.0)
        ours.send_nowait(b"first")
        network.delay("a", "b", 0.0)
        ours.send_nowait(b"second")
        assert await receive_exactly(theirs, 11) == b"firstsecond"

    play(main)


def test_spread_varies_the_delay_within_its_bounds():
    async def main():
        network = MemoryNetwork(Random(3))
        network.delay("a", "b", 1.0, spread=1.0)
        times = []
        for _ in range(20):
            ours, theirs = await open_pair(network)
            start = trio.current_time()
            ours.send_nowait(b"x")
            await theirs.receive()
            times.append(trio.current_time() - start)
        assert all(1.0 <= seconds <= 2.0 + JITTER for seconds in times)
        assert max(times) - min(times) > 0.3

    play(main)


def test_everywhere_holds_for_old_and_new_pairs():
    async def main():
        network = MemoryNetwork()
        old, old_end = await open_pair(network)
        network.everywhere(delay=1.0)
        new, new_end = await open_pair(network, "c", "d")
        start = trio.current_time()
        for ours, theirs in ((old, old_end), (new, new_end)):
            ours.send_nowait(b"x")
            await theirs.receive()
        assert trio.current_time() - start == pytest.approx(2.0, abs=JITTER)

    play(main)


def test_a_lost_segment_comes_after_200_ms_that_double():
    async def main():
        network = MemoryNetwork(Random(5))
        ours, theirs = await open_pair(network)
        network.loss("a", "b", 0.6)
        waits = set()
        for _ in range(40):
            start = trio.current_time()
            ours.send_nowait(b"x")
            await theirs.receive()
            waits.add(round(trio.current_time() - start, 4))
        assert waits >= {0.0, 0.2, 0.6, 1.4}
        assert waits <= {round(0.2 * (2**k - 1), 4) for k in range(12)}

    play(main)


def test_a_lost_dial_is_repeated_after_a_second():
    async def main():
        network = MemoryNetwork(Random(4))
        network.loss("a", "b", 0.3)
        times = set()
        for _ in range(20):
            start = trio.current_time()
            await open_pair(network)
            times.add(round(trio.current_time() - start, 4))
        assert times > {0.0, 1.0, 3.0}

    play(main)


@pytest.mark.parametrize("order", [("delay", "loss"), ("loss", "delay")])
def test_delay_and_loss_of_a_pair_hold_together(order):
    async def main():
        network = MemoryNetwork(Random(1))
        ours, theirs = await open_pair(network)
        for verb in order:
            getattr(network, verb)("a", "b", {"delay": 1.0, "loss": 0.5}[verb])
        waits = []
        for _ in range(20):
            start = trio.current_time()
            ours.send_nowait(b"x")
            await theirs.receive()
            waits.append(trio.current_time() - start)
        assert min(waits) == pytest.approx(1.0, abs=JITTER)
        assert max(waits) > 1.1

    play(main)


def test_segments_wait_behind_a_lost_one():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.loss("a", "b", 0.999)
        ours.send_nowait(b"lost")
        network.loss("a", "b", 0.0)
        ours.send_nowait(b"behind")
        assert await is_silent(theirs, 0.1)
        assert await receive_exactly(theirs, 10) == b"lostbehind"

    play(main)


def test_loss_is_as_frequent_as_asked():
    async def main():
        network = MemoryNetwork(Random(2))
        ours, theirs = await open_pair(network)
        network.loss("a", "b", 0.1)
        late = 0
        for _ in range(1000):
            start = trio.current_time()
            ours.send_nowait(b"x")
            await theirs.receive()
            late += trio.current_time() - start > 0.1
        assert 70 <= late <= 130

    play(main)


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_an_impossible_loss_is_refused(p):
    with pytest.raises(ValueError, match="probability"):
        MemoryNetwork().loss("a", "b", p)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_an_impossible_delay_is_refused(seconds):
    with pytest.raises(ValueError, match="delay"):
        MemoryNetwork().delay("a", "b", seconds)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 300)),
        st.tuples(st.just("sleep"), st.floats(0, 2)),
        st.tuples(st.just("delay"), st.floats(0, 1)),
        st.tuples(st.just("loss"), st.floats(0, 0.9)),
        st.tuples(st.just("partition"), st.none()),
        st.tuples(st.just("heal"), st.none()),
    ),
    max_size=40,
)


@given(steps, st.integers(0, 2**32))
def test_whatever_the_route_does_all_bytes_arrive_in_order(steps, seed):
    async def main():
        network = MemoryNetwork(Random(seed), short=0.3, buffer=500)
        ours, theirs = await open_pair(network)
        content = Random(seed)
        sent = b""
        async with reading(theirs) as arrived:
            for verb, argument in steps:
                if verb == "send":
                    data = content.randbytes(argument)
                    sent += data[: ours.send_nowait(data)]
                elif verb == "sleep":
                    await trio.sleep(argument)
                elif verb == "partition":
                    network.partition({"a"}, {"b"})
                elif verb == "heal":
                    network.heal()
                else:
                    getattr(network, verb)("a", "b", argument)
            network.heal()
            await trio.sleep(86_000)
        assert b"".join(arrived) == sent

    play(main)
