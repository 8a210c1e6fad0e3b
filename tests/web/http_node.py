"""A node of a cluster over HTTP in a process of its own.

`python http_node.py NAME INTERVAL SEED…` prints its URL, and then what it sees.
"""

from __future__ import annotations

import sys

import trio
from starlette.applications import Starlette

from clusterkit import web

COOKIE = "real"


async def main(name, interval, seeds):
    outer = Starlette()
    async with trio.open_nursery() as nursery:
        url = await nursery.start(web.serve, outer, "127.0.0.1:0")
        async with web.create_http_cluster(
            name,
            f"{url}/cluster",
            cookie=COOKIE,
            seeds=seeds,
            allow=["127.0.0.1"],
            interval=interval,
        ) as cluster:
            outer.mount("/cluster", web.app(cluster))
            cluster.state.set("life", cluster.members.all()[0].incarnation)
            print(cluster.url, flush=True)  # noqa: T201 - who started it reads it
            await cluster.serve_forever()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], float(sys.argv[2]), sys.argv[3:])
