"""The commands on the pages work, in order, in a fresh checkout."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.parser import parse

from .checkouts import ROOT
from .follower import Follower, commands
from .pages import PAGES, blocks, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import FirstRun
    from .pages import Block

FOLLOWED = ["README.md", "docs/tutorial/1-two-nodes.md"]
FOLLOWED += ["docs/tutorial/2-first-genserver.md", "docs/how-to/cookie.md"]
SPAN = re.compile(r"`(?:bin/)?cluster-cli ([^`<\[*…]+)`")
LANGUAGES = {"sh", "console", "ini"}
LINES = [b for page in PAGES for b in blocks(page) if b.language in LANGUAGES]


@pytest.mark.parametrize("page", FOLLOWED)
def test_newcomer_can_follow(page: str, first_run: FirstRun, tmp_path: Path) -> None:
    newcomer = Follower(first_run.checkout, tmp_path)
    try:
        newcomer.follow((ROOT / page).read_text(encoding="utf-8"))
    finally:
        newcomer.close()


@pytest.mark.parametrize("block", LINES, ids=str)
def test_command_lines_are_understood(block: Block) -> None:
    text = block.text.replace("%l", "one").replace("%H", "one.example.org")
    for command in commands(text):
        words = shlex.split(re.sub(r"^(\$ |ExecStart=)", "", command), comments=True)
        if words[:1] and words[0].endswith("cluster-cli") and "[options]" not in words:
            parse(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_within_sentences_are_understood(page: Path) -> None:
    for command in SPAN.findall(page.read_text(encoding="utf-8")):
        words = shlex.split(command)
        if words[1:]:
            parse(words)
        else:
            assert words[0] in COMMANDS or words[0].startswith("-")
