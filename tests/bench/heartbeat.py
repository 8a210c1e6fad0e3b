"""How long a ping takes beside 64 MiB of calls, from one process to another.

    heartbeat.py server            prints READY and the port
    heartbeat.py client PORT ONLY  pings beside bulk; prints the result

What is measured is `node.ping`: there and back through both links and one
actor, as anything small would go. Idle is without bulk, for comparison.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING

import measure
import node_b
import trio
from measure import COOKIE, scaled

from clusterkit import GenServer, call, create_cluster

if TYPE_CHECKING:
    from measure import Result

    from clusterkit import ActorRef, ClusterNode

MIB = 1024 * 1024
BULKS = {"hb1": (64, 1 * MIB), "hb15": (4, 15 * MIB)}
"""Key → how many calls at once, and the bytes of each."""

ROUNDS = max(1, scaled(1000) // 50)
PAUSE = 0.001
PATIENCE = 60.0


class Heap(GenServer):
    """Takes bulk."""

    @call
    async def size(self, blob: bytes) -> int:
        return len(blob)


async def server() -> None:
    """Be node B until the harness closes our standard input."""
    await node_b.serve({"heap": Heap})


async def client(port: int) -> Result:
    """Be node A."""
    peer = f"b@127.0.0.1:{port}"
    async with create_cluster("a", "127.0.0.1", 0, cookie=COOKIE) as node:
        await node.kernel.connect(peer)
        heap = node.ref(Heap, "heap", at=peer)
        result = summed("hb0", await pings(node, trio.sleep, 2.0 * measure.SCALE))
        for key, (count, size) in BULKS.items():
            blob = bytes(size)
            result |= summed(key, await pings(node, bulk, heap, count, blob))
        return result


async def bulk(heap: ActorRef[Heap], count: int, blob: bytes) -> None:
    """Send `count` blobs at once, again and again."""
    for _ in range(ROUNDS):
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(heap.within(PATIENCE).call, Heap.size, blob)


async def pings(node: ClusterNode, beside: object, *args: object) -> list[float]:
    """Ping while something else goes on; return how long each took."""
    took: list[float] = []
    over = trio.Event()

    async def ping() -> None:
        while not over.is_set():
            begun = perf_counter()
            await node.ping("b", timeout=PATIENCE)
            took.append(perf_counter() - begun)
            await trio.sleep(PAUSE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping)
        await beside(*args)  # type: ignore[operator]
        over.set()  # the one under way counts: it has had the most to wait for
    return sorted(took)


def summed(key: str, took: list[float]) -> Result:
    """Return median and 99th percentile in milliseconds, and how many there were."""
    return {
        f"{key}_p50_ms": took[len(took) // 2] * 1e3,
        f"{key}_p99_ms": took[int(len(took) * 0.99)] * 1e3,
        f"{key}_pings": len(took),
    }


def main(role: str, *args: str) -> None:
    """Be one of the two processes."""
    if role == "server":
        trio.run(server)
    else:
        measure.emit(trio.run(client, int(args[0])))


if __name__ == "__main__":
    main(*sys.argv[1:])
