"""A file of addresses that comes, changes, is torn, and goes."""

from __future__ import annotations

import os

import pytest
import trio

from clusterkit.discovery import SeedFile
from clusterkit.discovery.entries import TURN
from clusterkit.errors import ConfigError
from clusterkit.names import Address, NodeInfo

from .surroundings import Node

FOO = NodeInfo("foo", "10.0.0.2", 7022)


async def test_lines_are_read_and_comments_left_out(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("# ours\n\nfoo@10.0.0.2:7022  # the first\n[::1]:7023\n")
    await node.run(SeedFile(path), lambda: len(node.found) == 2)
    assert node.found == {FOO: False, Address("::1", 7023): False}
    assert not node.counted


async def test_a_file_that_comes_later_is_read_then_and_again_when_it_changes(tmp_path):
    path, node = tmp_path / "seeds", Node()

    def next_step():
        if node.counted["unreadable"] and not path.exists():
            path.write_text("foo@10.0.0.2:7022\n")
        elif FOO in node.found and len(node.found) == 1:
            path.write_text("10.0.0.3:7022\n")
        return len(node.found) == 2

    await node.run(SeedFile(path, interval=0.01), next_step)
    assert node.said[0][0] == "seed_file_unreadable"


async def test_a_bad_line_is_said_and_the_others_stand(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("foo@10.0.0.2:7022\nbar@10.0.\n:::\nbaz@h:99999\n10.0.0.9:1")
    await node.run(SeedFile(path), lambda: len(node.found) == 2)
    assert node.counted == {"invalid_entry": 3}
    assert node.said[0][1]["line"] == 2


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"x" * 2_000_000], ids=["text", "long"]
)
async def test_what_is_no_such_file_is_counted(tmp_path, content):
    path, node = tmp_path / "seeds", Node()
    path.write_bytes(content)
    await node.run(SeedFile(path), lambda: node.counted["unreadable"])
    assert not node.found


async def test_more_lines_than_are_read_are_said(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("".join(f"h{i}:7022\n" for i in range(10_050)))
    await node.run(SeedFile(path), lambda: len(node.found) == 10_000)
    assert node.counted == {"too_many": 1}


async def longest_turn(node, source, until):
    """Run a source; return how much it says at most before others have a turn."""
    turns = [0]
    count, find = node.count, node.find

    async def others():
        while True:
            turns.append(0)
            await trio.lowlevel.checkpoint()

    def noted(function):
        def both(*args, **kwargs):
            turns[-1] += 1
            function(*args, **kwargs)

        return both

    node.count, node.find = noted(count), noted(find)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await node.run(source, until)
        nursery.cancel_scope.cancel()
    return max(turns)


async def test_a_long_file_does_not_keep_others_from_their_turn(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("".join(f"h{i}:7022\n" for i in range(5_000)))
    turn = await longest_turn(node, SeedFile(path), lambda: len(node.found) == 5_000)
    assert turn <= 2 * TURN  # of two tasks, one may run twice in a row


async def test_no_more_bad_lines_are_looked_at_than_good_ones(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("x\n" * 400_000)
    turn = await longest_turn(node, SeedFile(path), lambda: node.counted["too_many"])
    assert node.counted == {"invalid_entry": 10_000, "too_many": 1}
    assert turn <= 2 * TURN  # of two tasks, one may run twice in a row


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "device", "gone"])
async def test_what_is_no_plain_file_is_counted_and_read_when_it_is_one(tmp_path, kind):
    path, node = tmp_path / "seeds", Node()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")

    def mend():
        if node.counted["unreadable"] > 1 and not node.found:
            other = tmp_path / "new"
            other.write_text("foo@10.0.0.2:7022\n")
            if kind == "folder":
                path.rmdir()
            other.replace(path)
        return node.found

    await node.run(SeedFile(path, interval=0.01), mend)
    assert set(node.counted) == {"unreadable"}


@pytest.mark.parametrize(
    "start", ["\ufeff", "\r\n", "\x0c"], ids=["mark", "crlf", "ff"]
)
async def test_what_other_editors_write_is_read(tmp_path, start):
    path, node = tmp_path / "seeds", Node()
    path.write_text(f"{start}foo@10.0.0.2:7022\r\n10.0.0.3:1\r\n", encoding="utf-8")
    await node.run(SeedFile(path), lambda: len(node.found) == 2)
    assert not node.counted


async def test_what_is_not_allowed_is_not_told(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("169.254.169.254:80\nfoo@10.0.0.2:7022\n")
    await node.run(SeedFile(path, allow=["10.0.0.0/8"]), lambda: FOO in node.found)
    assert list(node.found) == [FOO]
    assert node.counted == {"not_allowed": 1}


def test_an_interval_is_above_zero():
    with pytest.raises(ConfigError):
        SeedFile("x", interval=0)
