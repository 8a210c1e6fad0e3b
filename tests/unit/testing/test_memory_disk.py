"""The simulated disk keeps what was synced, loses what was not, and fails on order."""

from __future__ import annotations

import errno
from random import Random

import pytest
import trio
from trio.testing import MockClock

from clusterkit.errors import StateInUse
from clusterkit.testing import MemoryDisk


def play(main, *args):
    return trio.run(main, *args, clock=MockClock(autojump_threshold=0))


async def crash_while(disk, write, *args, after=0.1):
    """Crash the disk while a write is under way; return that of the next life."""

    async def dying():
        with pytest.raises(OSError, match="crashed"):
            await write(*args)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dying)
        await trio.sleep(after)
        return disk.crash()


def test_an_absent_file_reads_as_none():
    async def main():
        assert await MemoryDisk().read("absent") is None

    play(main)


def test_an_empty_file_is_not_an_absent_one():
    async def main():
        disk = MemoryDisk()
        await disk.replace_atomically("file", b"")
        assert await disk.read("file") == b""

    play(main)


def test_a_replacement_is_read_back():
    async def main():
        disk = MemoryDisk()
        await disk.replace_atomically("file", b"old")
        await disk.replace_atomically("file", b"new")
        assert await disk.read("file") == b"new"

    play(main)


def test_appends_add_up():
    async def main():
        disk = MemoryDisk()
        await disk.append_synced("file", b"one")
        await disk.append_synced("file", b"two")
        assert await disk.read("file") == b"onetwo"

    play(main)


def test_what_was_written_is_a_copy():
    async def main():
        disk = MemoryDisk()
        data = bytearray(b"before")
        await disk.replace_atomically("file", data)
        data[:] = b"after!"
        assert await disk.read("file") == b"before"

    play(main)


def test_a_write_takes_about_the_latency():
    async def main():
        disk = MemoryDisk(Random(1), latency=1.0)
        times = []
        for _ in range(20):
            start = trio.current_time()
            await disk.append_synced("file", b"x")
            times.append(trio.current_time() - start)
        assert all(0.5 <= seconds <= 1.5 for seconds in times)
        assert max(times) - min(times) > 0.3

    play(main)


def test_writes_go_one_after_the_other():
    async def main():
        disk = MemoryDisk(latency=1.0)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(disk.append_synced, "file", b"x")
            await trio.sleep(1.51)
            assert len(disk.files["file"]) in {1, 2}
        assert trio.current_time() > 1.6

    play(main)


def test_a_write_begun_is_not_torn_by_cancellation():
    async def main():
        disk = MemoryDisk(latency=1.0)
        with trio.move_on_after(0.1):
            await disk.replace_atomically("file", b"whole")
        assert disk.files == {"file": b"whole"}

    play(main)


def test_a_write_after_cancellation_does_not_begin():
    async def main():
        disk = MemoryDisk()
        with trio.CancelScope() as scope:
            scope.cancel()
            await disk.replace_atomically("file", b"x")
        assert disk.files == {}

    play(main)


# Crashes


def test_what_was_synced_survives_a_crash():
    async def main():
        disk = MemoryDisk()
        await disk.replace_atomically("file", b"kept")
        assert await disk.crash().read("file") == b"kept"

    play(main)


def test_a_crash_after_an_append_does_not_repeat_it():
    async def main(seed):
        disk = MemoryDisk(Random(seed))
        await disk.append_synced("file", b"once")
        return await disk.crash().read("file")

    assert {play(main, seed) for seed in range(10)} == {b"once"}


def test_a_crash_leaves_the_old_or_the_new():
    async def main(seed):
        disk = MemoryDisk(Random(seed), latency=1.0)
        disk.files["file"] = b"old"
        disk = await crash_while(disk, disk.replace_atomically, "file", b"new")
        return await disk.read("file")

    assert {play(main, seed) for seed in range(20)} == {b"old", b"new"}


def test_a_crash_leaves_a_torn_tail_of_an_append():
    async def main(seed):
        disk = MemoryDisk(Random(seed), latency=1.0)
        disk.files["file"] = b"old"
        disk = await crash_while(disk, disk.append_synced, "file", b"1234")
        return await disk.read("file")

    left = {play(main, seed) for seed in range(50)}
    assert left == {b"old", b"old1", b"old12", b"old123", b"old1234"}


def test_a_write_that_waited_for_its_turn_leaves_nothing():
    async def main():
        disk = MemoryDisk(latency=1.0)
        async with trio.open_nursery() as nursery:
            for path in ("first", "second"):
                nursery.start_soon(crash_while, disk, disk.append_synced, path, b"x")
        assert len(disk.files) <= 1

    play(main)


