"""A bench in virtual time: on a network whose delays are known."""

from __future__ import annotations

from contextlib import asynccontextmanager
from math import nan
from random import Random

import pytest
import trio

from clusterkit.cli.client import Destination, open_client
from clusterkit.cluster.bench import LAST, PARTS, checked_seconds, other_member
from clusterkit.cluster.bench_target import GRACE, MOST_SECONDS
from clusterkit.cluster.own_names import BENCH
from clusterkit.errors import ConfigError, NodeDown, Rejected
from clusterkit.names import Address
from tests.unit.nodes import on_network, pair, virtual

DELAY = 0.01


@asynccontextmanager
async def tool(network, host, *, at="a"):
    """A tool that is connected to a node."""
    to = Destination(
        address=Address(at, 7022),
        cookies=(b"test",),
        transport=network.host(host),
        rng=Random(host),
    )
    async with open_client(to) as client:
        yield client


@asynccontextmanager
async def bench(*, max_message=None, **config):
    """Two nodes at a known distance, and a tool at the first."""
    if max_message is not None:
        config["max_message"] = max_message
    async with pair(config=config) as (a, b):
        a.network.delay("a", "b", DELAY)
        async with tool(a.network, "tool") as client:
            yield a, b, client


async def measure(client, part, seconds=4.0, id="b"):
    return await client.call("bench", {"id": id, "seconds": seconds, "part": part}, 60)


async def refused(client, **values):
    with pytest.raises(Rejected) as caught:
        await client.call("bench", {"id": "b", "seconds": 4.0, **values}, 60.0)
    return caught.value.code, caught.value.args[0]


@virtual
async def test_a_round_trip_is_twice_the_distance():
    async with bench() as (_, _, client):
        told = await measure(client, "round_trip")
        assert (told["from"], told["to"]) == ("a", "b")
        assert (told["in_flight"], told["payload_bytes"]) == (1, 64)
        assert told["latency"]["mean"] == pytest.approx(2 * DELAY, rel=0.05)
        assert told["latency"]["least"] == pytest.approx(2 * DELAY, rel=0.05)
        assert told["latency"]["p99"] == pytest.approx(2 * DELAY, rel=0.1)
        assert told["seconds"] == pytest.approx(1.0, abs=3 * DELAY)
        assert told["count"] == pytest.approx(1.0 / (2 * DELAY), rel=0.1)
        assert sum(n for _, n in told["histogram"]) == told["count"]


@virtual
async def test_calls_are_so_many_at_a_time():
    async with bench() as (_, _, client):
        told = await measure(client, "calls")
        assert told["in_flight"] == 64
        assert told["per_second"] == pytest.approx(64 / (2 * DELAY), rel=0.1)


@virtual
async def test_bytes_are_those_of_large_calls():
    async with bench() as (_, _, client):
        told = await measure(client, "bytes")
        assert told["payload_bytes"] == 256 * 1024
        assert told["bytes_per_second"] == pytest.approx(
            told["count"] * 256 * 1024 / told["seconds"], rel=0.01
        )


@virtual
async def test_a_large_call_is_no_larger_than_the_peer_takes():
    async with bench(max_message=8192) as (_, _, client):
        told = await measure(client, "bytes")
        assert told["payload_bytes"] == 4096


@virtual
async def test_casts_are_counted_where_they_are_handled(monkeypatch):
    monkeypatch.setattr("clusterkit.cluster.bench.MOST_MESSAGES", 5_000)
    async with bench() as (_, b, client):
        told = await measure(client, "casts")
        assert (told["count"], told["lost"], told["payload_bytes"]) == (5_000, 0, 64)
        assert told["per_second"] == pytest.approx(5_000 / told["seconds"], rel=0.01)
        assert b.statistics().dropped == {}


@virtual
async def test_a_bench_ends_where_no_time_passes(monkeypatch):
    monkeypatch.setattr("clusterkit.cluster.bench.MOST_MESSAGES", 1_000)
    async with pair() as (a, _), tool(a.network, "tool") as client:
        for part in PARTS:
            told = await measure(client, part)
            assert 1_000 <= told["count"] <= 1_064


