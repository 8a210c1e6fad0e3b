"""clusterkit's own side of the table: node A calls and casts to node B.

Everything goes through the public API with the defaults: signing, resume and
bounds are on.

    workloads.py server            prints READY and the port
    workloads.py client PORT ONLY  W1 to W4 against it; prints the result
    workloads.py local ONLY        W5 and W6, in one node; prints the result
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import measure
import node_b
import trio
from measure import BLOB, COOKIE, PAYLOAD

from clusterkit import GenServer, call, cast, create_cluster

if TYPE_CHECKING:
    from measure import Result

PATIENCE = 60.0
"""Seconds that a fence may wait behind the casts before it."""


class Server(GenServer):
    """The actor under test."""

    def __init__(self) -> None:
        self.count = 0

    @call
    async def echo(self, value: Any) -> Any:
        return value

    @cast
    async def inc(self, value: Any) -> None:
        self.count += 1

    @call
    async def fence(self) -> int:
        fenced, self.count = self.count, 0
        return fenced

    @call
    async def size(self, blob: bytes) -> int:
        return len(blob)


async def server() -> None:
    """Be node B until the harness closes our standard input."""
    await node_b.serve({"srv": Server})


async def client(port: int, only: str) -> Result:
    """Be node A; run W1 to W4."""
    peer = f"b@127.0.0.1:{port}"
    async with create_cluster("a", "127.0.0.1", 0, cookie=COOKIE) as node:
        await node.kernel.connect(peer)
        srv = node.ref(Server, "srv", at=peer)
        with measure.profiled("client"):
            return await measure.remote(
                only,
                echo=partial(srv.call, Server.echo, PAYLOAD),
                inc=partial(srv.cast, Server.inc, PAYLOAD),
                fence=partial(srv.within(PATIENCE).call, Server.fence),
                size=partial(srv.call, Server.size, BLOB),
            )


async def local(only: str) -> Result:
    """Run W6, then W5: memory that was freed before would be reused unseen."""
    result: Result = {}
    async with create_cluster("a", "127.0.0.1", 0, cookie=COOKIE) as node:
        with measure.profiled("local"):
            if measure.wanted(["W6"], only):
                result |= await measure.idle(partial(node.start, None, Server))
            if measure.wanted(["W5"], only):
                loc = await node.start("loc", Server)
                result |= await measure.local(
                    partial(loc.call, Server.echo, PAYLOAD),
                    partial(loc.cast, Server.inc, PAYLOAD),
                    partial(loc.within(PATIENCE).call, Server.fence),
                )
    return result


def main(role: str, *args: str) -> None:
    """Run one process of the workloads."""
    if role == "server":
        trio.run(server)
    elif role == "client":
        port, only = args
        measure.emit(trio.run(client, int(port), only))
    else:
        measure.emit(trio.run(local, *args))


if __name__ == "__main__":
    main(*sys.argv[1:])
