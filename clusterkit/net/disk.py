"""The real disk: a few small files, whole or not at all.

See `transport.Disk` for the promises. Every call runs in a thread, one at a
time, so that two writes never meet in one temporary file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from clusterkit.errors import StateInUse

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

MAX_FILE: Final = 64 * 1024 * 1024
"""Bytes of the largest file that is read: what a full ring's state needs, some
times over, and no more than a node can take in."""


class FileDisk:
    """Files under the paths they are given; see `transport.Disk`."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)
        self._locks: dict[str, int] = {}

    async def lock(self, path: str) -> None:
        """Take `path` by an advisory lock on `path.lock`, until `unlock`.

        The lock is the kernel's (flock), so a killed process holds nothing.
        """
        self._locks[path] = await self._run(_lock, Path(f"{path}.lock"))

    def unlock(self, path: str) -> None:
        """Give back what `lock` took; unknown paths are ignored."""
        descriptor = self._locks.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    async def read(self, path: str) -> bytes | None:
        """Return the content, None when there is no such file."""
        return await self._run(_read, Path(path))

    async def replace_atomically(self, path: str, data: bytes) -> None:
        """Write `data` so that a crash leaves the old or the new, synced."""
        await self._run(_replace, Path(path), data)

    async def append_synced(self, path: str, data: bytes) -> None:
        """Append `data` and sync it."""
        await self._run(_append, Path(path), data)

    async def _run(self, function: Callable[..., R], *args: object) -> R:
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter)


def _lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):  # a file system without locks
            raise
        raise StateInUse(
            f"another process uses {path.with_suffix('')}; stop it, or give this "
            "node a state path of its own"
        ) from None
    return descriptor


def read_regular(path: Path, most: int) -> tuple[bytes, int]:
    """Return the content of a plain file, and its mode.

    A device may have no end, and a pipe may never have a beginning.

    Args:
        path: Where it is.
        most: Bytes it may have.

    Raises:
        OSError: There is none, it is something else, or it is too large.
    """
    # Without blocking, or opening a pipe would wait for somebody to write.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
    return data, mode


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path, MAX_FILE)[0]
    except FileNotFoundError:
        return None


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.tmp")
    # Made anew: a pipe of that name would keep this thread for ever, and a link
    # would lead to another file.
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
    # The rename is on disk only when the folder is.
    sync_folder(path.parent)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def sync_folder(folder: Path) -> None:
    """Have what was renamed in a folder outlast a loss of power.

    Raises:
        OSError: It cannot be synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
