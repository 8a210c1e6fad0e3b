"""Every link inside the documentation leads somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .checkouts import ROOT
from .pages import PAGES, anchors, links, name_of

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if is_dead(page, link)] == []


def is_dead(page: Path, link: str) -> bool:
    if link.startswith(ELSEWHERE):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in anchors(target)


def test_every_page_is_reached_from_the_index() -> None:
    reached, ahead = set(), [ROOT / "docs" / "index.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [(page.parent / link.partition("#")[0]) for link in links(page)]
        ahead += [t.resolve() for t in targets if t.suffix == ".md" and t.exists()]
    missed = set(PAGES) - reached - {ROOT / "README.md"}
    assert sorted(map(name_of, missed)) == []
