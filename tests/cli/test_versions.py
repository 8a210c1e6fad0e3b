"""A node of a release that shares no protocol version with the command line."""

from __future__ import annotations

import pytest

from tests.unit.net.later import with_later_nodes


@pytest.fixture
async def future(start_node, monkeypatch):
    with_later_nodes(monkeypatch)
    async with start_node("future") as node:
        yield node


async def test_it_is_refused_with_both_ranges(cli, future):
    ran = await cli("-p", future.port, "nodes")
    assert (ran.status, ran.code) == (1, "version")
    assert "protocols 2 to 3 at future, protocol 1 at client-" in ran.err
    assert f"127.0.0.1:{future.port} refused" in ran.err
    assert future.statistics().rejected == {"version": 1}


async def test_a_node_that_is_to_meet_it_says_so(cli, start_node, future):
    async with start_node("now") as now:
        ran = await cli("-p", now.port, "meet", "future", "127.0.0.1", future.port)
        assert (ran.status, ran.code) == (1, "version")
        assert "protocols 2 to 3 at future, protocol 1 at now" in ran.err
