"""One connection: what ends it, and what it does not take along."""

from __future__ import annotations

import trio

from clusterkit.events import LinkDown
from tests.unit.nodes import hearing, pair, virtual
from tests.unit.servers import Sink
from tests.waiting import until


@virtual
async def test_a_failure_to_take_a_record_ends_the_connection_not_the_node(caplog):
    async with pair(actors={"sink": Sink}) as (a, b):
        observer = b.kernel.observer
        observer._table = {**observer._table, 9: lambda *_: 1 / 0}
        async with hearing(b, LinkDown) as heard:
            a._runtime.post_control(a.kernel.peers["b"], [9, "sink"])
            await until(lambda: b.kernel.peers["a"].reconnects == 1)
        assert heard == [LinkDown("a", "error")]
        assert "ZeroDivisionError" in caplog.text
        # It is taken, if not in the way it was meant: it does not come again.
        await a.cast("sink@b", "put", 1)
        assert await a.call("sink@b", "read") == [1]
        assert b.kernel.peers["a"].reconnects == 1


@virtual
async def test_every_probe_hears_the_answer():
    async with pair() as (a, _):
        answers = []

        async def probe():
            connection = a.kernel.peers["b"].connection
            answers.append(await connection.probe(0.5))

        for _ in range(2):  # once answered, it can be asked anew
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(probe)
        assert answers == [True] * 6
        a.network.partition({"a"}, {"b"})
        await probe()
        assert answers[6:] == [False]
