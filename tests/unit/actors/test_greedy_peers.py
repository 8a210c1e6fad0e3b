"""A peer that has the cookie and sends without end: what it can make a node keep."""

from __future__ import annotations

import logging
from functools import partial

import pytest
import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.actors.delivery import MOST_CHOKED
from clusterkit.actors.monitors import MOST_MONITORS
from clusterkit.events import LinkGivenUp, Refused
from clusterkit.names import MAX_NAME
from clusterkit.net.peer import Peer
from clusterkit.wire import messages as m
from tests.unit.nodes import hearing, pair, virtual
from tests.waiting import until

FEW = {"outbox_messages": 50, "inbound_calls": 10}


class Sink(GenServer):
    @call
    async def add(self, n):
        return n

    @call
    async def never(self):
        return later()

    @cast
    async def put(self, n):
        pass


def deliver(node, peer, records):
    """Have records come in as if `peer` had sent them, in one frame."""
    link = node.kernel.peers[peer]
    node._runtime.delivery.deliver(link, records, 100 * len(records))
    return link


CALLS = {
    "to nobody": lambda i: [m.CALL, "nobody", "add", [i], None, i, 0],
    "to nobody with a long name": lambda i: [m.CALL, "n" * 5000, "x", [], None, i, 0],
    "that are too many": lambda i: [m.CALL, "sink", "never", [], None, i, 0],
    "of monitors of nobody": lambda i: [m.MONITOR, i, "nobody"],
}


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
@virtual
async def test_a_peer_that_asks_and_does_not_read_is_given_up(make):
    async with pair(actors={"sink": Sink}, config=FEW) as (a, b):
        a.network.partition({"a"}, {"b"})  # what b answers goes nowhere
        async with hearing(b, LinkGivenUp) as heard:
            most = 0
            for start in range(0, 10_000, 100):
                link = b.kernel.peers["a"]
                if link.given_up is not None:
                    break
                deliver(b, "a", [make(start + i) for i in range(100)])
                most = max(most, len(link.outbox))
            assert link.given_up == "unread"
            assert most <= link.most_waiting + 1
            assert len(link.outbox) == link.interest == 0
        assert heard == [LinkGivenUp("a", "unread")]


@virtual
async def test_a_peer_that_does_not_read_when_it_has_to_wait_is_given_up():
    class Narrow(Sink):
        mailbox = 1

    async with pair(actors={"sink": Narrow}, config=FEW) as (a, b):
        a.network.partition({"a"}, {"b"})
        link = b.kernel.peers["a"]
        for _ in range(1_000):
            if link.given_up is not None:
                break
            deliver(b, "a", [[m.CAST, "sink", "put", [1], None]] * 2)
            await trio.testing.wait_all_tasks_blocked()
            assert len(link.outbox) <= link.most_waiting + 2
        assert link.given_up == "unread"


@virtual
async def test_refusals_of_one_frame_are_bounded_too():
    async with pair(actors={"sink": Sink}, config=FEW) as (a, b):
        a.network.partition({"a"}, {"b"})
        link = deliver(b, "a", [CALLS["to nobody"](i) for i in range(10_000)])
        assert len(link.outbox) <= link.most_waiting + 1


@virtual
async def test_a_peer_that_reads_may_ask_nobody_for_ever():
    async with pair(actors={"sink": Sink}, config=FEW) as (a, b):
        for start in range(0, 5_000, 50):
            deliver(b, "a", [CALLS["to nobody"](start + i) for i in range(50)])
            await until(lambda: not len(b.kernel.peers["a"].outbox))
        assert await a.call("sink@b", "add", 1) == 1


@virtual
async def test_a_tool_that_asks_and_does_not_read_loses_its_connection():
    async with pair(actors={"sink": Sink}, config=FEW) as (_, b):
        link = b.kernel.peers["a"]
        link.cut_off = partial(Peer.cut_off, link)  # as of a tool, which is no link
        for i in range(1000):
            if link.connection is None:
                break
            deliver(b, "a", [CALLS["to nobody"](i * 10 + j) for j in range(10)])
        assert link.connection.ended == "unread"


@virtual
async def test_chokes_of_a_peer_are_bounded_in_number_and_length():
    async with pair(actors={"sink": Sink}) as (a, _):
        link = deliver(a, "b", [[m.CHOKE, f"n{i}"] for i in range(2 * MOST_CHOKED)])
        deliver(a, "b", [[m.CHOKE, "x" * (MAX_NAME + 2)]])
        assert len(link.choked) == MOST_CHOKED
        deliver(a, "b", [[m.UNCHOKE, name] for name in list(link.choked)])
        assert await a.call("sink@b", "add", 1) == 1


@virtual
async def test_monitors_of_a_peer_are_bounded_and_more_fire_at_once():
    async with pair(actors={"sink": Sink}) as (_, b):
        monitors = b._runtime.monitors
        many = range(MOST_MONITORS)
        link = deliver(b, "a", [[m.MONITOR, i, "sink"] for i in many])
        waiting = len(link.outbox)
        deliver(b, "a", [[m.MONITOR, MOST_MONITORS + i, "sink"] for i in range(3)])
        assert len(monitors._theirs["sink"]) == MOST_MONITORS
        assert len(link.outbox) == waiting + 3
        deliver(b, "a", [[m.DEMONITOR, 0], [m.MONITOR, MOST_MONITORS, "sink"]])
        assert len(link.outbox) == waiting + 3
        assert monitors.held_by(link)
        deliver(b, "a", [[m.DEMONITOR, i] for i in range(MOST_MONITORS + 1)])
        assert not monitors.held_by(link)


@virtual
async def test_notices_of_refused_casts_do_not_fill_the_log(caplog):
    caplog.set_level(logging.WARNING)
    async with pair() as (a, _), hearing(a, Refused) as heard:
        deliver(a, "b", [[m.REFUSED, f"n{i}" * 1000, 1] for i in range(5_000)])
        deliver(a, "b", [[m.REFUSED, "sink", n] for n in (2, -7, 2**63)])
        await trio.testing.wait_all_tasks_blocked()
        assert len(caplog.records) < 300
        assert max(len(record.getMessage()) for record in caplog.records) < 1_000
        assert all(event.n > 0 and len(event.actor) < 200 for event in heard[-3:])
        assert a.statistics().refused["b"] == 5_000 + 2 + 2**63
