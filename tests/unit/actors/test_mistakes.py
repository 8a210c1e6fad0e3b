"""Mistakes that everybody makes once, and what is said about them."""

from __future__ import annotations

import asyncio  # noqa: TID251 - to see what is said there
import sys

import pytest

from clusterkit import GenServer, call, create_cluster
from clusterkit.errors import ConfigError, NoSuchHandler
from tests.unit.nodes import alone, pair, virtual


class Counter(GenServer):
    @call
    async def add(self, n):
        return n

    @call
    async def take(self, n):
        return n

    async def plain(self):
        return None


class Early(GenServer):
    def __init__(self):
        self.home = self.node


class Named(GenServer):
    def __init__(self):
        self.name = "mine"


@virtual
async def test_a_method_that_is_not_marked_is_named():
    async with alone(actors={"counter": Counter}) as node:
        ref = node.ref(Counter, "counter")
        for use, mark in (
            (ref.call, "@call"),
            (ref.cast, "@cast"),
            (ref.cast_nowait, "@cast"),
        ):
            with pytest.raises(TypeError, match=f"Counter.plain is not marked {mark}"):
                use(Counter.plain)


@virtual
async def test_a_name_where_a_handler_is_due_says_who_takes_names():
    async with alone(actors={"counter": Counter}) as node:
        with pytest.raises(TypeError, match=r"node\.call.* take names"):
            node.ref(Counter, "counter").call("add", 1)


@virtual
async def test_a_reference_where_a_name_is_due_says_what_it_has_itself():
    async with alone(actors={"counter": Counter}) as node:
        with pytest.raises(ConfigError, match="a reference has `call`"):
            await node.call(node.ref(Counter, "counter"), "add", 1)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("counter@127.0.0.1:7023", "counter@NAME@127.0.0.1:7023"),
        ("counter@[::1]:7023", r"counter@NAME@\[::1\]:7023"),
        ("@b", "is not an actor"),
        ("counter@", "is not an actor"),
    ],
)
@virtual
async def test_a_target_that_names_no_node_says_how_one_is_named(target, told):
    async with alone() as node:
        with pytest.raises(ConfigError, match=told):
            await node.call(target, "add", 1)


@pytest.mark.parametrize("name", ["a b", "counter@bar", "", 5])
@virtual
async def test_a_reference_needs_a_name_that_can_be_one(name):
    async with alone() as node:
        with pytest.raises(ConfigError, match=r"actor name .* is not valid"):
            node.ref(Counter, name)


@virtual
async def test_what_is_no_node_is_not_met():
    async with alone() as node:
        with pytest.raises(ConfigError, match="5 is no node"):
            await node.meet(5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seeds": "bar@h:1"}, r"seeds is a list: \['bar@h:1'\]"),
        ({"config": {"call_timeout": 1.0}}, "config is a clusterkit.Config"),
    ],
)
async def test_an_option_of_another_type_is_refused(options, told):
    with pytest.raises(ConfigError, match=told):
        async with create_cluster("a", port=0, cookie="x", **options):
            pass


def test_under_asyncio_it_says_what_it_runs_on():
    async def main():
        async with create_cluster("a", port=0, cookie="x"):
            pass

    with pytest.raises(RuntimeError, match=r"clusterkit runs on trio: trio\.run"):
        asyncio.run(main())


@virtual
async def test_an_actor_has_no_node_before_init():
    async with alone() as node:
        with pytest.raises(AttributeError, match="not in __init__ yet; use it in init"):
            await node.start("x", Early)


@virtual
async def test_the_actor_s_own_names_are_not_set():
    async with alone() as node:
        with pytest.raises(AttributeError, match=r"Named\.name is the actor's own"):
            await node.start("x", Named)


@virtual
async def test_an_unknown_handler_shows_those_that_there_are():
    async with pair(actors={"counter": Counter}) as (a, _):
        with pytest.raises(NoSuchHandler) as caught:
            await a.call("counter@b", "ad", 1)
    assert str(caught.value) == (
        "counter@b ad: Counter has no @call handler 'ad'; did you mean add? "
        "It has: add, take"
    )


@virtual
async def test_what_is_shown_of_handlers_is_bounded():
    async with alone() as node:
        many = GenServer()
        for number in range(1000):

            @many.on_call(f"handler-{number}")
            async def handler():
                pass

        await node.start("x", many)
        with pytest.raises(NoSuchHandler) as caught:
            await node.call("x", "h" * 100_000)
    assert len(str(caught.value.args[0])) < 1_000
    assert str(caught.value).endswith(", …")


@virtual
async def test_a_private_name_says_that_it_is_private():
    async with alone(actors={"counter": Counter}) as node:
        for event in ("_add", "__init__", "init"):
            with pytest.raises(NoSuchHandler, match="cannot be reached from outside"):
                await node.call("counter", event)


class Quitter(GenServer):
    @call
    async def quit(self):
        sys.exit(3)


@virtual
async def test_a_handler_that_ends_the_process_is_named_in_the_log(caplog):
    with pytest.raises(SystemExit) as caught:
        async with alone(actors={"quitter": Quitter}) as node:
            await node.call("quitter", "quit")
    assert caught.value.code == 3
    assert (
        "node_ended_by_handler actor=quitter handler=quit error='SystemExit: 3'"
        in caplog.messages
    )
