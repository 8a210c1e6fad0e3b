"""A simulated stream keeps what TCP promises to both its ends."""

from __future__ import annotations

from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from clusterkit.testing.network import BUFFER

from .pairs import open_pair, play, receive_exactly


def test_bytes_arrive_in_order():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        for word in (b"one", b"two", b"three"):
            assert ours.send_nowait(word) == len(word)
        assert await receive_exactly(theirs, 11) == b"onetwothree"

    play(main)


def test_both_directions_are_independent():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        ours.send_nowait(b"there")
        theirs.send_nowait(b"back")
        assert await theirs.receive() == b"there"
        assert await ours.receive() == b"back"

    play(main)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_was_handed_over_is_a_copy(kind):
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        buffer = bytearray(b"before")
        ours.send_nowait(kind(buffer))
        buffer[:] = b"after!"
        assert await theirs.receive() == b"before"

    play(main)


def test_a_write_takes_only_what_fits():
    async def main():
        ours, _ = await open_pair(MemoryNetwork())
        assert ours.send_nowait(bytes(BUFFER - 10)) == BUFFER - 10
        assert ours.send_nowait(bytes(100)) == 10
        assert ours.send_nowait(bytes(100)) == 0

    play(main)


def test_reading_makes_room():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork(buffer=10))
        ours.send_nowait(bytes(10))
        await theirs.receive()
        assert ours.send_nowait(bytes(100)) == 10

    play(main)


def test_bytes_under_way_take_room():
    async def main():
        network = MemoryNetwork(buffer=10)
        network.delay("a", "b", 1.0)
        ours, _ = await open_pair(network)
        ours.send_nowait(bytes(10))
        assert ours.send_nowait(b"x") == 0

    play(main)


def test_wait_writable_waits_for_room():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork(buffer=10))
        ours.send_nowait(bytes(10))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.wait_writable)
            await wait_all_tasks_blocked()
            assert nursery.child_tasks
            await theirs.receive()
        assert ours.send_nowait(b"x") == 1

    play(main)


def test_wait_writable_returns_at_once_when_there_is_room():
    async def main():
        ours, _ = await open_pair(MemoryNetwork())
        with trio.fail_after(0.1):
            await ours.wait_writable()

    play(main)


def test_the_end_comes_after_the_last_byte():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        ours.send_nowait(b"last")
        ours.close()
        assert await theirs.receive() == b"last"
        assert await theirs.receive() == b""
        assert await theirs.receive() == b""

    play(main)


def test_the_end_travels_no_faster_than_the_bytes():
    async def main():
        network = MemoryNetwork()
        ours, theirs = await open_pair(network)
        network.delay("a", "b", 1.0)
        ours.send_nowait(b"last")
        network.delay("a", "b", 0.0)
        ours.close()
        assert await theirs.receive() == b"last"
        assert await theirs.receive() == b""

    play(main)


def test_writing_to_a_closed_peer_breaks_the_stream():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        theirs.close()
        ours.send_nowait(b"into the void")
        with pytest.raises(StreamBroken):
            ours.send_nowait(b"again")

    play(main)


def test_closing_with_unread_bytes_resets_the_peer():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        ours.send_nowait(b"unread")
        theirs.close()
        with pytest.raises(StreamBroken):
            await ours.receive()

    play(main)


def test_a_closed_stream_refuses_everything():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        theirs.send_nowait(b"unread")
        ours.close()
        ours.close()
        with pytest.raises(StreamBroken, match="closed"):
            ours.send_nowait(b"x")
        with pytest.raises(StreamBroken, match="closed"):
            await ours.receive()
        with pytest.raises(StreamBroken, match="closed"):
            await ours.wait_writable()

    play(main)


@pytest.mark.parametrize("wait", ["receive", "wait_writable"])
def test_closing_breaks_the_task_that_waits_here(wait):
    async def main():
        ours, _ = await open_pair(MemoryNetwork(buffer=10))
        ours.send_nowait(bytes(10))

        async def waiting():
            with pytest.raises(StreamBroken):
                await getattr(ours, wait)()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiting)
            await wait_all_tasks_blocked()
            ours.close()

    play(main)


def test_a_writer_that_waits_returns_when_the_stream_breaks():
    async def main():
        network = MemoryNetwork(buffer=10)
        ours, _ = await open_pair(network)
        ours.send_nowait(bytes(10))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.wait_writable)
            await wait_all_tasks_blocked()
            network.cut("a", "b")
        with pytest.raises(StreamBroken):
            ours.send_nowait(b"x")

    play(main)


def test_a_second_reader_is_refused():
    async def main():
        ours, _ = await open_pair(MemoryNetwork())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.receive)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await ours.receive()
            nursery.cancel_scope.cancel()

    play(main)


def test_a_cancelled_receive_loses_nothing():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork())
        with trio.move_on_after(1):
            await theirs.receive()
        ours.send_nowait(b"later")
        assert await theirs.receive() == b"later"

    play(main)


def test_short_makes_writes_and_reads_partial():
    async def main():
        ours, theirs = await open_pair(MemoryNetwork(Random(1), short=0.999))
        sizes = {ours.send_nowait(bytes(50)) for _ in range(20)}
        assert len(sizes) > 5
        assert all(0 < size < 50 for size in sizes)
        total = BUFFER - ours.outgoing.room
        first = len(await theirs.receive())
        assert 0 < first < total
        assert len(await receive_exactly(theirs, total - first)) == total - first

    play(main)
