"""A node in a process of its own, that a test may kill.

    python program.py NAME [PORT [CERTIFICATE KEY CA]]

It prints its address once it accepts, and what happens to it, line by line.
"""

from __future__ import annotations

import os
import sys

import trio

from clusterkit import Config, GenServer, Tls, call, cast, create_cluster


class Worker(GenServer):
    def __init__(self):
        self.got = []

    @call
    async def hang(self):
        await trio.sleep_forever()

    @call
    async def pid(self):
        return os.getpid()

    @cast
    async def put(self, value):
        self.got.append(value)

    @call
    async def read(self):
        return self.got

    async def terminate(self, reason):
        print("terminated", reason, flush=True)


async def main(name, port=0, certificate=None, key=None, ca=None):
    tls = Tls(certificate=certificate, key=key, ca=ca) if certificate else None
    config = Config(ping_after=0.1, dead_after=0.3, down_after=0.3)
    async with create_cluster(
        name,
        port=int(port),
        cookie="test",
        config=config,
        actors={"worker": Worker},
        tls=tls,
    ) as node:
        node.state.set("pid", os.getpid())
        print(node.address, flush=True)
        await node.serve_forever()
    print("ended", flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
