"""Ten times more casts than their consumer handles, for a minute: what that takes.

    overload.py server            prints READY and the port
    overload.py client PORT ONLY  offers the casts; prints the result

Half of the offers wait for room (`cast`), half take no for an answer
(`cast_nowait`). In the end each must be accounted for: handled, refused to the
sender's face, or reported to it afterwards.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import measure
import node_b
import trio
from measure import COOKIE, SCALE, resident

from clusterkit import GenServer, call, cast, create_cluster
from clusterkit.errors import ClusterError, MailboxFull, OutboxFull

if TYPE_CHECKING:
    from measure import Result

    from clusterkit import ActorRef, ClusterNode

SECONDS = 60 * SCALE
PER_SECOND, TIMES = 1_000, 10
"""What the consumer handles, and how much more is offered."""

SENDERS = 32
"""Tasks that cast and wait; one more does not wait."""

PAYLOAD = {"n": 12345, "s": "x" * 1000}
MIB = 1024 * 1024
WARM_UP = 100
"""Casts before anything is weighed; they are handled, too."""

TELLING = 30.0
"""Seconds after which what was refused and not told counts as lost; it is told once
a second."""

ENOUGH = 10_000.0
"""Seconds that the question how many were handled may wait behind them all."""


class Slow(GenServer):
    """The consumer."""

    def __init__(self) -> None:
        self.handled = 0

    @cast
    async def take(self, value: Any) -> None:
        await trio.sleep(1 / PER_SECOND)
        self.handled += 1

    @call
    async def fence(self) -> int:
        return self.handled


class Gauge(GenServer):
    """Tells what its process holds."""

    @call
    async def read(self) -> int:
        return resident()


@dataclass
class Book:
    """What became of the offers, and the most memory that they took.

    Args:
        accepted: The cast returned.
        refused: It raised; nothing was sent.
        memory: Resident bytes of both processes: before, and at most.
    """

    accepted: int = 0
    refused: int = 0
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)

    def weigh(self, process: str, size: int) -> None:
        before, most = self.memory.get(process, (size, size))
        self.memory[process] = before, max(most, size)

    def grown(self, process: str) -> float:
        before, most = self.memory[process]
        return (most - before) / MIB


async def server() -> None:
    """Be node B until the harness closes our standard input."""
    await node_b.serve({"slow": Slow, "gauge": Gauge})


async def client(port: int) -> Result:
    """Be node A: offer, weigh, and settle the books."""
    peer = f"b@127.0.0.1:{port}"
    async with create_cluster("a", "127.0.0.1", 0, cookie=COOKIE) as node:
        await node.kernel.connect(peer)
        slow = node.ref(Slow, "slow", at=peer)
        await warm_up(slow)
        book = Book()
        await offer_all(node, slow, book)
        return await settled(node, slow, book)


async def warm_up(slow: ActorRef[Slow]) -> None:
    for _ in range(WARM_UP):
        await slow.cast(Slow.take, PAYLOAD)
    await slow.within(ENOUGH).call(Slow.fence)
    gc.collect()


async def offer_all(node: ClusterNode, slow: ActorRef[Slow], book: Book) -> None:
    """Offer for `SECONDS`, and weigh both processes meanwhile."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(weigh, node, book)
        with trio.move_on_after(SECONDS):
            async with trio.open_nursery() as senders:
                senders.start_soon(insist, slow, book)
                for _ in range(SENDERS):
                    senders.start_soon(wait, slow, book)
        nursery.cancel_scope.cancel()


async def weigh(node: ClusterNode, book: Book) -> None:
    gauge = node.ref(Gauge, "gauge", at="b")
    while True:
        book.weigh("a", resident())
        book.weigh("b", await gauge.within(ENOUGH).call(Gauge.read))
        await trio.sleep(0.1)


async def insist(slow: ActorRef[Slow], book: Book) -> None:
    """Offer half of the rate without waiting."""
    await paced(PER_SECOND * TIMES / 2, lambda: nowait(slow, book))


def nowait(slow: ActorRef[Slow], book: Book) -> None:
    try:
        slow.cast_nowait(Slow.take, PAYLOAD)
        book.accepted += 1
    except (MailboxFull, OutboxFull):
        book.refused += 1


async def wait(slow: ActorRef[Slow], book: Book) -> None:
    """Offer a share of the other half, and wait for room."""
    pause = SENDERS / (PER_SECOND * TIMES / 2)
    while True:
        begun = trio.current_time()
        # What was accepted is counted before anybody can be cancelled again.
        try:
            await slow.cast(Slow.take, PAYLOAD)
            book.accepted += 1
        except (MailboxFull, OutboxFull):
            book.refused += 1
        await trio.sleep_until(begun + pause)


async def paced(rate: float, action: Any) -> None:
    """Do something at a rate; what was missed is made up for."""
    begun, done = trio.current_time(), 0
    while True:
        due = int((trio.current_time() - begun) * rate)
        for _ in range(done, due):
            action()
        done = due
        await trio.sleep(0.01)


async def settled(node: ClusterNode, slow: ActorRef[Slow], book: Book) -> Result:
    """Wait until all that was accepted is handled or reported; return the sums."""
    begun, handled = perf_counter(), await fence(slow)
    drained, accepted = perf_counter() - begun, book.accepted + WARM_UP
    with trio.move_on_after(TELLING):
        while handled + told_of(node) < accepted:
            await trio.sleep(0.1)
    told = told_of(node)
    return {
        "ov_sender_mb": book.grown("a"),
        "ov_receiver_mb": book.grown("b"),
        "ov_offered": book.accepted + book.refused,
        "ov_refused": book.refused,
        "ov_told": told,
        "ov_lost": abs(accepted - handled - told),
        "ov_drain_s": drained,
    }


def told_of(node: ClusterNode) -> int:
    """Return how many casts the sender has heard of that were not handled."""
    statistics = node.statistics()
    return statistics.refused.get("b", 0) + statistics.undelivered.get("b", 0)


async def fence(slow: ActorRef[Slow]) -> int:
    """Ask how many were handled, once all are; a choked actor takes no question."""
    while True:
        try:
            return await slow.within(ENOUGH).call(Slow.fence)
        except ClusterError:
            await trio.sleep(0.1)


def main(role: str, *args: str) -> None:
    """Be one of the two processes."""
    if role == "server":
        trio.run(server)
    else:
        measure.emit(trio.run(client, int(args[0])))


if __name__ == "__main__":
    main(*sys.argv[1:])