def test_after_a_crash_the_dying_process_writes_nothing():
    async def main():
        disk = MemoryDisk(latency=1.0)
        disk.crash()
        for call in (
            disk.replace_atomically("file", b"x"),
            disk.append_synced("file", b"x"),
            disk.read("file"),
            disk.lock("file"),
        ):
            with pytest.raises(OSError, match="crashed"):
                await call
        assert disk.files == {}
        assert trio.current_time() == 0.0

    play(main)


# Locks


def test_a_lock_is_refused_while_another_process_holds_it():
    async def main():
        disk = MemoryDisk()
        await disk.lock("file")
        with pytest.raises(StateInUse, match="file"):
            await disk.share().lock("file")
        await disk.share().lock("other")

    play(main)


def test_a_lock_is_refused_to_its_own_holder():
    async def main():
        disk = MemoryDisk()
        await disk.lock("file")
        with pytest.raises(StateInUse):
            await disk.lock("file")

    play(main)


def test_unlock_gives_a_lock_back():
    async def main():
        disk = MemoryDisk()
        await disk.lock("file")
        disk.unlock("file")
        disk.unlock("unknown")
        await disk.share().lock("file")

    play(main)


def test_only_the_holder_can_unlock():
    async def main():
        disk = MemoryDisk()
        await disk.lock("file")
        other = disk.share()
        other.unlock("file")
        with pytest.raises(StateInUse):
            await other.lock("file")

    play(main)


def test_a_crash_frees_its_own_locks_only():
    async def main():
        disk = MemoryDisk()
        other = disk.share()
        await disk.lock("ours")
        await other.lock("theirs")
        disk = disk.crash()
        await disk.lock("ours")
        with pytest.raises(StateInUse):
            await disk.lock("theirs")

    play(main)


# Failures


def test_an_ordered_failure_hits_the_next_write_once():
    async def main():
        disk = MemoryDisk()
        await disk.replace_atomically("file", b"old")
        disk.fail_next(OSError(errno.EIO, "scratched"))
        assert await disk.read("file") == b"old"
        with pytest.raises(OSError, match="scratched"):
            await disk.replace_atomically("file", b"new")
        assert await disk.read("file") == b"old"
        await disk.replace_atomically("file", b"new")
        assert await disk.read("file") == b"new"

    play(main)


def test_ordered_failures_come_in_order():
    async def main():
        disk = MemoryDisk()
        for text in ("first", "second"):
            disk.fail_next(OSError(text))
        for text in ("first", "second"):
            with pytest.raises(OSError, match=text):
                await disk.replace_atomically("file", b"x")

    play(main)


def test_a_failed_append_leaves_a_torn_tail():
    async def main(seed):
        disk = MemoryDisk(Random(seed))
        disk.files["file"] = b"old"
        disk.fail_next(OSError(errno.EIO, "scratched"))
        with pytest.raises(OSError, match="scratched"):
            await disk.append_synced("file", b"12")
        return await disk.read("file")

    assert {play(main, seed) for seed in range(30)} == {b"old", b"old1", b"old12"}


def test_a_read_can_fail_too():
    async def main():
        disk = MemoryDisk()
        disk.fail_next(OSError(errno.EIO, "scratched"), "read")
        await disk.replace_atomically("file", b"x")
        with pytest.raises(OSError, match="scratched"):
            await disk.read("file")
        assert await disk.read("file") == b"x"

    play(main)


def test_a_full_disk_keeps_the_old_file():
    async def main():
        disk = MemoryDisk(capacity=10)
        await disk.replace_atomically("file", b"123456")
        with pytest.raises(OSError, match="no space") as caught:
            await disk.replace_atomically("file", b"abcdef")
        assert caught.value.errno == errno.ENOSPC
        assert await disk.read("file") == b"123456"

    play(main)


def test_an_append_to_a_full_disk_leaves_what_fitted():
    async def main():
        disk = MemoryDisk(capacity=10)
        await disk.append_synced("file", b"123456")
        with pytest.raises(OSError, match="no space"):
            await disk.append_synced("file", b"abcdef")
        assert await disk.read("file") == b"123456abcd"

    play(main)


def test_a_disk_with_room_again_writes_again():
    async def main():
        disk = MemoryDisk(capacity=0)
        with pytest.raises(OSError, match="no space"):
            await disk.replace_atomically("file", b"x")
        disk.capacity = None
        await disk.replace_atomically("file", b"x")

    play(main)
