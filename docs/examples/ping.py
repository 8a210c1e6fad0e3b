"""Two processes: the node `foo` starts the node `bar`, pings it, and ends it."""

from __future__ import annotations

import os
import signal
import sys

import trio

from clusterkit import GenServer, call, create_cluster
from clusterkit.events import RingChanged


class Echo(GenServer):
    @call
    async def echo(self, text: str) -> tuple[str, int]:
        return text, os.getpid()


async def bar(seed: str) -> None:
    """Run in the second process: meet the first, serve until SIGTERM."""
    async with create_cluster(
        "bar", port=0, cookie="monster", actors={"echo": Echo}, seeds=[seed]
    ) as node:
        await node.serve_forever()


async def main() -> None:
    async with (
        create_cluster("foo", port=0, cookie="monster") as foo,
        foo.events(RingChanged) as changes,
        trio.open_nursery() as nursery,
    ):
        command = [sys.executable, __file__, foo.address]
        process = await nursery.start(trio.run_process, command)
        await anext(changes)
        print("members:", *foo.ring.weights())
        print("ping bar:", await foo.ping("bar"))

        echo = foo.ref(Echo, "echo", at="bar")
        text, pid = await echo.call(Echo.echo, "hello")
        print(text, "from", "another process" if pid == process.pid else "here")

        start = trio.current_time()
        for _ in range(1000):
            await echo.call(Echo.echo, "again")
        each = (trio.current_time() - start) / 1000
        print(f"1000 calls, one after the other: {each * 1e6:.0f} µs each")

        process.send_signal(signal.SIGTERM)
        print("bar ended with status", await process.wait())
        print("members:", *foo.ring.weights())


if __name__ == "__main__":
    trio.run(bar, sys.argv[1]) if len(sys.argv) > 1 else trio.run(main)
