"""What a node that stops says it waits for."""

from __future__ import annotations

import logging

from clusterkit.cluster.draining import say_what_waits
from tests.unit.nodes import alone, pair, virtual


def said(caplog):
    lines = [record.getMessage() for record in caplog.records]
    return [line for line in lines if line.startswith("draining ")]


@virtual
async def test_nothing_is_said_where_nothing_waits(caplog):
    caplog.set_level(logging.INFO)
    async with pair() as (a, _):
        await a.cast("nobody@b", "x")
        say_what_waits(a.kernel, 10.0)
    assert said(caplog) == []


@virtual
async def test_messages_to_whoever_is_away_are_counted(caplog):
    caplog.set_level(logging.INFO)
    async with alone(config={"drain_timeout": 0.1}) as a:
        for _ in range(2):
            await a.cast("x@ghost@nowhere:1", "y")
        await a.cast("x@spirit@nowhere:2", "y")
        say_what_waits(a.kernel, 10.0)
    (line,) = said(caplog)
    assert line == (
        "draining messages=3 peers=ghost,spirit seconds=10 "
        "remedy='a second signal ends the node at once'"
    )
