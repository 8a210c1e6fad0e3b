"""The policies of a full mailbox, as laws: on one node, and across two.

A sender casts numbers to an actor that is paused now and then, as the dice say.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.errors import ConfigError, MailboxFull
from clusterkit.events import Refused
from tests.unit.nodes import alone, hearing, pair, statistics_of, virtual
from tests.unit.servers import Sink
from tests.waiting import until

MARK = 8


class Small(Sink):
    mailbox = MARK


class Raising(Small):
    mailbox_policy = "raise"


class Dropping(Small):
    mailbox_policy = "drop_oldest"


class Waiting(Small):
    mailbox_policy = "wait"


KINDS = {"wait": Waiting, "raise": Raising, "drop_oldest": Dropping}


@asynccontextmanager
async def here(kind, **config):
    async with alone(actors={"sink": kind}, config=config) as node:
        yield node, node, "sink"


@asynccontextmanager
async def there(kind, **config):
    async with pair(actors={"sink": kind}, config=config) as (a, b):
        yield a, b, "sink@b"


WHERE = pytest.mark.parametrize("where", [here, there], ids=["here", "there"])
SEEDS = pytest.mark.parametrize("seed", range(4))


def got(node):
    return node._runtime.local("sink").server.got


def policy_of(node, name):
    runtime = node._runtime
    return runtime.pressure.policy(runtime.local(name))


async def schedule(node, rng, count):
    """Pause and resume the sink, and let a few things pass in between."""
    for _ in range(count):
        node.pause("sink")
        await trio.sleep(rng.random() * 0.1)
        node.resume("sink")
        await trio.sleep(rng.random() * 0.02)


async def some_time(rng):
    if rng.random() < 0.1:
        await trio.sleep(rng.random() * 0.02)


async def quiet(sender, owner):
    """Wait until everything has come to the sink, and all is told."""
    await until(lambda: all(link.outbox == 0 for link in sender.kernel.links()))
    await until(lambda: all(link.unacked == 0 for link in sender.kernel.links()))
    await until(lambda: statistics_of(owner, "sink").mailbox == 0)
    await trio.sleep(3)


@WHERE
@SEEDS
@virtual
async def test_with_wait_all_is_handled_but_what_was_on_its_way_at_the_choke(
    where, seed
):
    rng = Random(seed)
    async with where(Waiting) as (sender, owner, target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(schedule, owner, rng, 20)
            for i in range(300):
                await sender.cast(target, "put", i)
                await some_time(rng)
        await quiet(sender, owner)
        told = sum(sender.statistics().refused.values())
        assert owner.statistics().dropped == ({"mailbox_full": told} if told else {})
        assert sender.statistics().busy == {}
        assert got(owner) == sorted(got(owner))
        assert len(got(owner)) == 300 - told
        assert where is there or not told


@WHERE
@SEEDS
@virtual
async def test_with_raise_no_cast_waits_and_what_was_taken_is_handled(where, seed):
    rng = Random(seed)
    accepted, refused = [], []
    async with where(Raising) as (sender, owner, target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(schedule, owner, rng, 20)
            for i in range(300):
                began = trio.current_time()
                try:
                    await sender.cast(target, "put", i)
                    accepted.append(i)
                except MailboxFull:
                    refused.append(i)
                assert trio.current_time() == began
                await some_time(rng)
        await quiet(sender, owner)
        told = sender.statistics()
        on_its_way = sum(told.refused.values())
        assert refused
        assert told.busy == {"mailbox_full": len(refused)}
        assert len(got(owner)) == len(accepted) - on_its_way
        assert set(got(owner)) <= set(accepted)
        assert got(owner) == sorted(got(owner))


@WHERE
@SEEDS
@virtual
async def test_with_drop_oldest_no_cast_waits_or_raises_and_the_newest_stay(
    where, seed
):
    rng = Random(seed)
    async with where(Dropping) as (sender, owner, target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(schedule, owner, rng, 20)
            for i in range(300):
                began = trio.current_time()
                await sender.cast(target, "put", i)
                assert trio.current_time() == began
                await some_time(rng)
        await quiet(sender, owner)
        assert got(owner)[-MARK:] == list(range(300 - MARK, 300))
        assert got(owner) == sorted(got(owner))
        lost = 300 - len(got(owner))
        assert lost > 0
        assert owner.statistics().dropped == {"mailbox_oldest": lost}
        assert statistics_of(owner, "sink").dropped == lost
        assert sender.statistics().refused == sender.statistics().busy == {}


@WHERE
@virtual
async def test_drop_oldest_keeps_what_came_last_while_the_actor_was_away(where):
    async with where(Dropping) as (sender, owner, target):
        owner.pause("sink")
        for i in range(50):
            sender.cast_nowait(target, "put", i)
        await trio.sleep(1)
        assert statistics_of(owner, "sink").mailbox == MARK
        owner.resume("sink")
        await quiet(sender, owner)
        assert got(owner) == list(range(42, 50))


@WHERE
@virtual
async def test_drop_oldest_drops_no_call_and_a_call_makes_a_cast_go(where):
    answers = []
    async with where(Dropping) as (sender, owner, target):
        owner.pause("sink")
        for i in range(MARK):
            sender.cast_nowait(target, "put", i)

        async def ask(value):
            answers.append(await sender.call(target, "echo", value))

        async with trio.open_nursery() as nursery:
            for value in range(3):
                nursery.start_soon(ask, value)
                await trio.sleep(0.1)
            for i in range(MARK, 3 * MARK):
                sender.cast_nowait(target, "put", i)
            await trio.sleep(0.1)
            owner.resume("sink")
        await quiet(sender, owner)
        assert sorted(answers) == [0, 1, 2]
        assert got(owner) == list(range(3 * MARK - 5, 3 * MARK))


@WHERE
@virtual
async def test_a_mailbox_full_of_calls_refuses_even_if_the_oldest_would_go(where):
    outcomes = []
    async with where(Dropping) as (sender, owner, target):
        owner.pause("sink")

        async def ask():
            try:
                outcomes.append(await sender.call(target, "echo", 1))
            except MailboxFull:
                outcomes.append("full")

        async with trio.open_nursery() as nursery, hearing(sender, Refused) as heard:
            for _ in range(MARK + 2):
                nursery.start_soon(ask)
                await trio.sleep(0.01)
            if where is here:
                with pytest.raises(MailboxFull):
                    sender.cast_nowait(target, "put", 1)
            else:
                sender.cast_nowait(target, "put", 1)
                await trio.sleep(2)
                assert heard == [Refused("b", "sink", 1)]
            owner.resume("sink")
        assert outcomes == ["full"] * 2 + [1] * MARK
        assert got(owner) == []


@WHERE
@virtual
async def test_drop_oldest_counts_bytes_too(where):
    async with where(Dropping, mailbox_bytes=10_000) as (sender, owner, target):
        owner.pause("sink")
        for i in range(6):
            sender.cast_nowait(target, "put", bytes([i]) * 4_000)
        await trio.sleep(1)
        owner.resume("sink")
        await quiet(sender, owner)
        kept = [value[0] for value in got(owner)]
        assert kept == ([0, 1, 2, 3, 4, 5] if where is here else [3, 4, 5])


@WHERE
@virtual
async def test_concurrent_handlers_that_fill_a_mailbox_are_never_dropped(where):
    class Beside(GenServer):
        mailbox = 4
        mailbox_policy = "drop_oldest"

        def __init__(self):
            self.got = []

        @cast(concurrent=True)
        async def put(self, value):
            await trio.sleep(1)
            self.got.append(value)

    async with where(Beside) as (sender, owner, target):
        refused = 0
        for i in range(20):
            try:
                sender.cast_nowait(target, "put", i)
            except MailboxFull:
                refused += 1
            await trio.sleep(0.01)
        await quiet(sender, owner)
        told = sum(sender.statistics().refused.values())
        assert len(got(owner)) == 20 - refused - told
        assert refused + told > 0


@virtual
async def test_with_raise_a_call_is_refused_as_it_always_is():
    async with there(Raising) as (a, b, target):
        b.pause("sink")
        for i in range(MARK + 1):
            a.cast_nowait(target, "put", i)
        await trio.sleep(0.1)
        with pytest.raises(MailboxFull):
            await a.call(target, "read")
        b.resume("sink")
        await trio.sleep(0.1)
        await a.cast(target, "put", "again")
        assert (await a.call(target, "read"))[-1] == "again"


@virtual
async def test_the_node_s_policy_is_that_of_actors_without_one():
    for policy, kind in KINDS.items():
        config = {"mailbox_policy": policy}
        async with alone(config=config) as node:
            for cls in (Small, *KINDS.values()):
                name = cls.__name__
                await node.start(name, cls)
                expected = policy if cls is Small else cls.mailbox_policy
                assert policy_of(node, name) == expected
            assert policy_of(node, kind.__name__) == policy


@virtual
async def test_the_node_s_own_actors_wait_whatever_its_policy_is():
    async with alone(config={"mailbox_policy": "drop_oldest"}) as node:
        for name in ("_ring", "command"):
            assert policy_of(node, name) == "wait"


@virtual
async def test_an_instance_may_have_a_policy_of_its_own():
    async with alone() as node:
        server = GenServer()
        server.mailbox_policy = "raise"
        await node.start("x", server)
        assert policy_of(node, "x") == "raise"


@pytest.mark.parametrize("wrong", ["forget", 1, True, ["wait"]], ids=str)
def test_a_policy_that_does_not_exist_is_told_where_the_class_is_made(wrong):
    with pytest.raises(ConfigError, match="mailbox_policy must be 'wait', 'raise'"):

        class Wrong(GenServer):
            mailbox_policy = wrong


@virtual
async def test_a_cast_to_the_own_full_mailbox_drops_the_oldest_without_waiting():
    class Talking(GenServer):
        mailbox = 4
        mailbox_policy = "drop_oldest"

        def __init__(self):
            self.got = []

        @cast
        async def put(self, value):
            self.got.append(value)

        @call
        async def talk(self):
            for i in range(10):
                await self.node.cast(self.name, "put", i)

    async with alone() as node:
        ref = await node.start("sink", Talking)
        await ref.call(Talking.talk)
        await trio.testing.wait_all_tasks_blocked()
        assert got(node) == [6, 7, 8, 9]


@virtual
async def test_calls_that_were_given_up_go_before_any_cast():
    class Deferred(Dropping):
        @call
        async def ask(self):
            return later()

    async with alone(actors={"sink": Deferred}) as node:
        node.pause("sink")
        for i in range(4):
            node.cast_nowait("sink", "put", i)
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(node.call, "sink", "ask")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        for i in range(4, 8):
            node.cast_nowait("sink", "put", i)
        node.resume("sink")
        await trio.testing.wait_all_tasks_blocked()
        assert got(node) == list(range(8))
        assert node.statistics().dropped == {"abandoned": 4}


@virtual
async def test_senders_of_an_older_version_take_a_choke_that_says_raise_for_any():
    async with there(Raising) as (a, b, target):
        link = a.kernel.peers["b"]
        b.pause("sink")
        for i in range(MARK + 1):
            a.cast_nowait(target, "put", i)
        await until(lambda: link.choked)
        assert link.choked == {"sink": "raise"}
        deliver = a._runtime.delivery.deliver
        for more, policy in (
            ([], "wait"),
            (["forget"], "wait"),
            (["raise", 1], "raise"),
        ):
            deliver(link, [[9, "sink", *more]], 10)
            assert link.choked == {"sink": policy}
        b.resume("sink")
        await until(lambda: not link.choked)
