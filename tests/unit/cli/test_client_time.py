"""How long a tool waits for a node, and what it says when that was in vain."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from clusterkit import GenServer, Rejected, call
from clusterkit.cli.client import LATITUDE, Destination, open_client
from clusterkit.cli.command_table import COMMANDS
from clusterkit.errors import CallTimeout, NodeDown
from clusterkit.names import Address
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import on_network, virtual


class Late(Rejected):
    code = "timeout"


class Slow(GenServer):
    @call
    async def sleep(self, seconds):
        await trio.sleep(seconds)
        return "slept"

    @call
    async def refuse(self):
        raise Late("no time for you")


@asynccontextmanager
async def spoken_to():
    """A node with a slow actor, and a tool's connection to it."""
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", actors={"slow": Slow}) as node:
        to = Destination(
            address=Address("a", 7022),
            cookies=(b"test",),
            transport=network.host("tool"),
        )
        async with open_client(to) as client:
            client.serving = node
            yield client


async def sleep(client, seconds, timeout=5.0):
    values = {"target": "slow", "event": "sleep", "args": [seconds]}
    return await client.ask(COMMANDS["call"], values, timeout)


@virtual
async def test_the_node_has_all_the_time_that_was_given():
    async with spoken_to() as client:
        assert await sleep(client, 4.9) == "slept"


@virtual
async def test_an_answer_of_the_node_that_comes_too_late_may_still_take_effect():
    async with spoken_to() as client:
        began = trio.current_time()
        with pytest.raises(Rejected) as caught:
            await sleep(client, 60.0)
        text, status = caught.value.args
        assert (caught.value.code, status) == ("timeout", 5)
        assert text == "slow@a sleep: no answer within 5 s; it may still take effect"
        assert trio.current_time() - began == pytest.approx(5.0, abs=0.1)


@virtual
async def test_a_node_that_says_nothing_is_waited_for_a_little_longer():
    async with spoken_to() as client:
        client.serving._runtime.local("command").pause()
        began = trio.current_time()
        with pytest.raises(CallTimeout) as caught:
            await sleep(client, 0.0)
        waited = trio.current_time() - began
        assert waited == pytest.approx(5.0 + LATITUDE, abs=0.1)
        told = f"no answer within {5.0 + LATITUDE:g} s; it may still take effect"
        assert str(caught.value) == told


@virtual
async def test_a_question_that_changes_nothing_has_no_effect_to_fear():
    async with spoken_to() as client:
        client.serving._runtime.local("command").pause()
        with pytest.raises(CallTimeout, match=r"^no answer within 5 s$"):
            await client.ask(COMMANDS["nodes"], {}, 5.0)


@virtual
async def test_what_an_application_rejects_is_no_timeout():
    async with spoken_to() as client:
        values = {"target": "slow", "event": "refuse", "args": []}
        with pytest.raises(Rejected) as caught:
            await client.ask(COMMANDS["call"], values, 5.0)
        assert caught.value.args == ("slow@a refuse: no time for you", 1)


@virtual
@pytest.mark.parametrize("banner", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n"])
async def test_whoever_is_no_node_is_told_apart_from_nobody(banner):
    network = MemoryNetwork(Random(0))
    listener = await network.host("web").listen(Address("web", 80))

    async def speak():
        stream, _ = await listener.accept()
        stream.send_nowait(banner)
        await trio.sleep_forever()

    to = Destination(
        address=Address("web", 80),
        cookies=(b"test",),
        transport=network.host("tool"),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        with pytest.raises(NodeDown) as caught:
            async with open_client(to):
                pass
        nursery.cancel_scope.cancel()
    assert str(caught.value) == "web:80 answers, but is no clusterkit node"
    assert (caught.value.exit_status, caught.value.outcome) == (3, "not sent")


async def test_a_host_that_nobody_knows_is_told_without_numbers():
    to = Destination(address=Address("a..b", 7022), cookies=(b"test",))
    with pytest.raises(NodeDown) as caught:
        async with open_client(to):
            pass
    told = str(caught.value)
    assert told.startswith("cannot resolve a..b: ")
    assert told.endswith("(is the host's name right?)")
    assert "Errno" not in told
