"""An actor with a state: typed call and cast, a refusal, a crash and a restart."""

from __future__ import annotations

import trio

from clusterkit import GenServer, Rejected, call, cast, create_cluster
from clusterkit.errors import RemoteFault


class TooLittle(Rejected):
    """The counter holds less than is to be taken."""

    code = "too_little"


class Counter(GenServer):
    def __init__(self, start: int = 0) -> None:
        self.value = start

    @call
    async def add(self, n: int) -> int:
        self.value += n
        return self.value

    @call
    async def take(self, n: int) -> int:
        if n > self.value:
            raise TooLittle(f"{self.value} is less than {n}")
        self.value -= n
        return self.value

    @call
    async def share(self, among: int) -> int:
        return self.value // among

    @cast
    async def reset(self) -> None:
        self.value = 0


async def main() -> None:
    async with create_cluster("foo", port=0, cookie="monster") as node:
        counter = await node.start("counter", Counter, 10)

        print("add 5:", await counter.call(Counter.add, 5))
        await counter.cast(Counter.reset)  # sent; nobody waits for it
        print("after the reset:", await counter.call(Counter.add, 1))

        # A refusal is an answer like any other: the actor lives on.
        try:
            await counter.call(Counter.take, 100)
        except TooLittle as error:
            print("refused:", error)
        print("still there:", await counter.call(Counter.add, 0))

        # Any other exception is a crash. The actor is built anew, from the
        # arguments it was started with.
        try:
            await counter.call(Counter.share, 0)
        except RemoteFault as error:
            print("crashed:", error.type)
        print("built anew:", await counter.call(Counter.add, 0))
        restarts = {actor.name: actor.restarts for actor in node.statistics().actors}
        print("restarts:", restarts["counter"])


if __name__ == "__main__":
    trio.run(main)
