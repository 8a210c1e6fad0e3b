"""A test of one's own actor: a network that breaks and heals, in virtual time."""

from __future__ import annotations

import trio

from clusterkit import GenServer, call, cast
from clusterkit.errors import CallTimeout, NodeDown
from clusterkit.events import LinkUp
from clusterkit.testing import ClusterSimulation, simulate


class Inbox(GenServer):
    def __init__(self) -> None:
        self.messages: list[str] = []

    @cast
    async def post(self, text: str) -> None:
        self.messages.append(text)

    @call
    async def read(self) -> list[str]:
        return self.messages


async def posts_across_a_partition(sim: ClusterSimulation) -> None:
    foo = await sim.start("foo")
    bar = await sim.start("bar", actors={"inbox": Inbox})
    await foo.meet(bar.address)
    inbox = foo.ref(Inbox, "inbox", at="bar")
    await inbox.cast(Inbox.post, "before")

    sim.partition({"foo"}, {"bar"})
    await inbox.cast(Inbox.post, "meanwhile")  # kept until it can be sent
    try:
        await inbox.call(Inbox.read)
    except (NodeDown, CallTimeout) as error:  # whichever comes first: 5 s both
        sim.trace(f"the call failed: {error}")
    await trio.sleep(60)  # costs nothing

    async with foo.events(LinkUp) as links:
        sim.heal()
        await anext(links)
    assert await inbox.call(Inbox.read) == ["before", "meanwhile"]


def test_a_post_during_a_partition_arrives_after_it() -> None:
    for seed in range(10):
        simulate(posts_across_a_partition, seed=seed)


if __name__ == "__main__":
    test_a_post_during_a_partition_arrives_after_it()
    trace, again = (simulate(posts_across_a_partition, seed=7) for _ in range(2))
    print(*trace.lines, sep="\n")
    print("the same seed gives the same run:", trace.hash == again.hash)
