"""Tools: connected to one node, without a name, gone with their connection."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from clusterkit import Config, GenServer, call
from clusterkit.errors import NodeDown, WrongCookie, WrongNode
from clusterkit.names import Address
from clusterkit.net.client import connect_as_client
from clusterkit.net.tcp import TcpTransport
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from tests.waiting import until

from .nodes import Sink, running


class Tool:
    """The least that speaks to a node as a client."""

    def __init__(self, codec):
        self.codec = codec
        self.answers = {}
        self.node = None

    def deliver(self, _, records):
        for record in records:
            self.answers[record[m.ANSWERS]] = record

    def post(self, number, actor, event, *args):
        record = [m.CALL, actor, event, list(args), None, number, 0]
        self.node.post(self.codec.encode(record), m.CALL, number)
        self.node.flush()

    async def call(self, number, actor, event, *args):
        self.post(number, actor, event, *args)
        return await until(lambda: self.answers.get(number))


@asynccontextmanager
async def tool(node, *, cookie=b"test", expected=None, port=None):
    codec = Codec(1_000_000)
    mine = Tool(codec)
    async with connect_as_client(
        Address("127.0.0.1", port or node.port),
        [cookie] if isinstance(cookie, bytes) else cookie,
        TcpTransport(),
        codec,
        Config(),
        Random(0),
        mine.deliver,
        expected=expected,
    ) as mine.node:
        yield mine


class Patient(GenServer):
    def __init__(self):
        self.ended = []

    @call(concurrent=True)
    async def wait(self):
        try:
            await trio.sleep_forever()
        finally:
            self.ended.append(self.caller.node)

    @call
    async def read(self):
        return self.ended


async def test_a_tool_calls_an_actor_and_is_no_link():
    async with running("b") as b, tool(b) as client:
        answer = await client.call(1, "sink", "add", 5)
        assert answer == [m.REPLY, 1, 5]
        assert (client.node.name, client.node.ring) == ("b", "ring")
        assert b.kernel.links() == ()
        assert len(b.kernel.clients) == 1


async def test_an_error_comes_back_to_a_tool():
    async with running("b") as b, tool(b) as client:
        answer = await client.call(1, "nobody", "x")
        assert answer[:3] == [m.FAULT, 1, "noproc"]


async def test_two_tools_do_not_disturb_each_other():
    async with running("b") as b, tool(b) as one, tool(b) as two:
        for number in range(5):
            assert (await one.call(number, "sink", "add", "one"))[m.VALUE] == "one"
            assert (await two.call(number, "sink", "add", "two"))[m.VALUE] == "two"
        assert len(b.kernel.clients) == 2


async def test_what_a_tool_asked_for_dies_with_its_connection():
    async with running("b", actors={"x": Patient}) as b:
        async with tool(b) as client:
            client.post(1, "x", "wait")
            await until(lambda: any(c.open_calls for c in b.kernel.clients))
        await until(lambda: not b.kernel.clients)
        await until(lambda: b._runtime.local("x").server.ended)
        assert b.statistics().late_replies == 0


async def test_a_tool_learns_that_its_node_is_gone():
    async with running("b") as b:
        async with tool(b) as client:
            await b.shutdown()
            await until(lambda: client.node.ended.is_set())
            assert client.node.lost == "bye"
            assert client.node.connection is None


async def test_a_node_that_ends_sends_a_tool_all_its_answers_first():
    async with running("b") as b, tool(b) as client:
        for number in range(5):
            client.post(number, "sink", "add", b"x" * 100_000)
        await until(lambda: len(b._runtime.local("sink").server.got) == 5)
        await b.shutdown()
        await until(lambda: client.node.ended.is_set())
        assert sorted(client.answers) == list(range(5))


async def test_a_tool_with_a_wrong_cookie_is_refused():
    async with running("b") as b:
        with pytest.raises(WrongCookie):
            async with tool(b, cookie=b"wrong"):
                pass
        assert b.statistics().rejected == {"cookie": 1}


async def test_a_tool_tries_its_cookies_in_turn():
    async with running("b") as b, tool(b, cookie=[b"old", b"test"]) as client:
        assert (await client.call(1, "sink", "add", 1))[m.VALUE] == 1


async def test_a_tool_may_insist_on_a_name():
    async with running("b") as b:
        async with tool(b, expected="b"):
            pass
        with pytest.raises(WrongNode, match="b answers"):
            async with tool(b, expected="c"):
                pass


async def test_a_tool_at_a_dead_address_is_told_so():
    async with running("b") as b:
        port = b.port
    with pytest.raises(NodeDown) as caught:
        async with tool(None, port=port):
            pass
    assert caught.value.outcome == "not sent"


async def test_a_tool_that_breaks_the_rules_is_closed_and_counted():
    async with running("b") as b, tool(b) as client:
        client.node.post(b"\x91\x1f", 31, None)
        client.node.flush()
        await until(lambda: client.node.ended.is_set())
        assert b.statistics().rejected == {"protocol": 1}


async def test_tools_and_members_are_served_side_by_side():
    async with running("b") as b, running("a") as a, tool(b) as client:
        await a.kernel.connect(b.address)
        sink = a.ref(Sink, "sink", at="b")
        assert await sink.call(Sink.add, 1) == 1
        assert (await client.call(1, "sink", "read"))[m.VALUE] == [1]


async def test_what_a_tool_has_sent_in_part_is_forgotten_with_it():
    async with running("a") as a:
        async with tool(a) as mine:
            piece = [m.FRAGMENT, 1, 500_000, bytes(50_000), m.CALL, 7]
            mine.node.post(mine.codec.encode(piece), m.FRAGMENT, None)
            mine.node.flush()
            await until(lambda: a.kernel.assembly.taken)
        await until(lambda: not a.kernel.assembly.taken)
