"""Policies on a network that breaks: every message is handled, or accounted for."""

from __future__ import annotations

import pytest
import trio

from clusterkit import Config, GenServer, cast
from clusterkit.errors import MailboxFull, OutboxFull
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


def losses(node):
    told = node.statistics()
    return sum(told.dropped.values()) + sum(told.undelivered.values())


async def disturb(sim):
    for _ in range(6):
        await trio.sleep(sim.rng.random())
        sim.delay("a", "b", sim.rng.random() * 0.03)
        sim.cut("a", "b")
        if sim.rng.random() < 0.5:
            sim.partition({"a"}, {"b"})
            await trio.sleep(sim.rng.random())
            sim.heal()


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
        raised = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(disturb, sim)
            for i in range(COUNT):
                try:
                    await a.cast("slow@b", "put", i)
                except (MailboxFull, OutboxFull):
                    raised += 1
                if sim.rng.random() < 0.3:
                    await trio.sleep(sim.rng.random() * 0.05)

        def quiet():
            links = [*a.kernel.links(), *b.kernel.links()]
            return not slow.mailbox.queue and not sum(
                link.outbox + link.unacked for link in links
            )

        await until(quiet)
        got = slow.server.got
        assert got == sorted(set(got))  # in order, none twice
        assert len(got) + raised + losses(a) + losses(b) == COUNT
        assert raised == sum(a.statistics().busy.values())
        if mailbox == "wait" and outbox == "wait":
            assert len(got) + losses(b) == COUNT - raised
        if mailbox == outbox == "drop_oldest":
            assert raised == 0

    simulate(main, seed=seed)
