"""Two nodes on real sockets: what they say to each other arrives."""

from __future__ import annotations

import socket

import pytest
import trio

from clusterkit import GenServer, call, create_cluster
from clusterkit.errors import (
    CallTimeout,
    ConfigError,
    EncodeError,
    MessageTooLarge,
    NodeDown,
    NoSuchActor,
    NoSuchHandler,
    WrongCookie,
    WrongNode,
    WrongRing,
)
from clusterkit.events import LinkUp
from tests.waiting import until

from .nodes import Sink, got, linked, running, wired


async def test_calls_and_casts_go_both_ways():
    async with linked() as (a, b):
        for here, there in ((a, "b"), (b, "a")):
            assert await here.call(f"sink@{there}", "add", 1) == 1
            await here.cast(f"sink@{there}", "put", 2)
            here.cast_nowait(f"sink@{there}", "put", 3)
            sink = here.ref(Sink, "sink", at=there)
            assert await sink.call(Sink.read) == [1, 2, 3]


async def test_answers_come_back_on_the_connection_of_the_question():
    """One node has dialled, the other never has, and could not."""
    async with running("b") as b, running("a") as a:
        a.kernel.stop_accepting()
        await a.kernel.connect(b.address)
        assert await a.call("sink@b", "add", 5) == 5
        assert await b.call("sink@a", "add", 6) == 6
        assert await b.ping("a") == "pong"


async def test_many_callers_share_one_connection():
    async with linked() as (a, b):
        answers = set()

        async def ask(i):
            answers.add(await a.call("sink@b", "add", i))

        async with trio.open_nursery() as nursery:
            for i in range(1000):
                nursery.start_soon(ask, i)
        assert answers == set(range(1000))
        assert sorted(got(b)) == list(range(1000))
        assert len(a.kernel.links()) == 1


@pytest.mark.parametrize(
    "size", [0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000, 16_000_000]
)
async def test_messages_of_all_sizes_arrive_whole(size):
    async with linked() as (a, _):
        data = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
        data = data[:size]
        assert await a.call("sink@b", "add", data, timeout=30) == data


async def test_large_messages_both_ways_at_once_do_not_block_each_other():
    async with linked() as (a, b):
        data = b"x" * 4_000_000

        async def ask(node, target):
            for _ in range(3):
                assert await node.call(target, "add", data, timeout=30) == data

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(ask, a, "sink@b")
                nursery.start_soon(ask, b, "sink@a")


async def test_a_burst_to_a_paused_actor_is_neither_refused_nor_lost():
    async with linked() as (a, b):
        b.pause("sink")
        sent = []

        async def send():
            for i in range(50_000):
                await a.cast("sink@b", "put", i)
                sent.append(i)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await until(lambda: "sink" in a.kernel.peers["b"].choked)
            assert len(sent) < 50_000
            b.resume("sink")
        await until(lambda: len(got(b)) == 50_000)
        assert got(b) == list(range(50_000))
        assert a.statistics().refused == {}


async def test_a_burst_to_a_slow_actor_is_neither_refused_nor_lost():
    class Slow(Sink):
        @call
        async def read(self):
            return len(self.got)

    async with linked(actors={"sink": Slow}) as (a, b):
        turns = []

        async def hold_up():
            while True:  # as slow as a thousand messages per look at the loop
                b.pause("sink")
                for _ in range(20):
                    await trio.lowlevel.checkpoint()
                b.resume("sink")
                await trio.lowlevel.checkpoint()
                turns.append(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_up)
            for i in range(50_000):
                await a.cast("sink@b", "put", i)
            await until(lambda: len(got(b)) == 50_000)
            nursery.cancel_scope.cancel()
        assert got(b) == list(range(50_000))
        assert a.statistics().refused == {}


async def test_a_message_over_the_limit_is_refused_and_the_link_stays():
    async with linked(config={"max_message": 100_000}) as (a, _):
        with pytest.raises(MessageTooLarge):
            await a.call("sink@b", "add", b"x" * 100_001)
        assert await a.call("sink@b", "add", b"x" * 99_000)
        assert a.kernel.links()[0].reconnects == 0


async def test_what_cannot_travel_is_named_and_nothing_is_sent():
    async with linked() as (a, b):
        with pytest.raises(EncodeError, match=r"args\[0\]\['deep'\]\[1\]"):
            await a.call("sink@b", "add", {"deep": [1, object()]})
        with pytest.raises(EncodeError):
            await a.cast("sink@b", "put", object())
        assert await a.call("sink@b", "read") == []
        assert got(b) == []


async def test_unknown_actors_and_events_are_answered_at_once():
    async with linked() as (a, _):
        with pytest.raises(NoSuchActor):
            await a.call("nobody@b", "x")
        with pytest.raises(NoSuchHandler):
            await a.call("sink@b", "nonsense")


@pytest.mark.parametrize(
    "name", ["_stop", "_ready", "_node", "error", "command", "ring"]
)
async def test_internal_names_are_no_way_into_a_node(name):
    async with linked() as (a, b):
        await a.cast(f"{name}@b", "stop")
        await a.cast(f"{name}@b", "_stop")
        await a.cast(f"{name}@b", "terminate", "x")
        assert await a.ping("b") == "pong"
        assert await b.ping("a") == "pong"


