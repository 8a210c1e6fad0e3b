"""The policies of full mailboxes and outboxes over real sockets."""

from __future__ import annotations

import pytest
import trio

from clusterkit.errors import MailboxFull, OutboxFull
from clusterkit.events import Busy, Dropped, Refused
from tests.waiting import until

from .nodes import Sink, got, linked, wired

QUICK = {"refused_interval": 0.05}


class Small(Sink):
    mailbox = 16


class Raising(Small):
    mailbox_policy = "raise"


class Dropping(Small):
    mailbox_policy = "drop_oldest"


def lost(node):
    told = node.statistics()
    return sum(told.dropped.values()) + sum(told.busy.values())


async def test_with_wait_a_sender_goes_on_when_the_actor_does():
    async with linked(actors={"sink": Sink}) as (a, b):
        b.pause("sink")
        async with trio.open_nursery() as nursery:

            async def send():
                for i in range(30_000):
                    await a.cast("sink@b", "put", i)

            nursery.start_soon(send)
            await until(lambda: a.kernel.peers["b"].choked)
            b.resume("sink")
        await until(lambda: len(got(b)) == 30_000)
        assert got(b) == list(range(30_000))
        assert lost(a) == lost(b) == 0


async def test_with_raise_a_sender_is_told_at_once():
    async with linked(actors={"sink": Raising}, config=QUICK) as (a, b):
        async with a.events(Busy) as told:
            b.pause("sink")
            for i in range(17):
                await a.cast("sink@b", "put", i)
            await until(lambda: a.kernel.peers["b"].choked)
            with pytest.raises(MailboxFull):
                await a.cast("sink@b", "put", 17)
            assert await anext(told) == Busy("mailbox_full", "b", "sink", 1)
        b.resume("sink")
        await until(lambda: not a.kernel.peers["b"].choked)
        await a.cast("sink@b", "put", "again")
        await until(lambda: got(b) == [*range(17), "again"])


async def test_with_drop_oldest_the_newest_are_kept_and_nobody_waits():
    async with linked(actors={"sink": Dropping}, config=QUICK) as (a, b):
        async with b.events(Dropped, Refused) as told:
            b.pause("sink")
            for i in range(5_000):
                await a.cast("sink@b", "put", i)
            seen = 0
            while seen < 5_000 - 16:
                event = await anext(told)
                assert (event.reason, event.actor) == ("mailbox_oldest", "sink")
                seen += event.n
        assert not a.kernel.peers["b"].choked
        b.resume("sink")
        await until(lambda: len(got(b)) == 16)
        assert got(b) == list(range(5_000 - 16, 5_000))
        assert b.statistics().dropped == {"mailbox_oldest": 5_000 - 16}


@pytest.mark.parametrize("policy", ["wait", "raise", "drop_oldest"])
async def test_an_outbox_does_as_its_policy_says_and_all_is_counted(policy):
    # It ends with something to say to a node that is away.
    hasty = {"drain_timeout": 0.1}
    config = {"outbox_messages": 50, "outbox_policy": policy, **QUICK, **hasty}
    refused = 0
    async with wired(config=config) as (a, b, wires):
        b.kernel.stop_accepting()
        for wire in wires:
            wire.frozen = True
            wire.cut()
        await until(lambda: not a.kernel.is_connected("b"))
        for i in range(200):
            try:
                a.cast_nowait("sink@b", "put", i)
            except OutboxFull:
                refused += 1
        told = a.statistics()
        if policy == "drop_oldest":
            assert (told.dropped, told.busy) == ({"outbox_oldest": 150}, {})
        else:
            assert (told.dropped, told.busy) == ({}, {"outbox_full": 150})
        assert refused == told.busy.get("outbox_full", 0)
        assert a.kernel.links()[0].outbox == 50
