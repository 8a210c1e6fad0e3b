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
RUN = [b for b in PYTHON if not b.file and (b.is_program or b.is_test_file)]
FRAGMENTS = [block for block in PYTHON if not block.file and block not in RUN]

EXAMPLES = ROOT / "docs" / "examples"
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


@pytest.mark.parametrize("block", RUN, ids=str)
def test_whole_program_runs(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "test_program.py"
    file.write_text(block.text)
    pytest_runs_it = ["-m", "pytest", "-o", "trio_mode=true", f"--rootdir={tmp_path}"]
    words = pytest_runs_it if block.is_test_file else []
    run = run_python(*words, file, PYTHONPATH=f"{ROOT}:{EXAMPLES}")
    assert (run.stderr, run.returncode) == ("", 0), run.stdout


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_fragment_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_newcomers_code_type_checks(tmp_path: Path) -> None:
    module = tmp_path / "fragments.py"
    module.write_text(as_module([b for b in FRAGMENTS if b.for_newcomers]))
    examples = sorted(EXAMPLES.glob("*.py"))
    options = ["--strict", "--follow-imports=silent", "--no-error-summary"]
    # As in a user's project, not with the options of ours.
    options += ["--config-file=", f"--cache-dir={CACHE}"]
    words = ["-m", "mypy", *options, module, *examples]
    run = run_python(*words, MYPYPATH=str(EXAMPLES))
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
