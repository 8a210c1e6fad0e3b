"""The command server against a hostile or hasty tool, and against nodes."""

from __future__ import annotations

import logging

import pytest
import trio

from clusterkit import GenServer, Rejected, call
from clusterkit.cli.client import open_client
from clusterkit.cli.command_table import COMMANDS
from clusterkit.errors import NoSuchHandler, RingError
from tests.waiting import until


async def ask(client, name, /, **values):
    return await client.call(name, values, 5.0)


def restarts(node):
    (row,) = [a for a in node.statistics().actors if a.name == "command"]
    return row.restarts


async def test_a_member_may_not_command(foo, start_node):
    async with start_node("bar") as bar:
        await foo.meet(bar.address)
        with pytest.raises(Rejected) as caught:
            await foo.call("command@bar", "leave")
        assert caught.value.code == "forbidden"
        assert bar.gossip.name == "ring"


async def test_an_actor_of_the_node_may_not_command(foo):
    with pytest.raises(Rejected) as caught:
        await foo.call("command", "nodes")
    assert caught.value.code == "forbidden"


async def test_a_member_does_not_learn_what_commands_there_are(foo):
    with pytest.raises(Rejected) as caught:
        await foo.call("command", "nonsense")
    assert caught.value.code == "forbidden"


async def test_a_tool_may_not_command_through_a_relay(client):
    with pytest.raises(Rejected) as caught:
        await ask(client, "call", target="command", event="leave", args=[], timeout=1.0)
    assert caught.value.code == "forbidden"


async def test_a_cast_does_not_command(foo):
    await foo.cast("command", "leave")
    await foo.ping("foo")
    assert foo.gossip.name == "ring"


async def test_an_unknown_command_is_refused(client):
    with pytest.raises(NoSuchHandler):
        await ask(client, "nonsense")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("get", {"id": 5}),
        ("get", {"id": ["foo"]}),
        ("insert", {"id": "x", "host": "h", "port": "1"}),
        ("insert", {"id": "x", "host": "", "port": 1}),
        ("minsert", {"nodes": [["x"]]}),
        ("find", {"key": "k", "n": 0.5}),
        ("call", {"target": "@", "event": "e", "args": [], "timeout": 1.0}),
        ("call", {"target": "a", "event": "e", "args": [], "timeout": -1.0}),
        ("meet", {"id": "x", "host": "h", "port": 1, "timeout": None}),
        ("watch", {"timeout": "soon"}),
    ],
)
async def test_nonsense_is_refused_and_the_server_lives(client, foo, name, values):
    with pytest.raises(Rejected):
        await ask(client, name, **values)
    assert await ask(client, "ping") == "pong"
    assert restarts(foo) == 0


class Library(GenServer):
    """Answers with more than a message may hold."""

    @call
    async def everything(self):
        return "x" * (17 * 1024 * 1024)


async def test_an_answer_that_is_too_large_is_refused_and_the_server_lives(client, foo):
    await foo.start("library", Library)
    for _ in range(5):  # more often than an actor may crash
        with pytest.raises(Rejected) as caught:
            await ask(
                client,
                "call",
                target="library",
                event="everything",
                args=[],
                timeout=5.0,
            )
        assert caught.value.code == "too_large"
    assert restarts(foo) == 0


async def test_only_true_is_force(client, foo):
    release = trio.Event()
    foo.gossip.on_process(lambda old, new: release.wait())
    node = {"host": "h", "port": 1}
    await ask(client, "insert", id="x", **node)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: ask(client, "insert", id="y", force=1, **node))
        await ask(client, "insert", id="z", force=True, **node)
        assert foo.ring.weights().keys() == {"foo", "x", "z"}
        release.set()
    assert foo.ring.is_defined("y")


async def test_a_command_that_waits_holds_up_no_other(client, foo):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: ask(client, "watch", timeout=60.0))
        await ask(client, "watch", timeout=0.0)
        assert await ask(client, "ping") == "pong"
        nursery.cancel_scope.cancel()


