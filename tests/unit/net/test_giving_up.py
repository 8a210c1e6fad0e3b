"""Links that are given up after a time, or a number of tries; by default none is."""

from __future__ import annotations

import pytest
import trio

from clusterkit import Config
from clusterkit.errors import NodeDown
from clusterkit.events import LinkGivenUp, Undelivered
from clusterkit.net.patience import Patience, Verdict
from tests.unit.nodes import alone, cut_off, hearing, link_of, on_network, pair, virtual
from tests.unit.servers import Sink

TIME = {"give_up_after": 5.0}
TRIES = {"give_up_tries": 4}
HOW = pytest.mark.parametrize(
    ("config", "reason"), [(TIME, "time"), (TRIES, "tries")], ids=["time", "tries"]
)


def sinks(config):
    return pair(actors={"sink": Sink}, config=config)


@virtual
async def test_by_default_a_peer_that_was_away_for_long_is_found_again():
    async with sinks({}) as (a, _):
        await cut_off(a)
        await a.cast("sink@b", "put", 1)
        await trio.sleep(500)
        assert link_of(a).state == "down"
        a.network.heal()
        await trio.sleep(10)
        assert await a.call("sink@b", "read") == [1]


@HOW
@virtual
async def test_what_the_link_held_is_accounted_for(config, reason):
    async with (
        sinks(config) as (a, _),
        hearing(a, LinkGivenUp, Undelivered) as heard,
    ):
        await cut_off(a)

        async def ask():
            with pytest.raises(NodeDown):
                await a.call("sink@b", "sleep", 60, timeout=100)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            for number in range(3):
                await a.cast("sink@b", "put", number)
        await trio.sleep(20)
        assert heard == [Undelivered("b", "sink", 3), LinkGivenUp("b", reason)]
        link = link_of(a)
        assert (link.state, link.outbox, link.unacked) == ("given_up", 0, 0)
        assert a.statistics().undelivered == {"b": 3}
        with pytest.raises(NodeDown, match=f"given up \\({reason}\\)"):
            await a.cast("sink@b", "put", 4)


@virtual
async def test_the_time_is_that_of_one_outage():
    async with sinks(TIME) as (a, _), hearing(a, LinkGivenUp) as heard:
        for _ in range(4):
            await cut_off(a)
            await a.cast("sink@b", "put", 1)
            await trio.sleep(3)
            a.network.heal()
            await trio.sleep(3)
        assert heard == []
        await cut_off(a)
        began = trio.current_time()
        await a.cast("sink@b", "put", 1)
        while not heard:
            await trio.sleep(0.1)
        assert 4.5 < trio.current_time() - began < 5.5


@virtual
async def test_so_many_dials_are_made_and_no_more():
    async with pair(connected=False, config=TRIES) as (a, _):
        a.network.partition({"a"}, {"b"})
        dials = []
        connect = a.kernel.transport.connect

        async def counted(address):
            dials.append(address)
            return await connect(address)

        a.kernel.transport.connect = counted
        a.cast_nowait("sink@b", "put", 1)
        await trio.sleep(60)
        assert len(dials) == 4
        assert link_of(a).state == "given_up"


def test_a_peer_that_is_there_uses_up_no_try():
    patience = Patience(Config(give_up_tries=2))
    patience.begin(0.0)
    assert not patience.is_spent_by(Verdict.FAILED)
    assert not patience.is_spent_by(Verdict.TIE)
    assert not patience.is_spent_by(Verdict.AGAIN)
    assert patience.is_spent_by(Verdict.FAILED)
    patience.begin(0.0)
    assert not patience.is_spent_by(Verdict.FAILED)


@HOW
@virtual
async def test_who_only_connects_is_told_and_nothing_is_given_up(config, reason):
    config = config | {"give_up_tries": 2, "give_up_after": 0.1}
    async with (
        pair(connected=False, config=config) as (a, b),
        hearing(a, LinkGivenUp) as heard,
    ):
        a.network.partition({"a"}, {"b"})
        with pytest.raises(NodeDown):
            await a.kernel.connect(b.address)
        assert heard == []


@HOW
@virtual
async def test_asking_for_it_by_name_begins_anew(config, reason):
    async with sinks(config) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", 1)
        await trio.sleep(10)
        assert link_of(a).state == "given_up"
        a.network.heal()
        await a.kernel.connect(b.address)
        await a.cast("sink@b", "put", 2)
        assert await a.call("sink@b", "read") == [2]


@HOW
@virtual
async def test_meeting_it_begins_anew(config, reason):
    async with sinks(config) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", 1)
        await trio.sleep(10)
        a.network.heal()
        assert await a.meet(b.address)
        assert await a.call("sink@b", "read") == []


@HOW
@virtual
async def test_the_peer_itself_may_dial_and_begin_anew(config, reason):
    """Of one life on both sides; what it still held is accounted for there."""
    async with alone(actors={"sink": Sink}, config=config) as a:
        network = a.kernel.transport.network
        async with (
            on_network(network, "b", actors={"sink": Sink}) as b,
            hearing(b, Undelivered) as heard,
        ):
            await a.kernel.connect(b.address)
            await trio.sleep(1)
            b.kernel.know(a.info)
            network.partition({"a"}, {"b"})
            network.cut("a", "b")
            await a.cast("sink@b", "put", 1)
            await trio.sleep(10)
            assert a.kernel.links()[0].state == "given_up"
            await b.cast("sink@a", "put", 2)
            network.heal()
            await trio.sleep(10)
            assert a.kernel.links()[0].state == "up"
            assert await b.call("sink@a", "read") == [2]
            assert await a.call("sink@b", "read") == []
            assert heard == []
            assert a.statistics().undelivered == {"b": 1}
            assert a.statistics().rejected == {}


@virtual
async def test_a_peer_that_broke_the_protocol_is_still_shunned():
    async with pair() as (a, b):
        b.kernel.know(a.info)
        a.kernel.peers["b"].give_up("protocol")
        await trio.sleep(1)
        with pytest.raises(NodeDown, match="given_up"):
            await b.kernel.connect(a.address)


@virtual
async def test_a_member_that_was_given_up_is_back_when_it_dials():
    async with (
        alone(config=TIME) as a,
        on_network(a.kernel.transport.network, "b") as b,
    ):
        network = a.kernel.transport.network
        await a.meet(b.address)
        network.partition({"a"}, {"b"})
        network.cut("a", "b")
        await trio.sleep(30)
        assert a.kernel.links()[0].state == "given_up"
        assert len(a.ring.nodes()) == 2
        network.heal()
        await trio.sleep(10)
        assert await a.ping("b") == "pong"
        await a.gossip.insert("c@c:7022")
        await trio.sleep(5)
        assert "c" in b.ring
