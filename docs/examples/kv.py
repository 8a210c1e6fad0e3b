"""A key/value store: every key on two nodes, moved when the ring changes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from clusterkit import ClusterNode, GenServer, call, cast, create_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COPIES = 2
DATA = {f"user:{n}": f"name {n}" for n in range(100)}


class Store(GenServer):
    """What one node holds of the data; every node has one, called `kv`."""

    async def init(self) -> None:
        self.data: dict[str, str] = {}
        self.ring = self.node.ring  # the one that the data is sorted out for

    @call
    async def put(self, key: str, value: str) -> None:
        self.data[key] = value

    @call
    async def get(self, key: str) -> str | None:
        return self.data.get(key)

    @call
    async def size(self) -> int:
        return len(self.data)

    @cast
    async def keep(self, key: str, value: str) -> None:
        self.data.setdefault(key, value)  # what a put has brought is newer

    @call
    async def move(self) -> None:
        """Give keys to their new owners; drop those that are not ours any more."""
        old, self.ring = self.ring, self.node.ring
        for key, value in list(self.data.items()):
            owners = self.ring.range_next(key, COPIES)
            for owner in sorted(set(owners) - set(old.range_next(key, COPIES))):
                await self.node.cast(f"kv@{owner.id}", "keep", key, value)
            if self.node.info not in owners:
                del self.data[key]


@asynccontextmanager
async def store(name: str, *others: ClusterNode) -> AsyncIterator[ClusterNode]:
    """Run a node with its share of the data, in the ring of the others."""
    async with create_cluster(name, port=0, cookie="monster") as node:
        kv = await node.start("kv", Store)
        node.gossip.on_process(lambda *_: kv.call(Store.move))
        for other in others:
            await node.meet(other.address)
        yield node


async def put(node: ClusterNode, key: str, value: str) -> None:
    for owner in node.gossip.range(key, COPIES):
        await node.ref(Store, "kv", at=owner.id).call(Store.put, key, value)


async def get(node: ClusterNode, key: str) -> str | None:
    for owner in node.gossip.range(key, COPIES):
        value = await node.ref(Store, "kv", at=owner.id).call(Store.get, key)
        if value is not None:
            return value
    return None


async def report(node: ClusterNode) -> None:
    """Wait until there are two copies of all keys; say which node holds how many."""
    held: dict[str, int] = {}
    while sum(held.values()) != COPIES * len(DATA):
        answers = await node.multi_call(None, "kv", Store.size)
        held = {answer.node: answer.value or 0 for answer in answers}
    found = sum([await get(node, key) == DATA[key] for key in DATA])
    print(f"{found} keys found:", *(f"{name}={n}" for name, n in held.items()))


async def main() -> None:
    async with store("foo") as foo, store("bar", foo):
        for key, value in DATA.items():
            await put(foo, key, value)
        await report(foo)
        async with store("baz", foo):
            await report(foo)
        await report(foo)


if __name__ == "__main__":
    trio.run(main)
