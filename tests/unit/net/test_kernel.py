"""The links of a node: who may have one, and how it is given back."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit import GenServer, call, cast, create_cluster
from clusterkit.cluster.platform import Platform
from clusterkit.errors import (
    ActorDown,
    CallTimeout,
    ConfigError,
    NameTaken,
    NodeDown,
    NodeUnknown,
    WrongNode,
)
from clusterkit.events import LinkDown, Undelivered
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import (
    alone,
    hearing,
    on_network,
    pair,
    platform_on,
    statistics_of,
    until,
    virtual,
)


class Sink(GenServer):
    def __init__(self):
        self.got = []

    @cast
    async def put(self, value):
        self.got.append(value)

    @call
    async def read(self):
        return self.got

    @call
    async def sleep(self, seconds):
        await trio.sleep(seconds)
        return "slept"


async def cut_off(a):
    a.network.partition({"a"}, {"b"})
    a.network.cut("a", "b")
    await trio.sleep(0.1)


@virtual
async def test_a_node_cannot_connect_to_itself():
    async with alone() as node:
        with pytest.raises(ConfigError, match="itself"):
            await node.kernel.connect(node.address)


@pytest.mark.parametrize(
    "address", ["b", "b@", "b@b", "@b:1", "b@b:0", "b@b:70000", ""]
)
@virtual
async def test_what_is_no_address_cannot_be_connected(address):
    async with alone() as node:
        with pytest.raises(ConfigError):
            await node.kernel.connect(address)


@virtual
async def test_a_node_that_dials_its_own_address_under_another_name_is_told_so():
    async with alone() as node:
        with pytest.raises(WrongNode, match="a answers"):
            await node.kernel.connect("b@a:7022")


@virtual
async def test_disconnect_ends_the_link_on_both_sides():
    async with pair() as (a, b):
        async with hearing(b, LinkDown) as heard:
            await a.kernel.disconnect("b")
            await trio.sleep(1)
        assert a.kernel.links() == ()
        assert heard == [LinkDown("a", "bye")]
        assert not b.kernel.is_connected("a")


@virtual
async def test_disconnecting_an_unknown_node_does_nothing():
    async with alone() as node:
        await node.kernel.disconnect("nobody")
        await node.kernel.disconnect("a")


@virtual
async def test_a_graceful_disconnect_sends_what_is_queued_first():
    async with pair(actors={"sink": Sink}) as (a, b):
        for i in range(1000):
            a.cast_nowait("sink@b", "put", i)
        await a.kernel.disconnect("b")
        assert a.kernel.links() == ()
        assert statistics_of(b, "sink").handled == 1000
        assert a.statistics().undelivered == {}


@virtual
async def test_a_graceful_disconnect_waits_for_a_peer_that_is_away():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", "kept")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.kernel.disconnect, "b")
            await trio.sleep(3)
            a.network.heal()
        assert a.kernel.links() == ()
        assert await b.call("sink", "read") == ["kept"]


@virtual
async def test_a_graceful_disconnect_gives_up_at_its_deadline():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", "lost")
        began = trio.current_time()
        async with hearing(a, Undelivered) as heard:
            await a.kernel.disconnect("b")
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)
        assert heard == [Undelivered("b", "sink", 1)]
        a.network.heal()
        await trio.sleep(10)
        assert await b.call("sink", "read") == []


@virtual
async def test_a_forced_disconnect_does_not_wait():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", "lost")
        began = trio.current_time()
        await a.kernel.disconnect("b", force=True)
        assert trio.current_time() == began
        assert a.kernel.links() == ()
        a.network.heal()
        await trio.sleep(10)
        assert await b.call("sink", "read") == []


@virtual
async def test_a_disconnect_fails_the_calls_under_way():
    async with pair(actors={"sink": Sink}) as (a, _), trio.open_nursery() as nursery:

        async def ask():
            with pytest.raises(NodeDown) as caught:
                await a.call("sink@b", "sleep", 50)
            assert caught.value.outcome == "unknown"

        nursery.start_soon(ask)
        await trio.sleep(1)
        await a.kernel.disconnect("b", force=True)


@virtual
async def test_connect_ends_with_an_error_when_the_link_is_dropped_meanwhile():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:

        async def connect():
            with pytest.raises(NodeDown):
                await a.kernel.connect("b@b:7022")

        nursery.start_soon(connect)
        await trio.sleep(0.5)
        await a.kernel.disconnect("b", force=True)


@virtual
async def test_a_node_that_was_disconnected_can_be_connected_again():
    async with pair(actors={"sink": Sink}) as (a, b):
        for i in range(3):
            await a.cast("sink@b", "put", i)
            await a.kernel.disconnect("b")
            await a.kernel.connect(b.address)
        assert await a.call("sink@b", "read") == [0, 1, 2]


@virtual
async def test_a_reconnect_during_a_disconnect_keeps_the_link():
    async with pair(actors={"sink": Sink}) as (a, b):
        await cut_off(a)
        await a.cast("sink@b", "put", 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.kernel.disconnect, "b")
            await trio.sleep(1)
            a.network.heal()
            await a.kernel.connect(b.address)
        await trio.sleep(5)
        assert await a.call("sink@b", "read") == [1]
        assert len(a.kernel.links()) == 1


@virtual
async def test_leaving_the_block_says_bye_and_delivers_what_was_cast():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", actors={"sink": Sink}) as b:
        async with hearing(b, LinkDown) as heard:
            async with on_network(network, "a") as a:
                await a.kernel.connect(b.address)
                for i in range(500):
                    a.cast_nowait("sink@b", "put", i)
            await trio.sleep(1)
        assert heard == [LinkDown("a", "bye")]
        assert await b.call("sink", "read") == list(range(500))


@virtual
async def test_a_node_that_shuts_down_answers_what_it_had_taken():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        answers = []

        async def ask():
            answers.append(await a.call("sink@b", "sleep", 2))

        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
            nursery.start_soon(ask)
            await trio.sleep(1)
        assert answers == ["slept"]


@virtual
async def test_a_node_that_shuts_down_tells_the_callers_of_what_it_will_not_do():
    class Patient(GenServer):
        @call(concurrent=True)
        async def wait(self):
            await trio.sleep(1000)

    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        ended = []

        async def ask():
            with pytest.raises(ActorDown):
                await a.call("x@b", "wait", timeout=500)
            ended.append(trio.current_time())

        async with on_network(network, "b", actors={"x": Patient}) as b:
            await a.kernel.connect(b.address)
            nursery.start_soon(ask)
            await trio.sleep(1)
            began = trio.current_time()
        await until(lambda: ended)
        assert ended[0] - began < 0.5


@virtual
async def test_an_actor_that_never_ends_holds_a_shutdown_up_to_its_deadline():
    class Stuck(GenServer):
        @cast
        async def hang(self):
            await trio.sleep_forever()

    async with alone(config={"drain_timeout": 3.0}) as node:
        await node.start("x", Stuck)
        await node.cast("x", "hang")
        await trio.sleep(1)
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(3, abs=0.1)


@virtual
async def test_an_error_of_the_block_comes_out_as_it_was_raised():
    error = ValueError("of the user")
    with pytest.raises(ValueError, match="of the user") as caught:
        async with alone():
            raise error
    assert caught.value is error


@virtual
async def test_an_error_of_an_actors_init_comes_out_as_it_was_raised():
    class Failing(GenServer):
        async def init(self):
            raise KeyError("mine")

    network = MemoryNetwork(Random(0))
    with pytest.raises(KeyError):
        async with on_network(network, "a", actors={"x": Failing}):
            pass
    assert network.host("a").listeners == {}


@virtual
async def test_a_port_in_use_is_raised_at_once():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a"):
        with pytest.raises(OSError, match="in use"):
            async with on_network(network, "a"):
                pass


@virtual
async def test_calls_sent_to_a_life_that_ended_fail_and_the_unsent_go_on():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", config={"down_after": 60.0}) as a:
        outcomes = []

        async def ask(seconds, name):
            try:
                outcomes.append((name, await a.call("sink@b", "sleep", seconds)))
            except NodeDown as error:
                outcomes.append((name, error.outcome))

        async with trio.open_nursery() as nursery:
            async with on_network(network, "b", actors={"sink": Sink}) as b:
                await a.kernel.connect(b.address)
                nursery.start_soon(ask, 100, "sent")
                await trio.sleep(1)
                network.crash("b")
                b.abandon()
            await trio.sleep(0.1)
            nursery.start_soon(ask, 0, "unsent")
            await trio.sleep(1)
            async with on_network(network, "b", actors={"sink": Sink}):
                await until(lambda: len(outcomes) == 2)
    assert sorted(outcomes) == [("sent", "unknown"), ("unsent", "slept")]


@virtual
async def test_casts_to_a_life_that_ended_are_counted_and_the_unsent_go_on_in_order():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, hearing(a, Undelivered) as heard:
        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
            network.partition({"a"}, {"b"})
            for i in range(7):
                await a.cast("sink@b", "put", f"sent {i}")
            await trio.sleep(0.1)
            network.crash("b")
            b.abandon()
        network.heal()
        await until(lambda: not a.kernel.is_connected("b"))
        for i in range(10):
            await a.cast("sink@b", "put", i)
        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await until(lambda: heard)
            await trio.sleep(1)
            assert await b.call("sink", "read") == list(range(10))
        assert heard == [Undelivered("b", "sink", 7)]
        assert a.statistics().undelivered == {"b": 7}


@virtual
async def test_answers_meant_for_a_former_life_reach_nobody():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", actors={"sink": Sink}) as b:
        async with on_network(network, "a") as a, trio.open_nursery() as nursery:
            await a.kernel.connect(b.address)
            nursery.start_soon(a.call, "sink@b", "sleep", 20)
            await trio.sleep(1)
            network.crash("a")
            a.abandon()
            nursery.cancel_scope.cancel()
        async with on_network(network, "a") as a:
            await a.kernel.connect(b.address)
            await trio.sleep(30)
            assert a.statistics().late_replies == 0
            assert await a.call("sink@b", "read") == []


@virtual
async def test_a_node_whose_clock_was_set_back_takes_a_higher_incarnation():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", actors={"sink": Sink}) as a:
        async with on_network(network, "b") as b:
            first = b.incarnation
            await b.kernel.connect(a.address)
        late = platform_on(network, "b")
        early = Platform(
            transport=late.transport,
            rng=late.rng,
            disk=late.disk,
            wall_clock=lambda: 1_000_000_000.0,
            run_blocking=late.run_blocking,
        )
        async with create_cluster("b", "b", 7022, cookie="test", platform=early) as b:
            assert b.incarnation < first
            await b.kernel.connect(a.address)
            assert b.incarnation == first + 1
            assert await b.call("sink@a", "read") == []


@virtual
async def test_a_second_live_node_of_a_name_is_refused():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, on_network(network, "b") as b:
        await a.kernel.connect(b.address)
        await trio.sleep(1)
        async with on_network(network, "elsewhere", name_="b") as other:
            with pytest.raises(NameTaken, match="b is alive"):
                await other.kernel.connect(a.address)
        assert a.kernel.links()[0].address == "b:7022"
        assert a.statistics().rejected == {"name": 1}
        assert await a.ping("b") == "pong"


@virtual
async def test_a_node_that_bears_our_own_name_is_refused():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a") as a,
        on_network(network, "elsewhere", name_="a") as other,
    ):
        with pytest.raises(ConfigError):
            await other.kernel.connect(a.address)


@virtual
async def test_a_node_restarted_at_its_address_replaces_the_old_one_at_once():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b") as b:
            await a.kernel.connect(b.address)
            await until(lambda: b.kernel.is_connected("a"))
            network.crash("b", silent=True)
            b.abandon()
        async with on_network(network, "b") as b:
            began = trio.current_time()
            await b.kernel.connect(a.address)
            assert trio.current_time() - began < 0.6
            assert await a.ping("b") == "pong"


@virtual
async def test_a_node_restarted_elsewhere_replaces_one_that_does_not_answer():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b") as b:
            await a.kernel.connect(b.address)
            await until(lambda: b.kernel.is_connected("a"))
            network.crash("b", silent=True)
            b.abandon()
        async with on_network(network, "elsewhere", name_="b") as b:
            await b.kernel.connect(a.address)
            assert await a.ping("b") == "pong"
            assert a.kernel.links()[0].address == "elsewhere:7022"


@virtual
async def test_three_nodes_talk_to_each_other():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a", actors={"sink": Sink}) as a,
        on_network(network, "b", actors={"sink": Sink}) as b,
        on_network(network, "c", actors={"sink": Sink}) as c,
    ):
        for one, other in ((a, b), (b, c), (c, a)):
            await one.kernel.connect(other.address)
        for node in (a, b, c):
            await node.abcast("abc", "sink", "put", node.name)
        await trio.sleep(1)
        for node in (a, b, c):
            assert sorted(await a.call(f"sink@{node.name}", "read")) == ["a", "b", "c"]


@virtual
async def test_nodes_do_not_forward_for_each_other():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a", ring="x") as a,
        on_network(network, "b", ring="x", actors={"sink": Sink}) as b,
        on_network(network, "c", ring="x", actors={"sink": Sink}) as c,
    ):
        await a.kernel.connect(b.address)
        await b.kernel.connect(c.address)
        with pytest.raises(NodeUnknown):
            await a.call("sink@c", "read")


@virtual
async def test_a_stopped_node_leaves_no_stream_open():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b") as b:
        async with on_network(network, "a") as a:
            await a.kernel.connect(b.address)
        await trio.sleep(5)
        assert network.statistics().streams == 0


@virtual
async def test_a_call_ends_when_its_node_is_gone_even_without_a_timeout():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        ended = []

        async def ask():
            try:
                await a.call("sink@b", "sleep", 1e6, timeout=float("inf"))
            except NodeDown as error:
                ended.append(error.outcome)

        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
            nursery.start_soon(ask)
            await trio.sleep(1)
            network.crash("b", silent=True)
            b.abandon()
        await until(lambda: ended == ["unknown"], seconds=6)


@virtual
async def test_a_timeout_at_a_silent_node_is_a_timeout():
    async with pair(actors={"sink": Sink}) as (a, _):
        a.network.partition({"a"}, {"b"})
        with pytest.raises(CallTimeout):
            await a.call("sink@b", "read", timeout=1.5)
        a.network.heal()


@virtual
async def test_a_shutdown_does_not_wait_to_send_calls_that_have_ended():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b", actors={"sink": Sink}) as b:
            await a.kernel.connect(b.address)
            network.partition({"a"}, {"b"})
            with pytest.raises(NodeDown):
                await a.call("sink@b", "read", timeout=60)
            network.crash("b")
            b.abandon()
        assert a.kernel.links()[0].unacked == 1
        began = trio.current_time()
    assert trio.current_time() - began < 1


@virtual
async def test_a_shutdown_does_not_wait_to_answer_a_peer_that_left():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", actors={"sink": Sink}) as b:
        async with on_network(network, "a") as a, trio.open_nursery() as nursery:
            await a.kernel.connect(b.address)
            nursery.start_soon(a.call, "sink@b", "sleep", 5)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        await trio.sleep(10)
        began = trio.current_time()
    assert trio.current_time() - began < 1


@virtual
async def test_a_peer_that_left_has_its_calls_given_up():
    class Patient(GenServer):
        ended = []

        @call(cancellable=True)
        async def wait(self):
            try:
                await trio.sleep(1000)
            except trio.Cancelled:
                self.ended.append(trio.current_time())
                raise

    for farewell in (True, False):
        network = MemoryNetwork(Random(0))
        async with on_network(network, "b", actors={"x": Patient}) as b:
            Patient.ended.clear()
            async with on_network(network, "a") as a, trio.open_nursery() as nursery:
                await a.kernel.connect(b.address)
                x = a.ref(Patient, "x", at="b").within(500)
                nursery.start_soon(x.call, Patient.wait)
                await trio.sleep(1)
                a._runtime.sending.abandon = lambda pending: None  # no Cancel
                a._runtime.calls._abandon = lambda pending: None
                if not farewell:
                    network.crash("a")
                    a.abandon()
                nursery.cancel_scope.cancel()
            if not farewell:
                assert Patient.ended == []
                async with on_network(network, "a") as a:
                    await a.kernel.connect(b.address)
            await until(lambda: Patient.ended)
