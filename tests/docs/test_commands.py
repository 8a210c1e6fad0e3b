"""The commands on the pages work, in order, in a fresh checkout.

The first of them does it with a real Python, a real pip and the real packages.
What needs that set-up stands in this one file, which one process runs: another
would have a set-up of its own.
"""

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
FOLLOWED += ["docs/how-to/tls.md"]
FOLLOWED += ["docs/how-to/rotate-the-cookie.md"]
SPAN = re.compile(r"`(?:bin/)?cluster-cli ([^`<\[*…]+)`")
LANGUAGES = {"sh", "console", "ini"}
LINES = [b for page in PAGES for b in blocks(page) if b.language in LANGUAGES]


def test_without_a_network_the_remedy_is_named(first_run: FirstRun) -> None:
    assert first_run.offline.returncode == 2
    assert "PIP_INDEX_URL" in first_run.offline.stderr
    assert first_run.offline.stdout == ""


def test_two_first_runs_at_once_both_succeed(first_run: FirstRun) -> None:
    printed = [(run.returncode, run.stdout) for run in first_run.together]
    assert printed == [(0, "cluster-cli 0.1.0 (protocol 1)\n")] * 2


def test_set_up_runs_the_checkout_itself(first_run: FirstRun) -> None:
    where = "import clusterkit; print(clusterkit.__file__)"
    run = first_run.checkout.run(".venv/bin/python", "-c", where)
    assert run.stdout.startswith(str(first_run.checkout.path))


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
