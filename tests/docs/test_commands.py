"""The commands on the pages work, in order, in a fresh checkout."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from clusterkit.cli.parser import parse

from .checkouts import ROOT
from .follower import Follower, commands
from .pages import PAGES, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import FirstRun
    from .pages import Block

FOLLOWED = ["README.md", "docs/tutorial/1-two-nodes.md"]
FOLLOWED += ["docs/tutorial/2-first-genserver.md", "docs/how-to/cookie.md"]
SHELL = [b for page in PAGES for b in blocks(page) if b.language in {"sh", "console"}]


@pytest.mark.parametrize("page", FOLLOWED)
def test_newcomer_can_follow(page: str, first_run: FirstRun, tmp_path: Path) -> None:
    newcomer = Follower(first_run.checkout, tmp_path)
    try:
        newcomer.follow((ROOT / page).read_text(encoding="utf-8"))
    finally:
        newcomer.close()


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_command_lines_are_understood(block: Block) -> None:
    for command in commands(block.text):
        words = shlex.split(command.removeprefix("$ "), comments=True)
        if words and words[0].endswith("cluster-cli"):
            parse(words[1:])
