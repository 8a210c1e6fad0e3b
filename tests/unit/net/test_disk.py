"""The real disk: which files it reads, and how much of them."""

from __future__ import annotations

import errno
import os

import pytest
import trio

from clusterkit.cluster.ring_file import RingFile
from clusterkit.errors import StateError
from clusterkit.net.disk import FileDisk


async def test_what_was_written_is_read(tmp_path):
    path = str(tmp_path / "file")
    assert await FileDisk().read(path) is None
    await FileDisk().replace_atomically(path, b"one")
    assert await FileDisk().read(path) == b"one"


async def test_what_is_no_regular_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", "/dev/full", tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="it is no regular file"):
            await FileDisk().read(str(path))


async def test_a_file_that_cannot_be_a_state_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("clusterkit.net.disk.MAX_FILE", 10)
    (tmp_path / "state").write_bytes(b"x" * 11)
    with pytest.raises(StateError, match="it is larger than 10 bytes; move the file"):
        await RingFile(FileDisk(), str(tmp_path / "state")).open("ring")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("other")])
async def test_what_is_in_the_way_of_writing_is_put_away(tmp_path, make):
    """A pipe would keep the thread for ever; a link leads to a stranger's file."""
    (tmp_path / "other").write_bytes(b"another's")
    make(tmp_path / "file.tmp")
    with trio.fail_after(20):
        await FileDisk().replace_atomically(str(tmp_path / "file"), b"one")
    assert (tmp_path / "file").read_bytes() == b"one"
    assert (tmp_path / "other").read_bytes() == b"another's"


async def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = str(tmp_path / "file")
    await FileDisk().replace_atomically(path, b"one")
    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            await FileDisk().replace_atomically(path, b"two")
    assert await FileDisk().read(path) == b"one"
    monkeypatch.undo()
    await FileDisk().replace_atomically(path, b"three")
    assert await FileDisk().read(path) == b"three"
