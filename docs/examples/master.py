"""One master: whoever is chosen does the work that only one may do.

Three nodes in one process, to be read in one go; each would be a process of its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from clusterkit import ChannelMessage, ClusterNode, create_cluster
from clusterkit.events import Promotion

DONE: list[str] = []


async def work(node: ClusterNode) -> None:
    """Send a job each time this node becomes the master."""
    async with node.events(Promotion) as events:
        node.masters.stand(weight=len(node.name))  # the longest name comes first
        async for _ in events:
            print(f"{node.name} is the master now")
            job = f"job of {node.name}"
            await node.channels.send("jobs", job, epoch=node.masters.epoch)


async def take(job: ChannelMessage) -> None:
    DONE.append(job.value)
    print("taken:", job.value)


async def done(count: int) -> None:
    """Wait until so many jobs are."""
    while len(DONE) < count:
        await trio.sleep(0.01)


async def main() -> None:
    async with AsyncExitStack() as stack:
        nodes: list[ClusterNode] = []
        for name in ("a", "bb", "ccc"):
            seeds = [node.address for node in nodes]
            cluster = create_cluster(name, port=0, cookie="monster", seeds=seeds)
            nodes.append(await stack.enter_async_context(cluster))
        first, second, third = nodes
        first.channels.join("jobs", take)
        while len(first.members.alive()) < len(nodes):
            await trio.sleep(0.01)
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(work, node)
            await done(1)
            old = third.masters.epoch
            assert old is not None
            third.masters.demote(permanent=True)  # or it dies, which takes longer
            await done(2)
            print("the epoch of ccc is over:", not second.masters.accepts(old))
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
