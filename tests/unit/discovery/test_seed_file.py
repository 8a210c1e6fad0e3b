"""A file of addresses that comes, changes, is torn, and goes."""

from __future__ import annotations

import pytest

from clusterkit.discovery import SeedFile
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
    await node.run(SeedFile(path), lambda: node.counted["too_many"])
    assert len(node.found) == 10_000


async def test_what_is_not_allowed_is_not_told(tmp_path):
    path, node = tmp_path / "seeds", Node()
    path.write_text("169.254.169.254:80\nfoo@10.0.0.2:7022\n")
    await node.run(SeedFile(path, allow=["10.0.0.0/8"]), lambda: FOO in node.found)
    assert list(node.found) == [FOO]
    assert node.counted == {"not_allowed": 1}


def test_an_interval_is_above_zero():
    with pytest.raises(ConfigError):
        SeedFile("x", interval=0)