async def test_a_timeout_leaves_nothing_behind():
    async with linked() as (a, b):
        with pytest.raises(CallTimeout):
            await a.call("sink@b", "wait", 60, timeout=0)
        with pytest.raises(CallTimeout):
            await a.call("sink@b", "wait", 60, timeout=0.05)
        assert a.statistics().pending_calls == 0
        await until(lambda: not b.kernel.peers["a"].open_calls)


async def test_a_wrong_cookie_is_told_to_the_dialler_and_counted():
    async with running("b", cookie="other") as b, running("a") as a:
        with pytest.raises(WrongCookie, match="cookie"):
            await a.kernel.connect(b.address)
        assert b.statistics().rejected["cookie"] >= 1


async def test_a_wrong_cookie_disturbs_nobody_else():
    async with linked() as (a, b), running("c", cookie="other") as c:
        with pytest.raises(WrongCookie):
            await c.kernel.connect(b.address)
        assert await a.call("sink@b", "add", 1) == 1
        assert a.kernel.links()[0].reconnects == 0


async def test_a_wrong_ring_is_named():
    async with running("b", ring="blue") as b, running("a", ring="red") as a:
        with pytest.raises(WrongRing, match="blue"):
            await a.kernel.connect(b.address)


async def test_a_wrong_node_is_named():
    async with running("b") as b, running("a") as a:
        with pytest.raises(WrongNode, match="b answers"):
            await a.kernel.connect(f"c@127.0.0.1:{b.port}")


async def test_nobody_at_the_address_is_node_down():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with running("a", config={"down_after": 0.2}) as a:
        with pytest.raises(NodeDown, match="refused"):
            await a.kernel.connect(f"b@127.0.0.1:{port}")


async def test_a_port_in_use_is_raised_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await running("a", port=port).__aenter__()


async def test_a_host_of_another_machine_cannot_be_bound():
    with pytest.raises(OSError, match=r"[Aa]ssign"):
        async with create_cluster("a", "192.0.2.1", 0, cookie="x"):
            pass


async def test_a_wildcard_needs_an_address_to_tell_peers():
    with pytest.raises(ConfigError, match="advertise"):
        async with create_cluster("a", "0.0.0.0", 0, cookie="x"):
            pass
    async with create_cluster(
        "a", "0.0.0.0", 0, cookie="x", advertise="localhost"
    ) as node:
        assert node.address == f"a@localhost:{node.port}"


async def test_the_port_is_free_again_after_the_block():
    async with running("a") as a:
        port = a.port
    async with running("a", port=port) as a:
        assert a.port == port


async def test_names_of_hosts_are_resolved():
    async with running("b") as b, running("a") as a:
        await a.kernel.connect(f"b@localhost:{b.port}")
        assert await a.ping("b") == "pong"


async def test_nodes_speak_over_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with (
        create_cluster("b", "::1", 0, cookie="x") as b,
        create_cluster("a", "::1", 0, cookie="x") as a,
    ):
        assert "[::1]" in b.address
        await a.kernel.connect(b.address)
        assert await a.ping("b") == "pong"
        assert await b.ping("a") == "pong"


async def test_three_nodes_talk_to_each_other():
    async with running("a") as a, running("b") as b, running("c") as c:
        for one, other in ((a, b), (b, c), (c, a)):
            await one.kernel.connect(other.address)
        for node in (a, b, c):
            answers = await node.multi_call(
                ["a", "b", "c"], "sink", Sink.add, node.name
            )
            assert [answer.value for answer in answers] == [node.name] * 3
        for node in (a, b, c):
            assert got(node) == ["a", "b", "c"]


async def test_simultaneous_dials_settle_on_one_connection():
    for _ in range(20):
        async with wired(connected=False) as (a, b, wires):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.kernel.connect, b.address)
                nursery.start_soon(b.kernel.connect, a.address)
                for i in range(10):
                    nursery.start_soon(a.cast, "sink@b", "put", i)
                    nursery.start_soon(b.cast, "sink@a", "put", i)
            await until(lambda: len(got(a)) == len(got(b)) == 10)
            await until(
                lambda: a.kernel.peers["b"].sessions == b.kernel.peers["a"].sessions
            )
            assert sorted(got(a)) == sorted(got(b)) == list(range(10))
            await until(lambda: sum(len(wire._streams) for wire in wires) == 2)


async def test_link_events_come_with_the_address():
    async with running("b") as b, running("a") as a, a.events(LinkUp) as events:
        await a.kernel.connect(b.address)
        with trio.fail_after(5):
            assert await anext(events) == LinkUp("b", f"127.0.0.1:{b.port}")


async def test_an_actor_on_each_side_calls_the_other():
    class Player(GenServer):
        @call(concurrent=True)
        async def hit(self, to, n):
            if n == 0:
                return [self.node.name]
            return [
                self.node.name,
                *await self.node.call(f"player@{to}", "hit", self.node.name, n - 1),
            ]

    async with linked(actors={"player": Player}) as (a, _):
        assert await a.call("player@b", "hit", "a", 5) == ["b", "a", "b", "a", "b", "a"]
