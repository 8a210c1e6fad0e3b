"""State files that cannot be: what says so, and what is let go."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from clusterkit import create_cluster
from clusterkit.cluster.ring_file import RingFile, encode
from clusterkit.errors import StateError
from clusterkit.net.disk import FileDisk


async def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("no folder")
    path = str(tmp_path / "file" / "below" / "x.state")
    with pytest.raises(StateError, match=r"/file/below/x\.state: .*; choose a file"):
        await RingFile(FileDisk(), path).open("ring")


async def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(StateError, match=r"cannot read .*: it is no regular file"):
        await RingFile(FileDisk(), str(tmp_path)).open("ring")


async def test_a_file_system_without_locks_leaves_nothing_open(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        opened.append(descriptor)
        raise OSError(errno.ENOLCK, "No locks available")

    opened = []
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StateError, match="No locks available"):
        await RingFile(FileDisk(), str(tmp_path / "x.state")).open("ring")
    (descriptor,) = opened
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_a_node_with_such_a_file_does_not_start(tmp_path):
    (tmp_path / "file").write_text("no folder")
    options = {"port": 0, "cookie": "monster", "state": tmp_path / "file" / "x.state"}
    with pytest.raises(StateError, match="cannot keep the ring in"):
        async with create_cluster("a", **options):
            pass


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"saved":' * 200_000,
        *(encode("ring", x) for x in (None, [], 7)),
    ],
    ids=["lists", "objects", "null", "list", "number"],
)
async def test_what_no_node_has_written_is_not_read(tmp_path, data):
    path = tmp_path / "x.state"
    path.write_bytes(data)
    with pytest.raises(StateError, match="is not a state file; move the file away"):
        await RingFile(FileDisk(), str(path)).open("ring")
    assert path.read_bytes() == data
