"""One master: whoever is chosen does the work that only one may do.

Three nodes in one process, to be read in one go; each would be a process of its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from clusterkit import ChannelMessage, ClusterNode, create_cluster
from clusterkit.events import Promotion


async def work(node: ClusterNode) -> None:
    """Send a job each time this node becomes the master."""
    async with node.events(Promotion) as events:
        node.masters.stand(weight=len(node.name))  # the longest name comes first
        async for event in events:
            if isinstance(event, Promotion):
                print(f"{node.name} is the master now")
                job = f"job of {node.name}"
                await node.channels.send("jobs", job, epoch=event.epoch)


async def main() -> None:
    async with AsyncExitStack() as stack:
        nodes: list[ClusterNode] = []
        for name in ("a", "bb", "ccc"):
            cluster = create_cluster(name, port=0, cookie="monster")
            node = await stack.enter_async_context(cluster)
            if nodes:
                await node.meet(nodes[0].address)
            nodes.append(node)
        first, second, third = nodes

        taken, jobs = trio.open_memory_channel[ChannelMessage](100)
        first.channels.join("jobs", taken.send)
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(work, node)
            print("taken:", (await jobs.receive()).value)
            old = third.masters.epoch
            assert old is not None
            third.masters.demote(permanent=True)  # or it dies, which takes longer
            print("taken:", (await jobs.receive()).value)
            print("the epoch of ccc is over:", not second.masters.accepts(old))
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
