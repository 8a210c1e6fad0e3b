"""Releases that meet: a later one is understood, a foreign one is refused by name."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from clusterkit.actors.server import GenServer
from clusterkit.errors import (
    CallTimeout,
    MailboxFull,
    VersionRefused,
)
from clusterkit.net.refusals import REMEDIES
from clusterkit.testing import MemoryNetwork
from clusterkit.wire import messages as m
from clusterkit.wire.greetings import Challenge, Hello, Proof, Welcome
from tests.unit.nodes import on_network, virtual
from tests.unit.servers import Sink, SmallSink
from tests.unit.streams import Files
from tests.unit.wire.playbook import COOKIE, FOO, listener, script

from .later import LaterDialer, LaterSession, with_later_nodes


@pytest.fixture(autouse=True)
def releases(monkeypatch):
    with_later_nodes(monkeypatch)


class Watcher(GenServer):
    """Monitors an actor, and keeps what it hears."""

    def __init__(self, target, heard):
        self.target, self.heard = target, heard

    async def init(self):
        self.monitor(self.target)

    async def handle_info(self, message):
        self.heard.append(message.reason)


@asynccontextmanager
async def two(first, second):
    """Two nodes with sinks, of which the first has dialled the second."""
    network = MemoryNetwork(Random(0))
    actors = {
        "actors": {"sink": Sink, "small": SmallSink, "files": Files},
        "config": {"busy_wait": 0.5},
    }
    async with (
        on_network(network, first, **actors) as a,
        on_network(network, second, **actors) as b,
    ):
        await a.kernel.connect(b.address)
        yield network, a, b


BOTH_WAYS = pytest.mark.parametrize(
    ("first", "second"), [("later", "now"), ("now", "later")]
)


@BOTH_WAYS
@virtual
async def test_calls_and_casts_go_both_ways(first, second):
    async with two(first, second) as (_, a, b):
        for here, there in ((a, b), (b, a)):
            for number in range(20):
                await here.cast(f"sink@{there.name}", "put", {"n": [number]})
            got = await here.call(f"sink@{there.name}", "read")
            assert got == [{"n": [number]} for number in range(20)]
        assert a.statistics().rejected == b.statistics().rejected == {}


@BOTH_WAYS
@virtual
async def test_nothing_is_lost_or_repeated_when_the_connection_breaks(first, second):
    async with two(first, second) as (network, a, b):
        network.delay(first, second, 0.01)
        rng = Random(1)

        async def send(here, there):
            for number in range(300):
                await here.cast(f"sink@{there.name}", "put", number)
                await trio.sleep(rng.random() / 100)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, a, b)
            nursery.start_soon(send, b, a)
            for _ in range(10):
                await trio.sleep(0.1)
                network.cut(first, second)
        for here, there in ((a, b), (b, a)):
            got = await here.call(f"sink@{there.name}", "read")
            assert got == list(range(300))
            assert here.kernel.links()[0].reconnects >= 5
            assert here.statistics().rejected == {}
            assert here.statistics().undelivered == {}


async def overfill(node):
    for number in range(100):
        await node.cast("small@later", "put", number)
        await trio.sleep(0.01)


@BOTH_WAYS
@virtual
async def test_every_kind_of_record_may_be_longer(first, second):
    """The later one says each of them, and what is asked for by it happens."""
    heard = []
    async with two(first, second) as (_, a, b):
        later, now = (a, b) if first == "later" else (b, a)
        await later.call("sink@now", "echo", 1)
        await later.call("sink@now", "size", bytes(200_000))  # Fragment
        async with later.stream("files@now", "write") as stream:  # Open
            await stream.send("something")  # Chunk
            assert await stream.finish() == ["something"]  # End
        async with now.stream("files@later", "write") as stream:  # Credit
            await stream.send("something")
            assert await stream.finish() == ["something"]
        await later.cast("sink@now", "put", 1)
        with pytest.raises(CallTimeout):
            await later.call("sink@now", "sleep", 9, timeout=0.1)  # Cancel
        await now.call("sink@later", "echo", 1)  # Reply
        with pytest.raises(Exception, match="nothing"):
            await now.call("sink@later", "nothing")  # Fault
        for here, there in ((later, now), (now, later)):  # Open, Chunk, Credit, End
            async with here.stream(f"files@{there.name}", "echo") as s:
                await s.send(1)
                assert await anext(s) == 1
                assert await s.finish() == "all"
        for here, there in ((later, now), (now, later)):
            await there.start("mortal", Sink)
            await here.start("watcher", Watcher, f"mortal@{there.name}", heard)
            await trio.sleep(0.1)
            await there.stop("mortal")  # Down
            await trio.sleep(0.1)
            await there.start("immortal", Sink)
            await here.start("leaver", Watcher, f"immortal@{there.name}", heard)
            await here.stop("leaver")  # Demonitor
        later.pause("small")
        with pytest.raises(MailboxFull):  # Choke
            await overfill(now)
        later.resume("small")  # Unchoke
        await trio.sleep(1)
        await now.cast("small@later", "put", "last")
        later.pause("small")
        for number in range(100):  # Refused: before a Choke is heard
            now.kernel.peers["later"].choked.clear()
            now.cast_nowait("small@later", "put", number)
        await trio.sleep(2)
        assert now.statistics().refused["later"] > 0
        later.resume("small")
        for here, there in ((later, now), (now, later)):  # Ping, Pong
            assert await here.kernel.peers[there.name].connection.probe(1.0)
        assert heard == ["shutdown", "shutdown"]
        await later.kernel.disconnect("now")  # Bye
        await trio.sleep(1)
        assert not now.kernel.is_connected("later")
        assert now.statistics().rejected == {}
    assert set(m.FIELDS) <= LaterSession.said


@BOTH_WAYS
@virtual
async def test_they_are_one_ring(first, second):
    network = MemoryNetwork(Random(0))
    async with on_network(network, first) as a, on_network(network, second) as b:
        await a.meet(b.address)
        await trio.sleep(3)
        assert a.ring == b.ring
        assert len(a.ring.nodes()) == 2


# No common version.


@pytest.mark.parametrize(("first", "second"), [("future", "now"), ("now", "future")])
@pytest.mark.parametrize("how", ["meet", "connect"])
@virtual
async def test_no_common_version_is_said_at_both_ends(first, second, how, caplog):
    network = MemoryNetwork(Random(0))
    ranges = {"now": "protocol 1 at now", "future": "protocols 2 to 3 at future"}
    both = f"{ranges[second]}, {ranges[first]}"
    async with on_network(network, first) as a, on_network(network, second) as b:
        with pytest.raises(VersionRefused, match=both):
            await (a.meet if how == "meet" else a.kernel.connect)(b.address)
        assert b.statistics().rejected == {"version": 1}
        assert b.kernel.links() == ()
    lines = [r.fields for r in caplog.records if r.levelno >= logging.WARNING]
    assert {line["peer"] for line in lines} == {first, second}
    for line in lines:
        assert (line["reason"], line["detail"]) == ("version", both)
        assert line["remedy"] == REMEDIES["version"]


# Somebody on the way who wants an older version to be spoken.


@pytest.mark.parametrize(
    "versions", [[1, 1], [0, 1], [0, 2], [1, 3]], ids=lambda v: f"{v[0]} to {v[1]}"
)
def test_a_range_that_was_changed_on_the_way_is_found_out(versions):
    """Both would speak version 1; that the offer was another one shows in the proof."""
    ours, theirs = LaterDialer(FOO, COOKIE, b"d" * 32), listener()
    narrowed = ours.hello().replace(b"\x92\x01\x02", b"\x92" + bytes(versions))
    theirs.receive_data(narrowed)
    ours.receive_data(theirs.challenge(0))
    script(theirs, ours).rejects(Proof, reason="cookie")


def test_unchanged_they_agree():
    ours, theirs = LaterDialer(FOO, COOKIE, b"d" * 32), listener()
    script(ours, theirs).sends(Hello).receives(Challenge).sends(Proof).receives(
        Welcome
    ).is_up()
