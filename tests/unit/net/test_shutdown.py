"""How a node leaves: what it still does, and what it does not wait for."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.cluster.node import ACTORS_ENDED_BY
from clusterkit.errors import (
    ActorDown,
    NodeDown,
)
from clusterkit.events import LinkDown
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import abandon, alone, hearing, on_network, virtual
from tests.unit.servers import Sink
from tests.waiting import until


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
        assert answers == [2]


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

        async with on_network(
            network, "b", actors={"x": Patient}, config={"drain_timeout": 3.0}
        ) as b:
            await a.kernel.connect(b.address)
            nursery.start_soon(ask)
            await trio.sleep(1)
            began = trio.current_time()
        await until(lambda: ended)
        assert 1.5 < ended[0] - began <= 3 * ACTORS_ENDED_BY


@virtual
async def test_an_actor_that_never_ends_holds_a_shutdown_for_the_actors_share():
    class Stuck(GenServer):
        @cast
        async def hang(self):
            await trio.sleep_forever()

    async with alone(config={"drain_timeout": 3.0}) as node:
        await node.start("x", Stuck)
        await node.cast("x", "hang")
        await trio.sleep(1)
        began = trio.current_time()
    share = 3 * ACTORS_ENDED_BY
    assert trio.current_time() - began == pytest.approx(share, abs=0.1)


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
async def test_a_stopped_node_leaves_no_stream_open():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b") as b:
        async with on_network(network, "a") as a:
            await a.kernel.connect(b.address)
        await trio.sleep(5)
        assert network.statistics().streams == 0


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
            abandon(b)
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
async def test_a_shutdown_does_not_wait_to_answer_a_peer_that_is_down():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", actors={"sink": Sink}) as b:
        async with on_network(network, "a") as a, trio.open_nursery() as nursery:
            await a.kernel.connect(b.address)
            nursery.start_soon(a.call, "sink@b", "sleep", 1)
            await trio.sleep(0.5)
            network.partition({"a"}, {"b"})
            await until(lambda: b.kernel.links()[0].unacked)  # the answer
            network.crash("a")
            abandon(a)
            nursery.cancel_scope.cancel()
        await until(lambda: b.kernel.links()[0].state == "down")
        assert b.kernel.links()[0].unacked == 1
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
                    abandon(a)
                nursery.cancel_scope.cancel()
            if not farewell:
                assert Patient.ended == []
                async with on_network(network, "a") as a:
                    await a.kernel.connect(b.address)
            await until(lambda: Patient.ended)


@virtual
async def test_who_listens_to_events_outside_the_block_hears_the_last_and_goes_on():
    network = MemoryNetwork(Random(0))
    heard = []

    async def listen(node, started):
        async with node.events(LinkDown) as events:
            started.set()
            async for event in events:
                heard.append(event)
        heard.append("over")

    async with on_network(network, "b") as b, trio.open_nursery() as nursery:
        async with on_network(network, "a") as a:
            started = trio.Event()
            nursery.start_soon(listen, a, started)
            await started.wait()
            await a.kernel.connect(b.address)
        await trio.testing.wait_all_tasks_blocked()
        assert heard == [LinkDown("b", "this node has ended"), "over"]
