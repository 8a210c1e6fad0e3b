"""A link that is cut: how soon it is back, and that nothing is lost."""

from __future__ import annotations

import itertools
from random import Random

import pytest
import trio

from clusterkit import GenServer, call
from clusterkit.errors import NodeDown
from clusterkit.events import LinkDown
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import hearing, link_of, on_network, pair, virtual
from tests.unit.servers import Sink
from tests.waiting import until


@virtual
async def test_a_silent_peer_is_dead_after_three_seconds():
    async with pair() as (a, _), hearing(a, LinkDown) as heard:
        await trio.sleep(0.5)
        began = trio.current_time()
        a.network.partition({"a"}, {"b"})
        await until(lambda: heard)
        assert heard == [LinkDown("b", "dead")]
        assert 2 <= trio.current_time() - began <= 3.1


@virtual
async def test_a_peer_that_answers_pings_is_alive_though_its_actors_are_not():
    class Stuck(GenServer):
        @call
        async def hang(self):
            await trio.sleep(100)
            return "after all"

    async with pair(actors={"x": Stuck}) as (a, _):
        assert await a.call("x@b", "hang", timeout=200) == "after all"
        assert link_of(a).reconnects == 0


@virtual
async def test_a_link_is_down_when_it_had_no_session_for_two_seconds():
    async with pair() as (a, _):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        began = trio.current_time()
        await until(lambda: link_of(a).state == "down")
        assert trio.current_time() - began == pytest.approx(2, abs=0.05)
        a.network.heal()


@virtual
async def test_a_call_under_way_fails_when_its_node_is_down():
    async with pair(actors={"sink": Sink}) as (a, _):
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(NodeDown) as caught:
                    await a.call("sink@b", "sleep", 100, timeout=60)
                assert caught.value.outcome == "unknown"

            nursery.start_soon(ask)
            await trio.sleep(0.1)
            a.network.partition({"a"}, {"b"})
            a.network.cut("a", "b")
            began = trio.current_time()
        assert trio.current_time() - began == pytest.approx(2, abs=0.05)
        a.network.heal()


@virtual
async def test_a_call_that_never_left_says_so():
    async with pair(actors={"sink": Sink}) as (a, _):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        await trio.sleep(0.1)
        with pytest.raises(NodeDown) as caught:
            await a.call("sink@b", "read")
        assert caught.value.outcome == "not sent"
        a.network.heal()
        await trio.sleep(10)
        assert await a.call("sink@b", "read") == []


@virtual
async def test_a_call_outlives_a_short_cut():
    async with pair(actors={"sink": Sink}) as (a, _):

        async def ask():
            assert await a.call("sink@b", "sleep", 3) == 3

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            for _ in range(4):
                await trio.sleep(0.5)
                a.network.cut("a", "b")
        assert link_of(a).reconnects == 4


@virtual
async def test_a_cut_link_is_back_within_a_third_of_a_second():
    async with pair() as (a, _):
        for _ in range(50):
            a.network.cut("a", "b")
            began = trio.current_time()
            await trio.sleep(0.001)
            await until(lambda: a.kernel.is_connected("b"))
            assert trio.current_time() - began <= 0.31


@virtual
async def test_pauses_between_dials_grow_and_have_two_caps():
    lines = []
    network = MemoryNetwork(Random(0), trace=lines.append)
    network.host("b")  # a machine where nothing listens
    async with on_network(network, "a") as a:
        times = []

        class Noting:
            async def connect(self, address, inner=a.kernel.transport):
                times.append(trio.current_time())
                return await inner.connect(address)

        a.kernel.transport = Noting()
        await a.cast("sink@b@b:7022", "put", 1)  # what keeps it dialling
        await trio.sleep(400)
    pauses = [(start, end - start) for start, end in itertools.pairwise(times)]
    early = [pause for at, pause in pauses if at < 9.5]
    late = [pause for at, pause in pauses if at > 15]
    assert max(early[:2]) <= 0.04
    assert 0.2 < max(early) <= 0.3
    assert 4 < max(late) <= 5
    assert min(late) < 1  # full jitter


@virtual
async def test_a_node_that_is_not_there_is_down_after_two_seconds():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a:
        began = trio.current_time()
        with pytest.raises(NodeDown, match="refused"):
            await a.kernel.connect("b@b:7022")
        assert trio.current_time() - began == pytest.approx(2, abs=0.05)


@virtual
async def test_connect_tries_at_once_though_the_last_dial_was_long_ago():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a:
        with pytest.raises(NodeDown):
            await a.kernel.connect("b@b:7022")
        for _ in range(20):
            await trio.sleep(20)
            async with on_network(network, "b"):
                began = trio.current_time()
                await a.kernel.connect("b@b:7022")
                assert trio.current_time() - began < 0.1


