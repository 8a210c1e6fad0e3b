"""Two nodes in one process: an actor on one, its caller on the other."""

from __future__ import annotations

import trio

from clusterkit import GenServer, call, create_cluster


class Counter(GenServer):
    value = 0

    @call
    async def add(self, n: int) -> int:
        self.value += n
        return self.value


async def main() -> None:
    async with (
        create_cluster("foo", port=0, cookie="monster") as foo,
        create_cluster("bar", port=0, cookie="monster") as bar,
    ):
        await bar.start("counter", Counter)
        await foo.meet(bar.address)  # from now on they are one ring
        counter = foo.ref(Counter, "counter", at="bar")
        print("the counter says", await counter.call(Counter.add, 42))
        print("user:42 belongs to", foo.ring.find("user:42").id)


trio.run(main)
