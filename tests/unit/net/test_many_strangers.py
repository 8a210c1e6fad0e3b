"""Strangers without number: what they make a node keep, and what it says of them."""

from __future__ import annotations

import logging
from random import Random

import trio

from clusterkit.net import kernel
from clusterkit.net.greeter import send_all
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import on_network, pair, virtual

from .strangers import stranger


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@virtual
async def test_garbage_from_one_host_is_said_once_a_minute(caplog):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        for _ in range(50):
            async with stranger(network, "a") as evil:
                await send_all(evil.stream, b"GET / HTTP/1.1" * 100)
                await trio.testing.wait_all_tasks_blocked()
        assert sum(a.statistics().rejected.values()) == 50
        assert len(lines(caplog)) == 1
        await trio.sleep(60)
        async with stranger(network, "a") as evil:
            await send_all(evil.stream, b"GET / HTTP/1.1" * 100)
            await trio.testing.wait_all_tasks_blocked()
        assert lines(caplog)[1].endswith(" more=49")


@virtual
async def test_refusals_of_names_that_are_made_up_do_not_fill_the_log(caplog):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", cookie="another") as a:
        for number in range(400):
            async with stranger(network, "a", name=f"n{number}") as evil:
                await evil.hello()
                await evil.prove()
        rejected = a.statistics().rejected
        assert sum(rejected.values()) == 400
        assert set(rejected) == {"cookie", "guessing"}
        assert len(lines(caplog)) < 40
        assert a.kernel.links() == ()


@virtual
async def test_nodes_that_called_once_are_forgotten_when_they_are_many(monkeypatch):
    monkeypatch.setattr(kernel, "MOST_LINKS", 20)
    async with pair() as (a, b):
        for number in range(100):
            name = f"n{number}"
            async with stranger(a.network, "b", name=name, incarnation=5) as evil:
                await evil.hello()
                await evil.prove()
            await trio.sleep(5)
        links = b.kernel.links()
        assert len(links) <= 20
        assert b.kernel.is_connected("a")
        assert {"a", "n99"} <= {link.peer for link in links}
        assert await a.ping("b") == "pong"


@virtual
async def test_a_node_that_is_needed_is_kept_among_many(monkeypatch):
    monkeypatch.setattr(kernel, "MOST_LINKS", 4)
    async with pair() as (a, b):
        b.network = a.network
        with trio.move_on_after(1):  # it waits for a node that is away
            await b.cast("sink@gone@gone:7022", "put", 1)
        for number in range(20):
            async with stranger(a.network, "b", name=f"n{number}") as evil:
                await evil.hello()
                await evil.prove()
            await trio.sleep(5)
        assert {"a", "gone"} <= {link.peer for link in b.kernel.links()}


@virtual
async def test_a_name_that_is_refused_leaves_no_link_behind():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", ring="mine") as a:
        async with stranger(network, "a", name="a") as evil:
            await evil.hello()
            await evil.prove()
        assert a.kernel.links() == ()
