"""A cluster that finds itself: no node is told where another one is.

Three nodes in one process, to be read in one go; each would be a process of its own,
on any machine of one LAN. Here they stay on this machine, for `host` is 127.0.0.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from clusterkit import ClusterNode, create_cluster
from clusterkit.events import MemberUp

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


def node(name: str) -> AbstractAsyncContextManager[ClusterNode]:
    """Return a node that finds others, and is found."""
    return create_cluster(
        name, "127.0.0.1", 0, cookie="monster", ring="found", discover=True
    )


async def main() -> None:
    async with (
        node("foo") as foo,
        foo.events(MemberUp) as events,
        node("bar"),
        node("baz"),
    ):
        up = {"foo"}
        while up != {"foo", "bar", "baz"}:
            event = await anext(events)
            if isinstance(event, MemberUp):
                up.add(event.peer)
        print("members:", *sorted(foo.members.alive()))
        print("found by:", *foo.discovery.sources())


if __name__ == "__main__":
    trio.run(main)
