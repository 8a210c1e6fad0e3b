"""The Python on the pages: run, compiled, or part of a file that is run.

`pages.py` says how a block is marked.
"""

from __future__ import annotations

import ast
import textwrap
from typing import TYPE_CHECKING

import pytest

from .checkouts import ROOT, run_python
from .pages import PAGES, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from .pages import Block

PYTHON = [b for page in PAGES for b in blocks(page) if b.language == "python"]
QUOTED = [block for block in PYTHON if block.file]
PROGRAMS = [block for block in PYTHON if not block.file and block.is_program]
FRAGMENTS = [block for block in PYTHON if not block.file and not block.is_program]

CACHE = ROOT / ".mypy_cache" / "docs"

PRELUDE = """
from __future__ import annotations
import logging, math, os, signal
import trio
from functools import partial
from clusterkit import *
from clusterkit.errors import *
from clusterkit.events import *
from clusterkit.testing import *
from counter import Counter, TooLittle
"""
"""What a fragment may take for granted, beside `node`, `sim` and `counter`."""


@pytest.mark.parametrize("block", QUOTED, ids=str)
def test_quoted_block_is_in_its_file(block: Block) -> None:
    assert block.text in (ROOT / block.file).read_text()


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_program_runs(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(block.text)
    run = run_python(file)
    assert (run.stderr, run.returncode) == ("", 0)


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_fragment_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_newcomers_code_type_checks(tmp_path: Path) -> None:
    module = tmp_path / "fragments.py"
    module.write_text(as_module([b for b in FRAGMENTS if b.for_newcomers]))
    examples = sorted((ROOT / "docs" / "examples").glob("*.py"))
    options = ["--strict", "--follow-imports=silent", "--no-error-summary"]
    # As in a user's project, not with the options of ours.
    options += ["--config-file=", f"--cache-dir={CACHE}"]
    path = str(ROOT / "docs" / "examples")
    run = run_python("-m", "mypy", *options, module, *examples, MYPYPATH=path)
    assert (run.stdout, run.stderr) == ("", "")


def as_module(fragments: list[Block]) -> str:
    """Return a module with a function per fragment, at the line it has in its page."""
    parts = [PRELUDE]
    for index, block in enumerate(fragments):
        parts += [
            f"# {block}",
            f"async def fragment_{index}(",
            "    node: ClusterNode, sim: ClusterSimulation, counter: ActorRef[Counter]",
            ") -> None:",
            textwrap.indent(block.text, "    "),
        ]
    return "\n".join(parts)
