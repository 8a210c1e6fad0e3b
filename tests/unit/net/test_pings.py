"""Pings: both ends ask a silent peer before they take it for dead."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.testing import MemoryNetwork
from clusterkit.wire.frame import HEADER
from tests.unit.nodes import on_network, virtual

from .strangers import stranger


@pytest.mark.parametrize(
    ("dead_after", "asked_after"), [(2.0, 1.5), (2.5, 1.75), (3.0, 2.0), (9.0, 2.0)]
)
@virtual
async def test_the_end_that_was_dialled_asks_in_time(dead_after, asked_after):
    network = MemoryNetwork(Random(0))
    config = {"ping_after": 1.0, "dead_after": dead_after}
    async with on_network(network, "a", config=config) as a:
        async with stranger(network, "a") as silent:
            await silent.hello()
            await silent.prove()
            began = trio.current_time()
            asked = await silent.stream.receive()
            assert len(asked) > HEADER.size
            assert trio.current_time() - began == pytest.approx(asked_after, abs=0.01)
            while await silent.stream.receive():
                pass
            assert trio.current_time() - began == pytest.approx(dead_after, abs=0.01)
        await trio.testing.wait_all_tasks_blocked()
        assert not a.kernel.is_connected("evil")
