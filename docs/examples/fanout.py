"""One source for several nodes: each piece is read once and sent to all of them."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio

from clusterkit import (
    ClusterNode,
    GenServer,
    OpenStream,
    Stream,
    create_cluster,
    stream,
)
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Store(GenServer):
    @stream
    async def put(self, incoming: Stream) -> str:
        digest = hashlib.sha256()
        async for piece in incoming:
            digest.update(piece)
        return digest.hexdigest()[:8]


async def source() -> AsyncIterator[bytes]:
    for number in range(50):
        yield bytes([number]) * 20_000
        await trio.lowlevel.checkpoint()


async def fan_out(
    node: ClusterNode, places: list[str], pieces: AsyncIterator[bytes]
) -> dict[str, str]:
    """Send all pieces to the store of each place; return what each came to.

    The slowest sets the pace. A place that fails is left out from then on, and
    spoils no other.
    """
    outcome: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        outs: dict[str, OpenStream[str]] = {}

        async def guarded(place: str, piece: bytes | None) -> None:
            try:
                if piece is not None:
                    await outs[place].send(piece)
                else:
                    outcome[place] = await outs[place].finish()
            except ClusterError as error:
                outcome[place] = type(error).__name__
                del outs[place]

        async def to_all(piece: bytes | None) -> None:
            async with trio.open_nursery() as nursery:
                for place in list(outs):
                    nursery.start_soon(guarded, place, piece)

        for place in places:
            try:
                opening = node.ref(Store, "store", at=place).stream(Store.put)
                outs[place] = await stack.enter_async_context(opening)
            except ClusterError as error:
                outcome[place] = type(error).__name__
        async for piece in pieces:
            await to_all(piece)
        await to_all(None)
    return outcome


async def main() -> None:
    async with AsyncExitStack() as stack:
        foo, bar, baz = [
            await stack.enter_async_context(create_cluster(n, port=0, cookie="monster"))
            for n in ("foo", "bar", "baz")
        ]
        for node in (bar, baz):
            await node.start("store", Store)
            await foo.meet(node.address)
        outcome = await fan_out(foo, ["bar", "baz", "nowhere"], source())
        for place in sorted(outcome):
            print(place, outcome[place])


if __name__ == "__main__":
    trio.run(main)
