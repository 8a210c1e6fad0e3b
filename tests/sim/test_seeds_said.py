"""A seed that is not met is said, and not once a second."""

from __future__ import annotations

from random import Random

import trio

from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import alone, on_network, virtual


@virtual
async def test_lines_about_a_seed_come_at_growing_intervals(caplog):
    async with alone(seeds=["ghost@a:7999"]):
        await trio.sleep(300.0)
    said = [m for m in caplog.messages if m.startswith("seed_not_met ")]
    assert 5 <= len(said) <= 11


@virtual
async def test_a_seed_that_refuses_fills_no_log_at_either_end(caplog):
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "b", cookie="other") as b,
        on_network(network, "a", seeds=[str(b.address)]),
    ):
        await trio.sleep(300.0)
    refused = [m for m in caplog.messages if m.startswith("link_refused ")]
    for peer in "ab":
        lines = [line for line in refused if f"peer={peer} " in line]
        assert 2 <= len(lines) <= 6, lines
        assert "more=" not in lines[0]
        assert "more=" in lines[-1]