async def test_events_are_kept_from_the_first_question_on(client, foo):
    assert await ask(client, "watch", timeout=0.0) == []
    await foo.gossip.insert("x@h:1")
    await foo.gossip.remove("x")
    first = await ask(client, "watch", timeout=5.0)
    second = await ask(client, "watch", timeout=5.0)
    assert [event["cause"] for event in first + second] == ["insert", "remove"]
    assert [node["id"] for node in first[0]["new"]] == ["foo", "x"]


async def test_watching_ends_when_its_time_is_up(client, foo):
    await ask(client, "watch", timeout=0.0)
    assert await ask(client, "watch", timeout=0.01) == []


async def test_a_slow_tool_learns_how_much_it_has_lost(client, foo):
    await ask(client, "watch", timeout=0.0)
    weight = 1
    for weight in range(2, 1_010):
        await foo.gossip.update(foo.address, weight)
    (lost,) = await ask(client, "watch", timeout=5.0)
    (oldest,) = await ask(client, "watch", timeout=5.0)
    assert (lost["event"], lost["n"]) == ("events_lost", 8)
    assert oldest["new"][0]["weight"] == 10


async def test_two_tools_watch_without_taking_from_each_other(foo, destination):
    async with (
        open_client(destination(foo)) as one,
        open_client(destination(foo)) as two,
    ):
        for client in (one, two):
            await ask(client, "watch", timeout=0.0)
        await foo.gossip.insert("x@h:1")
        for client in (one, two):
            (event,) = await ask(client, "watch", timeout=5.0)
            assert event["cause"] == "insert"


async def test_nothing_is_kept_for_a_tool_that_is_gone(foo, destination):
    async with open_client(destination(foo)) as client:
        await ask(client, "watch", timeout=0.0)
    await until(lambda: not foo.kernel.clients)
    async with open_client(destination(foo)) as client:
        await ask(client, "watch", timeout=0.0)
        server = foo._runtime.local("command").server
        assert len(server._watches) == 1


async def test_who_changes_something_is_logged(client, foo, caplog):
    with caplog.at_level(logging.INFO, "clusterkit.cluster"):
        await ask(client, "nodes")
        await ask(client, "insert", id="secret-name", host="h", port=1)
    lines = [r.getMessage() for r in caplog.records if r.getMessage()[:8] == "command "]
    assert len(lines) == 1
    assert lines[0].startswith("command command=insert client=client-")


async def test_the_client_reads_the_events_as_they_come(client, foo):
    async with trio.open_nursery() as nursery:
        got, sending = [], trio.Event()

        async def watch():
            async for event in client.watch():
                got.append(event["event"])
                sending.set()

        nursery.start_soon(watch)
        with trio.fail_after(20):
            weight = 1
            while not sending.is_set():
                weight += 1
                await foo.gossip.update(foo.address, weight)
        nursery.cancel_scope.cancel()
    assert set(got) == {"ring_changed"}


async def test_a_refusal_keeps_the_status_of_its_error(client):
    with pytest.raises(Rejected) as caught:
        await client.ask(COMMANDS["remove"], {"id": "foo", "host": "h", "port": 1}, 5.0)
    text, status = caught.value.args
    assert (caught.value.code, status) == (RingError.code, RingError.exit_status)
    assert "foo is at" in text


async def test_members_their_reasons_and_what_they_say(client, foo, start_node):
    async with start_node("bar") as bar:
        await foo.meet(bar.address)
        bar.state.set("version", (1, 2))
        await until(lambda: foo.state.value("bar", "version"))
        await until(lambda: foo.members.all()[0].incarnation)
        rows = await ask(client, "members")
        assert [(row["id"], row["state"]) for row in rows] == [
            ("bar", "alive"),
            ("foo", "alive"),
        ]
        assert set(rows[0]) == {
            "id",
            "host",
            "port",
            "state",
            "incarnation",
            "phi",
            "since",
        }
        assert await ask(client, "state", id="bar") == {"bar": {"version": [1, 2]}}
        assert set(await ask(client, "state")) == {"foo", "bar"}
        assert (await ask(client, "why", id="bar"))["foo"][-1]["what"] == "alive"
        for command in ("state", "why"):
            with pytest.raises(Rejected) as caught:
                await ask(client, command, id="nobody")
            assert caught.value.code == "not_in_ring"
