"""One of two nodes that talk, in a process of its own.

    python talk_program.py NAME ADVERTISED-PORT COUNT SEED

It prints its address; is told the peer's; talks; says what it has said when
it is told `enough`; is told what the peer has said, waits until it has heard
that much, and says how it went. All in lines of JSON but the first.
"""

from __future__ import annotations

import json
import sys
from functools import partial

import trio

from clusterkit import Config, create_cluster
from tests.cluster.talk import CONFIG, Ear, Outages, Talker
from tests.waiting import until


async def lines():
    async with trio.lowlevel.FdStream(0) as stream:
        rest = b""
        while data := await stream.receive_some():
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode()


async def main(name, port, count, seed):
    actors, outages = {"ear": partial(Ear, int(seed))}, Outages()
    async with (
        create_cluster(
            name,
            port=0,
            cookie="test",
            config=Config(**CONFIG),
            actors=actors,
            advertise=f"127.0.0.1:{port}",
        ) as node,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(outages.watch, node)
        # The port it is bound to: the other one is the wire's.
        print(f"{name}@127.0.0.1:{node.port}", flush=True)
        told = lines()
        peer = await anext(told)
        await node.kernel.connect(peer)
        said = await talk(node, peer.partition("@")[0], int(count), int(seed), told)
        print(json.dumps(said), flush=True)
        ear = node._runtime.local("ear").server
        expected = json.loads(await anext(told))
        await until(lambda: ear.faults or ear.heard == expected, 600)
        print(json.dumps(report(node, ear, outages)), flush=True)
        nursery.cancel_scope.cancel()


async def talk(node, peer, count, seed, told):
    """Talk until it is enough; return what was said."""
    enough = trio.Event()
    talker = Talker(node, peer, count, seed, lambda: not enough.is_set())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talker.run)
        assert await anext(told) == "enough"
        enough.set()
    return talker.said


def report(node, ear, outages):
    return {
        "heard": ear.heard,
        "faults": ear.faults,
        "undelivered": node.statistics().undelivered,
        "refused": node.statistics().refused,
        "spans": outages.spans,
        "reasons": outages.reasons,
    }


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