@virtual
async def test_a_tool_that_goes_away_ends_it_at_the_node():
    async with bench() as (a, b, _):
        async with tool(a.network, "other") as other:
            with trio.move_on_after(0.3):
                await measure(other, "calls", seconds=60.0)
        await trio.sleep(0.1)
        assert a.statistics().pending_calls == 0
        before = b._runtime.local(BENCH).handled
        await trio.sleep(5)
        assert b._runtime.local(BENCH).handled == before


@virtual
async def test_a_tool_that_gives_up_ends_it_at_the_node_and_may_go_on():
    async with bench() as (a, _, client):
        with trio.move_on_after(0.3):
            await measure(client, "round_trip", seconds=60.0)
        await trio.sleep(0.1)
        assert a.statistics().pending_calls == 0
        assert (await measure(client, "round_trip"))["count"] > 0


@virtual
async def test_two_tools_do_not_measure_each_other():
    async with bench() as (a, _, client), tool(a.network, "other") as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(measure, client, "round_trip")
            await trio.sleep(0.3)
            code, text = await refused(other, part="calls")
            assert code == "bench_busy"
            assert text == "a bench of another tool runs at this node already"
        assert (await refused(other, part="calls"))[0] == "bench_busy"  # not over yet
        await trio.sleep(GRACE)
        assert (await measure(other, "calls"))["count"] > 0


@virtual
async def test_two_nodes_do_not_measure_a_third_at_once():
    async with bench() as (a, b, client):
        async with on_network(a.network, "c") as c:
            c.kernel.know(b.info)
            a.network.delay("b", "c", DELAY)
            async with tool(a.network, "other", at="c") as other:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(measure, client, "round_trip")
                    await trio.sleep(0.3)
                    code, text = await refused(other, part="calls")
                    assert (code, text) == ("bench_busy", "a measures b already")
                await trio.sleep(GRACE)
                assert (await measure(other, "calls"))["count"] > 0


@virtual
async def test_a_node_that_measures_is_not_measured():
    async with bench() as (a, b, client), tool(a.network, "other", at="b") as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(measure, client, "round_trip")
            await trio.sleep(0.3)
            code, text = await refused(other, id="a", part="calls")
            assert (code, text) == ("bench_busy", "a measures b already")
            c = await nursery.start(third, a, b)
            code, text = await refused(c, id="a", part="calls")
            assert (code, text) == ("bench_busy", "a measures another node already")
        await trio.sleep(GRACE)
        assert (await measure(other, "calls", id="a"))["count"] > 0


@virtual
async def test_a_bench_that_is_refused_holds_up_no_other():
    async with bench() as (a, _, client), tool(a.network, "other", at="b") as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(measure, client, "round_trip")
            await trio.sleep(0.3)
            for _ in range(3):
                assert (await refused(other, id="a", part="calls"))[0] == "bench_busy"
        await trio.sleep(GRACE)
        async with tool(a.network, "more", at="b") as more:
            assert (await measure(more, "calls", id="a"))["count"] > 0


async def third(a, b, *, task_status):
    """A tool at a third node that knows both, for a while."""
    async with on_network(a.network, "c") as c:
        for node in (a, b):
            c.kernel.know(node.info)
        async with tool(a.network, "more", at="c") as client:
            task_status.started(client)
            await trio.sleep(0.5)


@virtual
async def test_both_ends_are_free_at_once_after_the_last_part(monkeypatch):
    monkeypatch.setattr("clusterkit.cluster.bench.MOST_MESSAGES", 500)
    async with bench() as (a, _, client), tool(a.network, "other") as other:
        for part in PARTS:
            await measure(client, part)
        assert (await measure(other, "round_trip"))["count"] > 0


