"""A disk in memory that forgets what was not synced, and fails on order.

Here lives the seam `Disk` of `clusterkit.net.transport`. Nothing here knows
what the files mean. Invariant: after a crash a replaced file is the old or
the new one, never a mixture, and an appended one has at most a torn tail.
"""

from __future__ import annotations

import errno
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import trio

from clusterkit.errors import StateInUse
from clusterkit.frozen import frozen


@dataclass(slots=True)
class _Platter:
    """What outlives the processes that use it."""

    rng: Random
    latency: float
    capacity: int | None
    files: dict[str, bytes] = field(default_factory=dict)
    locks: dict[str, MemoryDisk] = field(default_factory=dict)


@frozen
class _Write:
    """A write that is under way."""

    path: str
    data: bytes
    appends: bool

    def old(self, files: dict[str, bytes]) -> bytes:
        """Return what the written data is appended to."""
        return files.get(self.path, b"") if self.appends else b""


class MemoryDisk:
    """A disk as one process sees it, for the life of that process.

    `crash` ends that life and gives the disk of the next one. What is on the
    platter stays; locks and what was under way go.

    Args:
        rng: Where chance comes from: what a crash leaves, how long a write
            takes.
        latency: Seconds that a write takes, give or take a half of it.
        capacity: Bytes that fit; None for no bound. Replacing a file needs
            room for the new one beside the old.
    """

    def __init__(
        self,
        rng: Random | None = None,
        *,
        latency: float = 0.0,
        capacity: int | None = None,
    ) -> None:
        rng = rng or Random(0)  # noqa: S311 - a simulation, no secret
        self._platter = _Platter(rng, latency, capacity)
        self._alive = True
        self._under_way: _Write | None = None
        # One writer, as the real disk has one thread.
        self._one_writer = trio.Lock()
        self._failures: dict[str, deque[OSError]] = {"read": deque(), "write": deque()}

    def __repr__(self) -> str:
        return f"<MemoryDisk {sorted(self.files)} {'live' if self._alive else 'dead'}>"

    @property
    def files(self) -> dict[str, bytes]:
        """What is on the platter, by path; change it to wipe or to corrupt."""
        return self._platter.files

    @property
    def capacity(self) -> int | None:
        """Bytes that fit; set it to fill the disk up."""
        return self._platter.capacity

    @capacity.setter
    def capacity(self, size: int | None) -> None:
        self._platter.capacity = size

    def fail_next(
        self, error: OSError, operation: Literal["read", "write"] = "write"
    ) -> None:
        """Let the next `operation` raise `error`.

        Several add up, first in, first out. An append that fails leaves a
        seeded beginning of its data; a replacement leaves the old file.
        """
        self._failures[operation].append(error)

    def crash(self) -> MemoryDisk:
        """End this process's life; return the disk as the next one finds it.

        A replacement under way has happened or not, by seed; an append left
        a seeded beginning of its data. From now on all calls here raise.
        """
        self._alive = False
        if self._under_way is not None:
            self._tear(self._under_way)
            self._under_way = None
        for path in list(self._platter.locks):
            self.unlock(path)
        return self.share()

    def share(self) -> MemoryDisk:
        """Return the same disk as another process sees it at the same time."""
        other = MemoryDisk()
        other._platter = self._platter
        return other

    async def lock(self, path: str) -> None:
        """Take `path` for the life of this process, until `unlock` or `crash`.

        Raises:
            StateInUse: It is taken, by this process or another.
            OSError: The process has crashed.

        Cancellation:
            Nothing is taken.
        """
        await trio.lowlevel.checkpoint()
        self._check_alive()
        if path in self._platter.locks:
            raise StateInUse(f"{path} is in use; stop that node or use another path")
        self._platter.locks[path] = self

    def unlock(self, path: str) -> None:
        """Give back the lock of `path`, if this process has it."""
        if self._platter.locks.get(path) is self:
            del self._platter.locks[path]

    async def read(self, path: str) -> bytes | None:
        """Return the content of `path`, None when there is no such file.

        Raises:
            OSError: Ordered by `fail_next`, or the process has crashed.

        Cancellation:
            Nothing is read, and no ordered failure is used up.
        """
        await trio.lowlevel.checkpoint()
        self._check_alive()
        self._raise_ordered("read")
        return self.files.get(path)

    async def replace_atomically(self, path: str, data: bytes) -> None:
        """Write `data` to `path` so that a crash leaves the old or the new, synced.

        Raises:
            OSError: Full, ordered by `fail_next`, or the process has crashed.

        Cancellation:
            As in a thread: once begun it goes on to its end.
        """
        await self._write(_Write(path, bytes(data), appends=False))

    async def append_synced(self, path: str, data: bytes) -> None:
        """Append `data` to the file at `path` and sync it.

        Raises:
            OSError: Full, ordered by `fail_next`, or the process has crashed;
                a torn tail may stand.

        Cancellation:
            As in a thread: once begun it goes on to its end.
        """
        await self._write(_Write(path, bytes(data), appends=True))

    async def _write(self, write: _Write) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            async with self._one_writer:
                self._check_alive()
                self._under_way = write
                latency = self._platter.latency * (0.5 + self._platter.rng.random())
                await trio.sleep(latency)
                self._check_alive()
                self._under_way = None
                self._finish(write)

    def _finish(self, write: _Write) -> None:
        if self._failures["write"]:
            if write.appends:
                self._tear(write)
            self._raise_ordered("write")
        room = self._room()
        if len(write.data) <= room:
            self._store(write, len(write.data))
            return
        if write.appends:
            self._store(write, int(room))
        raise OSError(errno.ENOSPC, "no space left on the simulated disk", write.path)

    def _room(self) -> float:
        if self.capacity is None:
            return float("inf")
        return max(0, self.capacity - sum(map(len, self.files.values())))

    def _tear(self, write: _Write) -> None:
        """Leave what a crash in the middle may leave."""
        rng = self._platter.rng
        if write.appends:
            self._store(write, rng.randint(0, len(write.data)))
        elif rng.random() < 0.5:
            self._store(write, len(write.data))

    def _store(self, write: _Write, size: int) -> None:
        self.files[write.path] = write.old(self.files) + write.data[:size]

    def _raise_ordered(self, operation: Literal["read", "write"]) -> None:
        if self._failures[operation]:
            raise self._failures[operation].popleft()

    def _check_alive(self) -> None:
        if not self._alive:
            raise OSError(errno.EIO, "the process of this disk has crashed")
