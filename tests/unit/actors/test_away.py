"""How a node is spoken of that was never there, and one that was."""

from __future__ import annotations

import pytest

from clusterkit.errors import NodeDown
from tests.unit.nodes import alone, pair, virtual


@virtual
async def test_a_node_that_never_was_there_did_not_go_down():
    async with alone() as a:
        with pytest.raises(NodeDown) as caught:
            await a.call("x@ghost@a:7999", "y")
    assert caught.value.outcome == "not sent"
    assert str(caught.value) == (
        "ghost is not reachable (a:7999 refused the connection); not sent"
    )


@virtual
async def test_a_node_that_was_there_went_down():
    async with pair() as (a, _):
        a.network.crash("b")
        with pytest.raises(NodeDown, match=r"^b went down \(unknown\)$"):
            await a.call("x@b", "y", timeout=60.0)
