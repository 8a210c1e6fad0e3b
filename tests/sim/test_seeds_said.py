"""A seed that is not met is said, and not once a second."""

from __future__ import annotations

import trio

from tests.unit.nodes import alone, virtual


@virtual
async def test_lines_about_a_seed_come_at_growing_intervals(caplog):
    async with alone(seeds=["ghost@a:7999"]):
        await trio.sleep(300.0)
    said = [m for m in caplog.messages if m.startswith("seed_not_met ")]
    assert 5 <= len(said) <= 11
