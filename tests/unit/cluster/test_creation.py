"""What `create_cluster` says when it cannot begin."""

from __future__ import annotations

from random import Random

import pytest

from clusterkit import GenServer
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import alone, on_network, virtual


class Broken(GenServer):
    async def init(self):
        raise RuntimeError("boom")


@virtual
async def test_an_actor_that_cannot_start_is_named_in_a_note():
    with pytest.raises(RuntimeError, match="boom") as caught:
        async with alone(actors={"good": GenServer, "bad": Broken}):
            pass
    assert caught.value.__notes__ == ["actor 'bad' could not be started"]


@virtual
async def test_what_fails_to_start_is_raised_and_no_crash(caplog):
    async with alone() as node:
        with pytest.raises(RuntimeError, match="boom"):
            await node.start("bad", Broken)
    assert "actor_crashed" not in caplog.text


@virtual
async def test_an_address_that_cannot_be_had_is_named():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a"):
        with pytest.raises(OSError, match="in use") as caught:
            async with on_network(network, "a", name_="b"):
                pass
    assert caught.value.filename == "a:7022"
    assert "a:7022" in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@virtual
async def test_a_shutdown_that_is_interrupted_still_ends_the_node(error):
    async def interrupted(*, timeout):
        raise error

    with pytest.raises(error):
        async with alone() as node:
            node.shutdown = interrupted
    assert node.kernel.ended
