"""The same inputs on a real socket: the node refuses, forgets, and goes on."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from tests.cluster.nodes import linked, stranger
from tests.waiting import until

from .mutator import mutated

INPUTS = 400


@pytest.mark.parametrize("target", ["listener", "session", "frame"])
async def test_strangers_with_mutated_greetings_disturb_nobody(target):
    async with linked() as (a, b), trio.open_nursery() as nursery:
        for first in range(0, INPUTS, 50):
            nursery.start_soon(knock, b, target, range(first, first + 50))
            # Somebody honest is served all the while.
            assert await a.call("sink@b", "add", first) == first
        assert [link.reconnects for link in a.kernel.links()] == [0]
        assert [link.peer for link in b.kernel.links()] == ["a"]
    assert sum(b.statistics().rejected.values()) > INPUTS // 2


async def knock(node, target, numbers):
    for number in numbers:
        async with stranger(node) as stream:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(mutated(target, 0, number)[1:])
                await stream.send_eof()
            with trio.fail_after(10), suppress(trio.BrokenResourceError):
                while await stream.receive_some():
                    pass
    await until(lambda: node.statistics().handshakes == 0)
