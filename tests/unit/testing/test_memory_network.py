"""Cuts and partitions do to streams what TCP lets them do."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.names import Address
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork

from .pairs import JITTER, PORT, breaks, is_silent, open_pair, play, receive_exactly

# Cuts


def test_a_cut_resets_both_ends():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.cut("a", "b")
        for stream in (ours, theirs):
            with pytest.raises(StreamBroken, match="cut"):
                await stream.receive()
            with pytest.raises(StreamBroken, match="cut"):
                stream.send_nowait(b"x")

    play(main)


def test_a_cut_names_the_hosts_in_either_order():
    async def main():
        network = MemoryNetwork()
        ours, _ = await open_pair(network)
        network.cut("b", "a")
        with pytest.raises(StreamBroken):
            await ours.receive()

    play(main)


def test_a_cut_spares_other_streams():
    async def main():
        network = MemoryNetwork()
        await open_pair(network)
        ours, theirs = await open_pair(network, "a", "c")
        network.cut("a", "b")
        ours.send_nowait(b"still here")
        assert await theirs.receive() == b"still here"

    play(main)


def test_after_a_cut_a_new_stream_can_be_opened():
    async def main():
        network = MemoryNetwork()
        await open_pair(network)
        network.cut("a", "b")
        ours, theirs = await open_pair(network)
        ours.send_nowait(b"anew")
        assert await theirs.receive() == b"anew"

    play(main)


@pytest.mark.parametrize("delay", [0.0, 1.0])
def test_a_cut_leaves_a_seeded_beginning_of_what_was_unread(delay):
    async def main(seed):
        network = MemoryNetwork(Random(seed))
        ours, theirs = await open_pair(network)
        network.delay("a", "b", delay)
        ours.send_nowait(b"0123")
        ours.send_nowait(b"4567")
        network.cut("a", "b")
        return await breaks(theirs)

    left = {play(main, seed) for seed in range(60)}
    assert all(b"01234567".startswith(data) for data in left)
    assert {b"", b"01234567"} < left
    assert any(len(data) % 4 for data in left)


def test_a_half_open_cut_is_silent_for_ever():
    async def main():
        network = MemoryNetwork(buffer=100)
        ours, theirs = await open_pair(network)
        ours.send_nowait(b"read")
        network.delay("a", "b", 1.0)
        ours.send_nowait(b"under way")
        network.cut("a", "b", half_open=True)
        assert ours.send_nowait(bytes(200)) == 87
        assert await theirs.receive() == b"read"
        assert ours.send_nowait(b"x") == 0
        assert await is_silent(theirs)
        theirs.close()
        assert await is_silent(ours, 3600)

    play(main)


def test_an_abort_tells_one_end_only():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.abort("b", "a")
        with pytest.raises(StreamBroken):
            await theirs.receive()
        ours.send_nowait(b"x")
        assert await is_silent(ours)

    play(main)


# Partitions


def test_a_partition_is_silent_and_a_heal_brings_the_bytes():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.partition({"a"}, {"b"})
        ours.send_nowait(b"first ")
        await trio.sleep(1)
        ours.send_nowait(b"second")
        assert await is_silent(theirs, 9)
        network.heal()
        assert await receive_exactly(theirs, 12) == b"first second"

    play(main)


def test_after_a_heal_bytes_wait_for_the_next_retransmission():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.partition({"a"}, {"b"})
        ours.send_nowait(b"x")
        await trio.sleep(3.5)
        network.heal()
        await theirs.receive()
        # Tries at 0, 0.2, 0.6, 1.4, 3.0 and 6.2 s.
        assert trio.current_time() == pytest.approx(6.2, abs=JITTER)

    play(main)


def test_a_second_partition_counts_its_own_silence():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        for start in (0, 10):
            await trio.sleep_until(start)
            network.partition({"a"}, {"b"})
            ours.send_nowait(b"x")
            await trio.sleep(1.0)
            network.heal()
            await theirs.receive()
            assert trio.current_time() - start == pytest.approx(1.4, abs=JITTER)

    play(main)


def test_a_partition_shorter_than_the_delay_holds_nothing_up():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 1.0)
        ours.send_nowait(b"x")
        network.partition({"a"}, {"b"})
        await trio.sleep(0.9)
        network.heal()
        await theirs.receive()
        assert trio.current_time() == pytest.approx(1.0, abs=JITTER)

    play(main)


def test_a_partition_catches_segments_under_way():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 1.0)
        ours.send_nowait(b"x")
        await trio.sleep(0.5)
        network.partition({"a"}, {"b"})
        assert await is_silent(theirs, 10)
        network.heal()
        assert await theirs.receive() == b"x"

    play(main)


def test_in_a_partition_writes_fill_the_buffer():
    async def main():
        network = MemoryNetwork(buffer=10)
        ours, _ = await open_pair(network)
        network.partition({"a"}, {"b"})
        assert ours.send_nowait(bytes(20)) == 10
        assert ours.send_nowait(bytes(20)) == 0

    play(main)


def test_acknowledgements_do_not_cross_a_partition():
    async def main():
        network = MemoryNetwork(buffer=10)
        ours, theirs = await open_pair(network)
        ours.send_nowait(bytes(10))
        network.partition({"a"}, {"b"})
        await theirs.receive()
        assert ours.send_nowait(b"x") == 0
        network.heal()
        assert ours.send_nowait(b"x") == 1

    play(main)


def test_an_end_is_held_up_by_a_partition():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.partition({"a"}, {"b"})
        ours.close()
        assert await is_silent(theirs)
        network.heal()
        assert await theirs.receive() == b""

    play(main)


def test_connecting_across_a_partition_hangs_until_it_heals():
    async def main():
        network = MemoryNetwork()
        await network.host("b").listen(Address("b", PORT))
        network.partition({"a"}, {"b"})
        with trio.move_on_after(2) as scope:
            await network.host("a").connect(Address("b", PORT))
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.host("a").connect, Address("b", PORT))
            await trio.sleep(2)
            network.heal()
        # Tries at 2, 3 and 5 s.
        assert trio.current_time() == pytest.approx(5.0, abs=JITTER)

    play(main)


def test_a_partition_catches_a_dial_under_way():
    async def main():
        network = MemoryNetwork()
        network.delay("a", "b", 1.0)
        await network.host("b").listen(Address("b", PORT))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.host("a").connect, Address("b", PORT))
            await trio.sleep(0.5)
            network.partition({"a"}, {"b"})
            await trio.sleep(5)
            assert nursery.child_tasks
            network.heal()

    play(main)


def test_connecting_gives_up_in_the_end():
    async def main():
        network = MemoryNetwork()
        await network.host("b").listen(Address("b", PORT))
        network.partition({"a"}, {"b"})
        with pytest.raises(StreamBroken, match="did not answer"):
            await network.host("a").connect(Address("b", PORT))
        assert trio.current_time() == pytest.approx(127.0)

    play(main)


@pytest.mark.parametrize(
    ("groups", "pair", "reach"),
    [
        ([{"a", "b"}, {"c"}], "ab", True),
        ([{"a", "b"}, {"c"}], "bc", False),
        ([{"a"}], "ab", False),  # those in no group are one group more
        ([{"a"}], "bc", True),
        ([{"a"}, {"b"}], "ac", False),
        ([{"a", "b"}, {"b", "c"}], "ac", False),  # b is a bridge
        ([{"a", "b"}, {"b", "c"}], "bc", True),
        ([{"a"}], "aa", True),
    ],
)
def test_hosts_reach_each_other_only_within_a_group(groups, pair, reach):
    async def main():
        network = MemoryNetwork()
        network.partition(*groups)
        ours, theirs = await open_pair(network, *pair) if reach else (None, None)
        if not reach:
            network.heal()
            ours, theirs = await open_pair(network, *pair)
            network.partition(*groups)
        ours.send_nowait(b"x")
        assert await is_silent(theirs) is not reach

    play(main)


def test_a_partition_replaces_the_one_before():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.partition({"a"}, {"b"})
        network.partition({"a", "b"}, {"c"})
        ours.send_nowait(b"x")
        assert await theirs.receive() == b"x"

    play(main)


def test_a_wall_stops_dials_from_one_side_only():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.wall("a", "b")
        with trio.move_on_after(10) as scope:
            await open_pair(network, "a", "b")
        assert scope.cancelled_caught
        await open_pair(network, "b", "a")
        ours.send_nowait(b"open ones go on")
        assert await theirs.receive() == b"open ones go on"
        network.wall("a", "b", up=False)
        await open_pair(network, "a", "b")

    play(main)


# The whole


def test_statistics_count_what_was_carried():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        ours.send_nowait(b"123")
        theirs.send_nowait(b"45")
        statistics = network.statistics()
        assert (statistics.segments, statistics.bytes) == (2, 5)
        assert statistics.streams == 2

    play(main)


def test_nothing_is_kept_of_streams_that_are_over():
    async def main():
        network = MemoryNetwork()
        network.delay("a", "b", 0.1)
        for _ in range(5):
            ours, theirs = await open_pair(network)
            ours.send_nowait(b"bye")
            ours.close()
            await receive_exactly(theirs, 3)
            theirs.close()
        assert network.statistics().streams == 0
        assert not network.route("a", "b").pipes
        assert not network.route("b", "a").pipes

    play(main)
