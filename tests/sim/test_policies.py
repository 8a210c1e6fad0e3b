"""Policies on a network that breaks: every message is handled, or accounted for."""

from __future__ import annotations

from collections import Counter

import pytest
import trio

from clusterkit import Config, GenServer, cast
from clusterkit.errors import MailboxFull, OutboxFull
from clusterkit.events import Busy, Dropped, Undelivered
from clusterkit.testing import simulate
from tests.waiting import until

COUNT = 400
POLICIES = ("wait", "raise", "drop_oldest")


class Slow(GenServer):
    """Takes its time, and is full soon."""

    mailbox = 8

    def __init__(self):
        self.got = []

    @cast
    async def put(self, value):
        await trio.sleep(0.002)
        self.got.append(value)


async def count(node, counts, *, task_status):
    """Count what became of messages to `slow`; the node sends others of its own."""
    async with node.events(Busy, Dropped, Undelivered) as events:
        task_status.started()
        async for event in events:
            if event.actor == "slow":
                counts[type(event)] += event.n


async def disturb(sim):
    for _ in range(6):
        await trio.sleep(sim.rng.random())
        sim.delay("a", "b", sim.rng.random() * 0.03)
        sim.cut("a", "b")
        if sim.rng.random() < 0.5:
            sim.partition({"a"}, {"b"})
            await trio.sleep(sim.rng.random())
            sim.heal()


async def cast_all(node, sim):
    """Cast while the network breaks; return how many were refused at once."""
    raised = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disturb, sim)
        for i in range(COUNT):
            try:
                await node.cast("slow@b", "put", i)
            except (MailboxFull, OutboxFull):
                raised += 1
            if sim.rng.random() < 0.3:
                await trio.sleep(sim.rng.random() * 0.05)
    return raised


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("outbox", POLICIES)
@pytest.mark.parametrize("mailbox", POLICIES)
def test_nothing_is_unaccounted_for_whatever_the_network_does(mailbox, outbox, seed):
    async def main(sim):
        config = Config(
            mailbox_policy=mailbox, outbox_policy=outbox, outbox_messages=20
        )
        a = await sim.start("a", config=config)
        b = await sim.start("b", config=config, actors={"slow": Slow})
        await a.meet(b.address)
        slow = b._runtime.local("slow")
        at_a, at_b = Counter(), Counter()
        async with trio.open_nursery() as counting:
            await counting.start(count, a, at_a)
            await counting.start(count, b, at_b)
            raised = await cast_all(a, sim)

            def quiet():
                links = [*a.kernel.links(), *b.kernel.links()]
                return not slow.mailbox.queue and not sum(
                    link.outbox + link.unacked for link in links
                )

            await until(quiet)
            await trio.sleep(2 * config.refused_interval)  # of what was not yet told
            counting.cancel_scope.cancel()
        got, lost_at_b = slow.server.got, at_b[Dropped] + at_b[Undelivered]
        assert got == sorted(set(got))  # in order, none twice
        lost_at_a = at_a[Dropped] + at_a[Undelivered]
        assert len(got) + raised + lost_at_a + lost_at_b == COUNT
        assert raised == at_a[Busy]
        if mailbox == "wait" and outbox == "wait":
            assert len(got) + lost_at_b == COUNT - raised
        if mailbox == outbox == "drop_oldest":
            assert raised == 0

    simulate(main, seed=seed)
