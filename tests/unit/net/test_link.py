"""A link: made, refused, kept, given up, and what it says about it."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.errors import NodeDown, WrongCookie, WrongNode, WrongRing
from clusterkit.events import LinkDown, LinkGivenUp, LinkUp
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import hearing, link_of, on_network, pair, virtual
from tests.unit.servers import Sink
from tests.waiting import until


@virtual
async def test_a_connected_link_is_up_on_both_sides():
    async with pair() as (a, b):
        await until(lambda: b.kernel.is_connected("a"))
        assert (link_of(a).peer, link_of(a).state) == ("b", "up")
        assert (link_of(b).peer, link_of(b).state) == ("a", "up")
        assert link_of(a).address == "b:7022"
        assert link_of(b).address == "a:7022"


@virtual
async def test_a_node_is_connected_to_itself_without_a_link():
    async with pair(connected=False) as (a, _):
        assert a.kernel.is_connected("a")
        assert not a.kernel.is_connected("b")
        assert not a.kernel.is_connected("nobody")
        assert a.kernel.links() == ()


@virtual
async def test_connecting_twice_makes_one_link():
    async with pair() as (a, b):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.kernel.connect, b.address)
            nursery.start_soon(a.kernel.connect, b.info)
        await b.kernel.connect(a.address)
        assert len(a.kernel.links()) == len(b.kernel.links()) == 1
        assert link_of(a).reconnects == 0


@virtual
async def test_two_that_connect_at_once_wait_for_the_same_session():
    async with pair(connected=False) as (a, b):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(a.kernel.connect, b.address)
        assert link_of(a).reconnects == 0


@virtual
async def test_an_idle_link_stays_up():
    async with pair() as (a, b):
        await trio.sleep(550)
        assert link_of(a).reconnects == link_of(b).reconnects == 0
        assert link_of(a).state == "up"


@pytest.mark.parametrize(
    ("ours", "theirs", "error"),
    [
        ({}, {"cookie": "other"}, WrongCookie),
        ({}, {"ring": "other"}, WrongRing),
    ],
)
@virtual
async def test_a_refusal_is_raised_at_once(ours, theirs, error):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", **theirs) as b, on_network(network, "a") as a:
        began = trio.current_time()
        with pytest.raises(error, match="b"):
            await a.kernel.connect(b.address)
        assert trio.current_time() - began < 0.5
        assert not a.kernel.is_connected("b")


@virtual
async def test_a_wrong_cookie_is_counted_where_it_was_shown():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "b", cookie="other") as b,
        on_network(network, "a") as a,
    ):
        with pytest.raises(WrongCookie):
            await a.kernel.connect(b.address)
        assert b.statistics().rejected["cookie"] >= 1
        assert b.kernel.links() == ()


@virtual
async def test_another_node_at_the_address_is_named():
    async with pair(connected=False) as (a, b):
        with pytest.raises(WrongNode, match="b answers at b:7022, not c"):
            await a.kernel.connect("c@b:7022")
        assert b.statistics().rejected == {}


@virtual
async def test_a_call_to_a_node_with_another_cookie_fails_when_it_is_down():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", cookie="x") as b, on_network(network, "a") as a:
        a.kernel.know(b.info)
        with pytest.raises(NodeDown) as caught:
            await a.call("x@b", "y")
        assert caught.value.outcome == "not sent"


@pytest.mark.parametrize("dialer", ["a", "b"])
@virtual
async def test_two_nodes_with_one_of_two_cookies_in_common_connect(dialer):
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "b", cookie=["new", "old"], actors={"sink": Sink}) as b,
        on_network(network, "a", cookie="old", actors={"sink": Sink}) as a,
    ):
        if dialer == "a":
            await a.kernel.connect(b.address)
        else:
            began = trio.current_time()
            await b.kernel.connect(a.address)
            assert trio.current_time() - began < 0.1
        assert await a.call("sink@b", "read") == []
        assert await b.call("sink@a", "read") == []


@virtual
async def test_events_tell_of_every_session():
    async with pair() as (a, _), hearing(a, LinkUp, LinkDown) as heard:
        a.network.cut("a", "b")
        await trio.sleep(1)
    assert [type(event) for event in heard] == [LinkDown, LinkUp]
    assert heard[1] == LinkUp("b", "b:7022")


@virtual
async def test_what_is_cast_when_a_link_comes_up_comes_after_what_waited():
    async with pair(actors={"sink": Sink}) as (a, _):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        await trio.sleep(1)
        for i in range(3):
            await a.cast("sink@b", "put", i)
        async with a.events(LinkUp) as events, trio.open_nursery() as nursery:

            async def hook():
                async for _ in events:
                    a.cast_nowait("sink@b", "put", "hook")
                    return

            nursery.start_soon(hook)
            a.network.heal()
        await trio.sleep(1)
        assert await a.call("sink@b", "read") == [0, 1, 2, "hook"]


@virtual
async def test_a_second_protocol_error_at_one_record_gives_the_link_up():
    async with pair() as (a, b):
        await until(lambda: b.kernel.is_connected("a"))
        link = b.kernel.peers["a"]

        async def break_the_rules():
            # A record of no known kind, under a good seal.
            a.kernel.peers["b"].post(b"\x91\x1f", 31, None)
            a.kernel.peers["b"].wake()
            await trio.sleep(1)

        async with hearing(b, LinkGivenUp) as heard:
            await break_the_rules()
            await trio.sleep(5)
        assert heard == [LinkGivenUp("a", "protocol")]
        assert b.statistics().rejected["protocol"] == 2
        assert link_of(b).state == "given_up"
        assert link.connection is None


@virtual
async def test_a_link_that_was_given_up_is_tried_again_when_asked_for():
    async with pair() as (a, b):
        a.kernel.peers["b"].give_up("protocol")
        await trio.sleep(1)
        assert link_of(a).state == "given_up"
        await a.kernel.connect(b.address)
        assert link_of(a).state == "up"


@virtual
async def test_the_statistics_describe_a_link():
    async with pair(actors={"sink": Sink}) as (a, _):
        await a.call("sink@b", "read")
        await trio.sleep(0.5)
        link = link_of(a)
        assert (link.outbox, link.outbox_bytes, link.unacked, link.unacked_bytes) == (
            0,
            0,
            0,
            0,
        )
        assert 0 < link.last_seen < 1
        a.network.partition({"a"}, {"b"})
        for _ in range(3):
            await a.cast("sink@b", "put", b"x" * 100)
        await trio.sleep(0.1)
        assert link_of(a).unacked == 3
        assert link_of(a).unacked_bytes > 300
        a.network.cut("a", "b")
        await trio.sleep(0.1)
        for _ in range(2):
            await a.cast("sink@b", "put", b"x" * 100)
        await trio.sleep(0.1)
        assert link_of(a).outbox == 2
        assert link_of(a).last_seen is None
        a.network.heal()


@virtual
async def test_a_link_that_nobody_needs_is_closed_after_a_minute():
    async with pair() as (a, b):
        a.kernel.peers["b"].pinned = False
        await trio.sleep(120)
        assert not a.kernel.is_connected("b")
        assert not b.kernel.is_connected("a")
        assert await a.ping("b") == "pong"
