"""Why a member is what it is: rows that are kept, and rows that others send."""

from __future__ import annotations

import pytest

from clusterkit.cluster.reasons import MOST, Reasons, read_rows
from clusterkit.core.liveness import Claim, Turn

SILENT = {"age": 1.5, "what": "silent", "silence": 2.0, "phi": None, "through": ["b"]}
TURN = {
    "age": 0.0,
    "what": "dead",
    "told_by": "b",
    "suspected_by": ["a"],
    "incarnation": 3,
    "rumour": 0,
}


async def test_the_newest_rows_are_kept_of_members_only(autojump_clock):
    reasons = Reasons()
    for n in range(MOST + 5):
        reasons.turn(Turn("x", Claim(1, n, 0), Claim(1, n, 1)), "b")
        reasons.silent("y", 0.0, 1.0, 3.0, ["b"])
    assert [row["rumour"] for row in reasons.of("x")] == list(range(5, MOST + 5))
    reasons.keep_to(["y"])
    assert reasons.of("x") == []
    assert len(reasons.of("y")) == MOST


async def test_what_is_kept_is_what_is_read(autojump_clock):
    reasons = Reasons()
    reasons.silent("x", 0.0, 1.0, 3.0, ["b"])
    reasons.turn(Turn("x", Claim(1, 0, 1), Claim(1, 0, 2, ("b",))), "c")
    assert read_rows(reasons.of("x")) == reasons.of("x")
    assert read_rows([SILENT, TURN]) == [SILENT, TURN]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        [None],
        [{}],
        [SILENT] * (MOST + 1),
        [SILENT | {"age": "1"}],
        [SILENT | {"age": float("nan")}],
        [SILENT | {"silence": None}],
        [SILENT | {"phi": "high"}],
        [SILENT | {"through": "b"}],
        [SILENT | {"through": ["b"] * 1_000}],
        [SILENT | {"what": ["silent"]}],
        [TURN | {"what": "late"}],
        [TURN | {"suspected_by": [1]}],
        [TURN | {"suspected_by": ["\x1b[2J"]}],
        [TURN | {"told_by": None}],
        [TURN | {"incarnation": "9" * 1_000}],
    ],
    ids=range(17),
)
def test_rows_of_another_shape_are_refused(rows):
    with pytest.raises(ValueError, match=r"rows|name"):
        read_rows(rows)