@virtual
async def test_connect_that_fails_again_says_so_again():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a:
        for _ in range(3):
            began = trio.current_time()
            with pytest.raises(NodeDown):
                await a.kernel.connect("b@b:7022")
            assert trio.current_time() - began == pytest.approx(2, abs=0.05)


@virtual
async def test_a_node_that_returns_is_found_without_being_asked_for():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with on_network(network, "b") as b:
            await a.kernel.connect(b.address)
            network.crash("b")
        await trio.sleep(100)
        async with on_network(network, "b"):
            await until(lambda: a.kernel.is_connected("b"), seconds=5.1)


@virtual
async def test_a_node_that_could_not_be_connected_is_not_dialled_any_further():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a:
        with pytest.raises(NodeDown):
            await a.kernel.connect("b@b:7022")
        with trio.move_on_after(1):
            await a.kernel.connect("b@b:7022")
        await trio.sleep(10)
        async with on_network(network, "b"):
            await trio.sleep(30)
            assert not a.kernel.is_connected("b")
            await a.kernel.connect("b@b:7022")


@virtual
async def test_who_gives_up_waiting_does_not_end_the_dialling_for_another():
    network = MemoryNetwork(Random(0))
    network.host("b")
    async with on_network(network, "a") as a:

        async def wait(seconds):
            with trio.move_on_after(seconds):
                await a.kernel.connect("b@b:7022")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, 0.5)
            nursery.start_soon(wait, 0.9)
            nursery.start_soon(wait, 60)
            await trio.sleep(1)
            async with on_network(network, "b"):
                await until(lambda: a.kernel.is_connected("b"), seconds=1)
        assert a.kernel.is_connected("b") is False  # b is gone again
        assert a.kernel.peers["b"].pinned


@virtual
async def test_a_link_that_is_kept_stays_kept_when_a_connect_fails():
    async with pair() as (a, b):
        a.network.partition({"a"}, {"b"})
        a.network.cut("a", "b")
        await trio.sleep(0.1)
        with pytest.raises(NodeDown):
            await a.kernel.connect(b.address)
        a.network.heal()
        await until(lambda: a.kernel.is_connected("b"))


@virtual
async def test_casts_of_a_whole_outage_arrive_in_order_once():
    async with pair(actors={"sink": Sink}) as (a, _):
        for i in range(200):
            await a.cast("sink@b", "put", i)
            if i % 10 == 5:
                a.network.cut("a", "b")
            if i == 80:
                a.network.partition({"a"}, {"b"})
            if i == 160:
                a.network.heal()
            await trio.sleep(0.1)
        await trio.sleep(10)
        assert await a.call("sink@b", "read") == list(range(200))


@virtual
async def test_a_half_open_connection_loses_nothing():
    """One side sees a reset, the other silence for ever."""
    for first, second in (("a", "b"), ("b", "a")):
        async with pair(actors={"sink": Sink}) as (a, _):
            for i in range(60):
                await a.cast("sink@b", "put", i)
                if i % 20 == 10:
                    a.network.cut(first, second, half_open=True)
                await trio.sleep(0.5)
            await trio.sleep(20)
            assert await a.call("sink@b", "read") == list(range(60))


@virtual
async def test_only_one_side_needs_to_reach_the_other():
    for walled in (("a", "b"), ("b", "a")):
        async with pair(actors={"sink": Sink}, connected=False) as (a, b):
            await a.start("sink", Sink)
            a.network.wall(*walled)
            dialer, other = (b, a) if walled[0] == "a" else (a, b)
            await dialer.kernel.connect(other.address)
            for round_ in range(3):
                await a.cast("sink@b", "put", round_)
                await b.cast("sink@a", "put", round_)
                a.network.cut("a", "b")
                await trio.sleep(1)
            assert await a.call("sink@b", "read") == [0, 1, 2]
            assert await b.call("sink@a", "read") == [0, 1, 2]


@pytest.mark.parametrize("seed", range(10))
@virtual
async def test_simultaneous_dials_settle_on_one_session(seed):
    network = MemoryNetwork(Random(seed))
    network.everywhere(delay=0.01, spread=0.02)
    async with (
        on_network(network, "b", actors={"sink": Sink}) as b,
        on_network(network, "a", actors={"sink": Sink}) as a,
    ):
        a.kernel.know(b.info)
        b.kernel.know(a.info)
        for round_ in range(10):
            await a.cast("sink@b", "put", round_)
            await b.cast("sink@a", "put", round_)
            await trio.sleep(0.3)
            network.cut("a", "b")
        await trio.sleep(3)
        for node, target in ((a, "sink@b"), (b, "sink@a")):
            assert await node.call(target, "read") == list(range(10))
            assert len(node.kernel.links()) == 1
        assert a.kernel.peers["b"].sessions == b.kernel.peers["a"].sessions
        await trio.sleep(5)
        assert network.statistics().streams == 2
