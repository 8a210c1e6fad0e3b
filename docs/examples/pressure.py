"""An actor that is slow, and what its senders meet: to wait, an error, or nothing."""

from __future__ import annotations

import trio

from clusterkit import Config, GenServer, cast, create_cluster
from clusterkit.errors import MailboxFull
from clusterkit.events import Busy, Dropped


class Slow(GenServer):
    """Takes what is put into it, one after the other."""

    mailbox = 100

    def __init__(self) -> None:
        self.seen: list[int] = []

    @cast
    async def put(self, number: int) -> None:
        await trio.sleep(0.0001)
        self.seen.append(number)


class Orders(Slow):
    """Each one counts: who sends too many waits."""

    mailbox_policy = "wait"  # what it is anyway


class Thumbnails(Slow):
    """Who sends too many has something better to do than to wait."""

    mailbox_policy = "raise"


class Temperature(Slow):
    """Only the newest values matter."""

    mailbox_policy = "drop_oldest"


async def main() -> None:
    config = Config(refused_interval=0.1)
    async with (
        create_cluster("foo", port=0, cookie="monster", config=config) as node,
        node.events(Busy, Dropped) as told,
    ):
        orders = await node.start("orders", Orders)
        for number in range(1000):
            await orders.cast(Orders.put, number)
        print("orders: all 1000 are sent")

        thumbnails = await node.start("thumbnails", Thumbnails)
        node.pause("thumbnails")  # as slow as can be
        later = []
        for number in range(250):
            try:
                await thumbnails.cast(Thumbnails.put, number)
            except MailboxFull:
                later.append(number)
        print("thumbnails:", len(later), "are put off")
        print(await anext(told))

        temperature = await node.start("temperature", Temperature)
        node.pause("temperature")
        for number in range(1000):
            await temperature.cast(Temperature.put, number)
        print(await anext(told))

        statistics = node.statistics()
        print("busy:", statistics.busy, "dropped:", statistics.dropped)
        node.resume("thumbnails")
        node.resume("temperature")


if __name__ == "__main__":
    trio.run(main)
