"""Closing a link in good order takes nothing from either side."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import trio

from clusterkit import Down, GenServer, call
from clusterkit.events import LinkDown
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import hearing, on_network, virtual
from tests.waiting import until

IDLE = {"idle_close": 4.0}


class Slow(GenServer):
    """Works long, and hears of ends."""

    def __init__(self):
        self.heard = []

    @call
    async def work(self, seconds):
        await trio.sleep(seconds)
        return "done"

    @call
    async def watch(self, target):
        self.number = self.monitor(target)

    @call
    async def unwatch(self):
        self.demonitor(self.number)

    async def handle_info(self, message):
        if isinstance(message, Down):
            self.heard.append(message.reason)


@asynccontextmanager
async def on_demand():
    """`a`, which has dialled `b` for one call; nothing else keeps the link."""
    network = MemoryNetwork(Random(0))
    options = {"actors": {"slow": Slow, "other": Slow}, "config": IDLE}
    async with on_network(network, "b", **options) as b:
        async with on_network(network, "a", **options) as a:
            await a.call(f"slow@{b.address}", "work", 0)
            yield a, b


@virtual
async def test_a_link_that_nobody_needs_is_closed():
    async with on_demand() as (_, b), hearing(b, LinkDown) as heard:
        await trio.sleep(10)
        assert heard == [LinkDown("a", "bye")]


@virtual
async def test_a_link_stays_while_the_peer_waits_for_an_answer():
    async with on_demand() as (a, b), hearing(b, LinkDown) as heard:
        assert await b.call("slow@a", "work", 30, timeout=60) == "done"
        assert heard == []
        await until(lambda: heard)
        assert a.statistics().late_replies == 0


@virtual
async def test_a_link_stays_while_the_peer_monitors_an_actor():
    async with on_demand() as (a, b), hearing(b, LinkDown) as heard:
        await b.call("slow", "watch", "other@a")
        await trio.sleep(30)
        assert heard == []
        await b.call("slow", "unwatch")
        await until(lambda: heard)
        assert a.kernel.peers["b"].reconnects == 0


@virtual
async def test_closing_a_link_by_our_own_will_abandons_no_call_of_the_peer():
    async with on_demand() as (a, b):
        answers = []

        async def ask():
            answers.append(await b.call("slow@a", "work", 1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await until(lambda: a.kernel.peers["b"].open_calls)
            await a.kernel.peers["b"].connection.finish()
        assert answers == ["done"]
        assert a.statistics().late_replies == 0


@virtual
async def test_what_is_sent_while_an_idle_link_closes_goes_on_the_next_connection():
    async with on_demand() as (a, b):
        for n in range(8):  # either side's task may come first
            link = a.kernel.peers["b"]
            link.connection.session.active -= 100
            a.kernel._close_idle()
            assert await a.call("slow@b", "work", 0) == "done"
            assert link.reconnects == n + 1
        assert b.statistics().late_replies == 0
