"""What the explanations say of defaults, files and rows is true of the code."""

from __future__ import annotations

import re

import pytest

from clusterkit.cluster.ring_shares import shares
from clusterkit.core import HashRing

from . import reference_pages as pages

DOCS = pages.FOLDER.parent
EXPLANATION = sorted((DOCS / "explanation").glob("*.md"))
TOLD = [*EXPLANATION, DOCS / "reference" / "wire-protocol.md"]
LINKED = [*TOLD, *(DOCS / "reference" / file for file in pages.PAGES)]
KNOWN = pages.defaults()

# Row letters of differences.md, and how many behaviours each has.
ROWS = {"N": 7, "K": 26, "L": 9, "S": 13, "C": 12, "V": 12, "G": 22, "R": 10, "A": 6}
ROWS |= {"P": 11, "Y": 15, "H": 9}


def claims(page):
    """The defaults a page tells, written `name` (value)."""
    text = " ".join(page.read_text().split())
    found = re.findall(r"`(\w+)` \(([^)]+)\)", text)
    return [(name, value) for name, value in found if name in KNOWN]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.stem)
def test_every_default_a_page_tells_is_the_code_s(page):
    assert claims(page) == [(name, KNOWN[name]) for name, _ in claims(page)]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.stem)
def test_every_page_tells_some_default(page):
    assert claims(page)


@pytest.mark.parametrize("page", EXPLANATION, ids=lambda page: page.stem)
def test_every_file_a_page_names_exists(page):
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", page.read_text())
    root = DOCS.parent
    there = [
        (root / name).exists() or (root / "clusterkit" / name).exists()
        for name in named
    ]
    assert all(there), dict(zip(named, there, strict=True))


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.stem)
def test_every_page_linked_to_exists(page):
    links = re.findall(r"\]\(([^)#]+\.md)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def drawn():
    """The modules in the picture of the floors, as `floor/module`."""
    page = (DOCS / "explanation" / "architecture.md").read_text()
    floor, found = "", set()
    for line in page.split("```")[1].splitlines()[2:]:
        begins = re.match(r"  (\w+)/ ", line)
        floor = begins[1] if begins else floor
        modules = line.split("/")[-1] if begins else line
        for module in re.split(r"\s{3,}|…", modules.strip())[0].split():
            found.add(f"{floor}/{module}")
    return found


def test_the_floors_are_drawn_with_files_that_exist():
    home = DOCS.parent / "clusterkit"
    missing = {path for path in drawn() if not (home / f"{path}.py").exists()}
    bottom = {
        f"core/{name}"
        for name in ("errors", "names", "config", "events", "logs", "frozen")
    }
    assert missing == bottom  # those lie below all floors


@pytest.mark.parametrize("floor", ["cluster", "actors", "net", "wire", "core"])
def test_every_module_of_a_floor_is_drawn(floor):
    modules = (DOCS.parent / "clusterkit" / floor).glob("*.py")
    there = {f"{floor}/{path.stem}" for path in modules} - {f"{floor}/__init__"}
    assert there - drawn() == set()


def test_every_behaviour_of_the_reference_is_judged():
    text = (DOCS / "explanation" / "differences.md").read_text()
    judged = re.findall(r"^\| ([A-Z]\d+) \|[^|]*\| (\w+) \|", text, re.MULTILINE)
    expected = [
        f"{letter}{n + 1}" for letter, rows in ROWS.items() for n in range(rows)
    ]
    assert [row for row, _ in judged] == expected
    assert {verdict for _, verdict in judged} <= {"same", "differs", "later"}


def test_what_differs_or_comes_later_says_how():
    text = (DOCS / "explanation" / "differences.md").read_text()
    rows = re.findall(r"^\| ([A-Z]\d+) \|[^|]*\| differs \|(.*)\|$", text, re.MULTILINE)
    assert [row for row, told in rows if not told.strip()] == []


def test_the_shares_of_a_ring_are_as_told():
    text = (DOCS / "explanation" / "ring.md").read_text()
    table = re.findall(r"^\| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", text, re.MULTILINE)
    assert len(table) == 4
    for weight, fullest, emptiest in table:
        nodes = [f"node-{n}@h:1" for n in range(100)]
        share = shares(HashRing.of(nodes, rfactor=int(weight))).values()
        told = (f"{max(share):.2%}", f"{min(share):.2%}")
        assert told == (f"{fullest}%", f"{emptiest}%")
