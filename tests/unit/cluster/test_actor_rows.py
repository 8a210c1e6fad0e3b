"""What a node tells a tool of its actors."""

from __future__ import annotations

from clusterkit import GenServer
from clusterkit.cluster.actor_rows import actor_rows
from clusterkit.cluster.own_names import COMMAND
from tests.unit.nodes import alone, virtual
from tests.unit.servers import Counter


def rows(node):
    return {row["name"]: row for row in actor_rows(node._runtime.registry, COMMAND)}


@virtual
async def test_a_row_names_the_handlers_that_may_be_called():
    async with alone(actors={"counter": Counter}) as a:
        row = rows(a)["counter"]
        assert (row["call"], row["cast"]) == (["add"], ["reset"])
        assert (row["type"], row["state"], row["handled"]) == ("Counter", "running", 0)
        assert rows(a)["command"]["call"] == []


@virtual
async def test_handlers_of_an_instance_are_named_too():
    server = GenServer()
    server.on_call("hello")(Counter.add.handler.function)
    async with alone() as a:
        await a.start("greeter", server)
        assert rows(a)["greeter"]["call"] == ["hello"]


@virtual
async def test_more_than_anybody_would_look_through_is_left_out(monkeypatch):
    monkeypatch.setattr("clusterkit.cluster.actor_rows.MOST_ACTORS", 2)
    async with alone(actors={"first": Counter, "second": Counter}) as a:
        await a.start("third", Counter)
        assert [bool(rows(a)[n]["call"]) for n in ("first", "second", "third")] == [
            True,
            True,
            False,
        ]
    monkeypatch.setattr("clusterkit.cluster.actor_rows.MOST_HANDLERS", 0)
    async with alone(actors={"first": Counter}) as a:
        assert rows(a)["first"]["call"] == []
