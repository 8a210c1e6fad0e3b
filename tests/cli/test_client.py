"""The tool's connection: what is lost with it, and what is not."""

from __future__ import annotations

from math import inf

import pytest
import trio

from clusterkit.cli.client import open_client
from clusterkit.cli.kept import KeptConnection
from clusterkit.errors import CallTimeout, NodeDown, WrongCookie, WrongNode
from tests.waiting import until


async def test_a_question_fails_when_the_connection_is_lost(foo, destination):
    async with open_client(destination(foo)) as client:
        await client.call("watch", {"timeout": 0.0}, 5.0)
        async with trio.open_nursery() as nursery:
            failed = []

            async def ask():
                with pytest.raises(NodeDown) as caught:
                    await client.call("watch", {"timeout": 60.0}, 60.0)
                failed.append(caught.value.outcome)

            nursery.start_soon(ask)
            await client.call("ping", {}, 5.0)
            client.node.connection.detach("cut")
        assert failed == ["unknown"]
        with pytest.raises(NodeDown) as caught:
            await client.call("ping", {}, 5.0)
        assert caught.value.outcome == "not sent"


async def test_a_question_to_a_node_that_stops_says_so(foo, destination):
    async with open_client(destination(foo)) as client:
        await client.call("watch", {"timeout": 0.0}, 5.0)
        async with trio.open_nursery() as nursery:

            async def ask():
                wait = {"timeout": 60.0}
                (told,) = await client.call("watch", wait, 60.0)
                assert (told["key"], told["value"]) == ("_status", "ending")
                with pytest.raises(NodeDown, match="foo is stopping"):
                    await client.call("watch", wait, 60.0)

            nursery.start_soon(ask)
            await client.call("ping", {}, 5.0)
            await foo.shutdown(timeout=0.2)
        with trio.fail_after(20):
            await client.node.ended.wait()
        assert client.why_lost == "it has shut down"


async def test_a_question_may_wait_for_ever(client):
    for timeout in (1e20, inf):
        assert await client.call("ping", {}, timeout) == "pong"


async def test_a_question_without_an_answer_times_out_and_is_taken_back(client, foo):
    await client.call("watch", {"timeout": 0.0}, 5.0)
    with pytest.raises(CallTimeout):
        await client.call("watch", {"timeout": 60.0}, 0.05)
    (tool,) = foo.kernel.clients
    await until(lambda: not tool.open_calls)


async def test_an_argument_that_cannot_travel_leaves_nothing_behind(client):
    with pytest.raises(Exception, match="cannot travel"):
        await client.call("find", {"key": object()}, 5.0)
    assert not client.calls.pending


async def test_whoever_opens_a_client_gets_his_own_error_back(foo, destination):
    with pytest.raises(KeyError):
        async with open_client(destination(foo)):
            raise KeyError("mine")


async def test_another_node_than_the_expected_is_refused(foo, destination):
    with pytest.raises(WrongNode):
        async with open_client(destination(foo, instance="bar")):
            pass


async def test_a_second_cookie_is_tried(foo, destination):
    to = destination(foo)
    to = type(to)(address=to.address, cookies=(b"ghost", *to.cookies))
    async with open_client(to) as client:
        assert await client.call("ping", {}, 5.0) == "pong"


async def test_a_kept_connection_comes_back(start_node, destination):
    told = []
    async with trio.open_nursery() as nursery:
        async with start_node("foo") as foo:
            kept = KeptConnection(destination(foo), told.append)
            await nursery.start(kept.run)
            assert await kept.client.call("ping", {}, 5.0) == "pong"
        await until(lambda: not kept.connected)
        with pytest.raises(NodeDown, match="not connected to foo"):
            _ = kept.client
        async with start_node("foo", port=foo.port):
            await until(lambda: kept.connected)
            assert await kept.client.call("ping", {}, 5.0) == "pong"
        nursery.cancel_scope.cancel()
    assert told[0] == 'connected to foo · ring "ring" · 1 node · protocol 1'
    assert told[1].startswith("disconnected from foo: ")
    assert told[2] == told[0]


async def test_a_connection_that_never_was_is_not_kept(destination, start_node):
    async with start_node("foo") as foo:
        to = destination(foo)
    with pytest.raises(NodeDown):
        await KeptConnection(to).run()


async def test_a_node_that_has_another_cookie_now_is_told_once(start_node, destination):
    told = []
    async with trio.open_nursery() as nursery:
        async with start_node("foo") as foo:
            kept = KeptConnection(destination(foo), told.append)
            await nursery.start(kept.run)
        async with start_node("foo", port=foo.port, cookie="ghost") as ghost:
            await until(lambda: ghost.statistics().rejected.get("cookie", 0) >= 3)
        nursery.cancel_scope.cancel()
    refused = [line for line in told if line.startswith("cannot reconnect to foo")]
    assert len(refused) == 1
    assert WrongCookie.__name__ not in refused[0]
