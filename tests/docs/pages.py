"""The pages of the documentation, as data: blocks of code, headings, links.

How a block is marked, by the words after its three backticks:

- `python file=docs/examples/x.py`: a part of that file, word for word. The file
  is run by `test_examples.py`.
- `python`: a whole program if it calls `trio.run`, and run then; a test file if
  it defines a test, and run by pytest; else a fragment, which is compiled and,
  in what newcomers read, type-checked.
- `sh`: commands to paste. Those of the README are run by `test_readme.py`.
- `text` directly after an `sh` block of the README: what its last command
  prints on a terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .checkouts import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOR_NEWCOMERS = ("README.md", "docs/index.md", "docs/tutorial/", "docs/how-to/")
FENCE = re.compile(r"^( *)(`{3,})(.*?)\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's path from the root.
        line: Where its content begins.
        marks: The words after the backticks; the first one is the language.
        text: Its content.
    """

    page: str
    line: int
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def language(self) -> str:
        return self.marks[0] if self.marks else ""

    @property
    def file(self) -> str:
        """The file it is a part of, "" for none."""
        found = [mark for mark in self.marks if mark.startswith("file=")]
        return found[0].removeprefix("file=") if found else ""

    @property
    def is_program(self) -> bool:
        return bool(re.search(r"^trio\.run\(", self.text, re.MULTILINE))

    @property
    def is_test_file(self) -> bool:
        return bool(re.search(r"^(async )?def test_", self.text, re.MULTILINE))

    @property
    def for_newcomers(self) -> bool:
        return self.page.startswith(FOR_NEWCOMERS)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            name_of(page),
            text.count("\n", 0, match.start(4)) + 1,
            tuple(match[3].split()),
            re.sub(f"^{match[1]}", "", match[4], flags=re.MULTILINE),
        )
        for match in FENCE.finditer(text)
    ]


def links(page: Path) -> list[str]:
    """Return the targets of the links of a page."""
    return LINK.findall(
        re.sub(r"`[^`\n]*`", "`", FENCE.sub("", page.read_text(encoding="utf-8")))
    )


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        again = 1
        while slug in found:
            slug, again = f"{slug.removesuffix(f'-{again - 1}')}-{again}", again + 1
        found.add(slug)
    return found
