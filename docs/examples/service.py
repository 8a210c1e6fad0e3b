"""A small service with a node in it: a listener of its own beside the cluster.

Each line that a client sends is a key; the answer is how often it was seen.
"""

from __future__ import annotations

import os
import signal
from functools import partial

import trio

from clusterkit import ClusterNode, GenServer, call, create_cluster
from clusterkit.errors import ClusterError


class Tally(GenServer):
    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    @call
    async def count(self, key: str) -> int:
        self.seen[key] = self.seen.get(key, 0) + 1
        return self.seen[key]

    async def terminate(self, reason: str) -> None:
        print("tally:", self.seen, reason)


async def answer(node: ClusterNode, client: trio.SocketStream) -> None:
    """Serve one client of ours; the cluster's errors become answers."""
    async for chunk in client:
        for key in chunk.decode().split():
            owner = node.ring.find(key).id
            tally = node.ref(Tally, "tally", at=owner)
            try:
                reply = str(await tally.call(Tally.count, key))
            except ClusterError as error:
                reply = f"sorry: {error}"
            await client.send_all(f"{reply}\n".encode())


async def visit(listener: trio.SocketListener) -> None:
    """Be a client, for this example; then end the service, as an operator would."""
    _, port = listener.socket.getsockname()
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for key in ("apple", "pear", "apple"):
            await stream.send_all(f"{key}\n".encode())
            print(key, (await stream.receive_some()).decode().strip())
    os.kill(os.getpid(), signal.SIGTERM)


async def main() -> None:
    async with (
        create_cluster("foo", port=0, cookie="secret", actors={"tally": Tally}) as node,
        trio.open_nursery() as nursery,
    ):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, partial(answer, node), [listener])
        nursery.start_soon(visit, listener)
        await node.serve_forever()  # until SIGTERM or SIGINT; then it drains
        nursery.cancel_scope.cancel()  # and this is the end of our own work
    print("stopped")


if __name__ == "__main__":
    trio.run(main)
