"""A queue of jobs: answers that come later, and timers that take jobs back."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import trio

from clusterkit import Caller, GenServer, call, cast, create_cluster, later

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = 0.2
"""Seconds a worker has for a job; then somebody else gets it."""


class Jobs(GenServer):
    async def init(self) -> None:
        self.waiting: deque[str] = deque()
        self.askers: deque[Caller] = deque()
        self.given: dict[str, Callable[[], None]] = {}

    @cast
    async def put(self, job: str) -> None:
        self.waiting.append(job)
        self.hand_out()

    @call
    async def take(self) -> str:
        """Return the next job, as soon as there is one."""
        self.askers.append(self.caller)
        self.hand_out()
        return later()  # the answer: some `reply`, perhaps the one just sent

    @cast
    async def done(self, job: str) -> None:
        forget_timer = self.given.pop(job, None)
        if forget_timer is not None:
            forget_timer()

    def hand_out(self) -> None:
        while self.waiting and self.askers:
            job = self.waiting.popleft()
            self.askers.popleft().reply(job)
            self.given[job] = self.send_after(LEASE, job)

    async def handle_info(self, message: str) -> None:
        """Take back a job whose time is up: what `send_after` has sent."""
        del self.given[message]
        await self.put(message)


async def main() -> None:
    async with create_cluster("foo", port=0, cookie="monster") as node:
        jobs = (await node.start("jobs", Jobs)).within(math.inf)

        async def work(name: str) -> None:
            job = await jobs.call(Jobs.take)
            print(name, "does", job)
            await jobs.cast(Jobs.done, job)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, "ann")  # asks before there is anything
            await jobs.cast(Jobs.put, "sweep")
        await jobs.cast(Jobs.put, "paint")
        print("bob takes", await jobs.call(Jobs.take), "and is never seen again")
        await work("ann")


if __name__ == "__main__":
    trio.run(main)
