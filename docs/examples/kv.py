"""A key/value store: every key on two nodes, moved when the ring changes."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import chain

import trio

from clusterkit import ClusterNode, GenServer, call, cast, create_cluster

COPIES = 2
DATA = {f"user:{n}": f"name {n}" for n in range(100)}


class Store(GenServer):
    """What one node holds of the data; every node has one, called `kv`."""

    async def init(self) -> None:
        self.data: dict[str, str] = {}
        self.ring = self.node.ring  # the one that the data is sorted out for
        self.node.gossip.on_process(lambda *_: self.ref.call(Store.move))

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


async def put(node: ClusterNode, key: str, value: str) -> None:
    for owner in node.gossip.range(key, COPIES):
        await node.ref(Store, "kv", at=owner.id).call(Store.put, key, value)


async def get(node: ClusterNode, key: str) -> str | None:
    for owner in node.gossip.range(key, COPIES):
        value = await node.ref(Store, "kv", at=owner.id).call(Store.get, key)
        if value is not None:
            return value
    return None


async def report(node: ClusterNode, members: int) -> None:
    """Wait until so many members hold what is theirs; say who holds how much."""
    held: dict[str, int] = {}
    theirs: Counter[str] = Counter()
    while len(held) != members or held != theirs:
        answers = await node.multi_call(None, "kv", Store.size)
        held = {answer.node: answer.value or 0 for answer in answers}
        owners = [node.gossip.range(key, COPIES) for key in DATA]
        theirs = Counter(owner.id for owner in chain(*owners))
    found = sum([await get(node, key) == DATA[key] for key in DATA])
    print(f"{found} keys found:", *(f"{name}={n}" for name, n in held.items()))


async def main() -> None:
    start = partial(create_cluster, port=0, cookie="monster", actors={"kv": Store})
    async with start("foo") as foo, start("bar", seeds=[foo.address]):
        for key, value in DATA.items():
            await put(foo, key, value)  # bar gets its copies when it has met foo
        await report(foo, members=2)
        async with start("baz", seeds=[foo.address]):
            await report(foo, members=3)
        await report(foo, members=2)


if __name__ == "__main__":
    trio.run(main)