@virtual
async def test_a_bench_keeps_both_ends_between_its_parts(monkeypatch):
    monkeypatch.setattr("clusterkit.cluster.bench.MOST_MESSAGES", 500)
    async with bench() as (a, b, client), tool(a.network, "other") as other:
        for part in PARTS:
            await measure(client, part)
            if part != LAST:
                await trio.sleep(GRACE / 2)
                assert (await refused(other, part="calls"))[0] == "bench_busy"
                with pytest.raises(Rejected):
                    await b._runtime.call("b", BENCH, "begin", (1.0,), {}, None)


def test_the_last_part_is_the_last():
    assert list(PARTS)[-1] == LAST


@virtual
async def test_a_node_that_has_no_far_end_is_named():
    async with bench() as (_, b, client):
        b._runtime.registry.release(b._runtime.local(BENCH))
        code, text = await refused(client, part="calls")
        assert code == "not_benched"
        assert text == (
            "b runs a version of clusterkit that cannot be measured; update it"
        )


@virtual
async def test_a_node_that_goes_away_meanwhile_is_an_error():
    async with bench() as (a, _, client):
        async with trio.open_nursery() as nursery:

            async def cut():
                await trio.sleep(0.3)
                a.network.partition({"a"}, {"b", "tool"})
                a.network.partition({"b"}, {"a", "tool"})
                a.network.cut("a", "b")

            nursery.start_soon(cut)
            code, _ = await refused(client, part="calls", seconds=40.0)
            assert code == NodeDown.code
        assert a.statistics().pending_calls == 0
        a.network.heal()


@pytest.mark.parametrize(
    "values",
    [
        {"part": "nothing"},
        {"part": 5},
        {"part": ["calls"]},
        {"part": "calls", "seconds": 0.5},
        {"part": "calls", "seconds": 61.0},
        {"part": "calls", "seconds": "4"},
        {"part": "calls", "seconds": nan},
        {"part": "calls", "id": "a"},
        {"part": "calls", "id": 5},
    ],
    ids=str,
)
@virtual
async def test_nonsense_is_refused_and_nothing_is_begun(values):
    async with bench() as (_, b, client):
        assert (await refused(client, **values))[0] in {"config", "badarg"}
        assert b._runtime.local(BENCH).handled == 0


@pytest.mark.parametrize("seconds", [0, -1, nan, MOST_SECONDS + 1, "1", None], ids=str)
@virtual
async def test_the_far_end_lives_whatever_a_peer_says(seconds):
    async with bench() as (a, b, _):
        with pytest.raises(Rejected):
            await a._runtime.call("b", BENCH, "begin", (seconds,), {}, None)
        assert await a._runtime.call("b", BENCH, "size", (seconds,), {}, None) == 0
        assert b._runtime.local(BENCH).restarts == 0


@virtual
async def test_the_far_end_is_the_node_s_own():
    async with bench() as (a, _, _):
        with pytest.raises(ConfigError):
            a.pause(BENCH)
        with pytest.raises(ConfigError):
            await a.stop(BENCH)
        assert BENCH not in [actor.name for actor in a.statistics().actors]


def test_a_bench_takes_a_time_that_makes_sense():
    assert checked_seconds(1) == 1
    assert checked_seconds(60.0) == 60.0
    with pytest.raises(ConfigError, match=r"from 1 to 60 s, not 0\.9"):
        checked_seconds(0.9)


@pytest.mark.parametrize(
    ("id", "members", "found"),
    [
        ("b", ["a", "b", "c"], "b"),
        ("z", ["a", "b"], "z"),
        (None, ["a", "b"], "b"),
        (None, ["b"], "b"),
    ],
)
def test_the_only_other_member_need_not_be_named(id, members, found):
    assert other_member(id, "a", members) == found


@pytest.mark.parametrize(
    ("id", "members", "text"),
    [
        ("a", ["a", "b"], "a is the node spoken to; name another one"),
        (None, ["a"], "a is alone in its ring; name a node, or meet one"),
        (None, ["a", "b", "c"], "name the node to measure, one of: b, c"),
        (None, [f"{i:02}" for i in range(20)], "one of: 00, .*, 09, …$"),
    ],
)
def test_whom_to_measure_has_to_be_clear(id, members, text):
    with pytest.raises(ConfigError, match=text):
        other_member(id, "a", members)
