"""Greetings of a peer that has the cookie: none of them ends the node."""

from __future__ import annotations

from random import Random

import msgpack
import pytest

from clusterkit.config import MIN_MESSAGE
from clusterkit.events import LinkDown, LinkUp
from clusterkit.net.greeter import next_event, send_all
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from clusterkit.wire.frame import LENGTH
from clusterkit.wire.greetings import COUNTER_LIMIT, Hello
from clusterkit.wire.handshake import Challenged, Resume
from tests.unit.nodes import hearing, on_network, virtual

from .strangers import stranger


async def serves(a, network):
    """Whether `a` still takes honest nodes in."""
    async with on_network(network, "b") as b:
        await b.kernel.connect(a.address)
        return await b.ping("a") == "pong"


def as_written(kind, **values):
    """A frame that no honest node can write."""
    body = msgpack.packb({"kind": kind.kind, **values})
    return LENGTH.pack(len(body)) + body


HELLO = {
    "versions": [1, 1],
    "role": "member",
    "name": "evil",
    "incarnation": 5,
    "sessions": 0,
    "nonce": bytes(32),
}


@pytest.mark.parametrize("field", ["sessions", "incarnation"])
@pytest.mark.parametrize("value", [COUNTER_LIMIT, 2**64 - 1])
@virtual
async def test_a_number_that_leaves_no_room_to_count_is_refused(field, value):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with stranger(network, "a") as evil:
            await send_all(evil.stream, as_written(Hello, **HELLO | {field: value}))
            with pytest.raises(StreamBroken):
                await next_event(evil.stream, evil.dialer)
        assert a.statistics().rejected == {"protocol": 1}
        assert await serves(a, network)


@virtual
async def test_the_last_session_number_is_given_to_nobody():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with stranger(network, "a") as evil:
            assert isinstance(await evil.hello(COUNTER_LIMIT - 1), Challenged)
            with pytest.raises(StreamBroken):
                await evil.prove()
        assert a.kernel.sessions == 0
        assert a.statistics().rejected == {"protocol": 1}
        assert await serves(a, network)


@virtual
async def test_a_node_does_not_take_an_incarnation_that_it_could_not_tell():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        before = a.incarnation
        assert not a.kernel.outgrow(str(COUNTER_LIMIT - 1))
        assert not a.kernel.outgrow("9" * 256)
        assert not a.kernel.outgrow("-1")
        assert a.incarnation == before
        assert a.kernel.outgrow(str(COUNTER_LIMIT - 2))
        assert await serves(a, network)


@pytest.mark.parametrize("role", ["member", "client"])
@pytest.mark.parametrize("max_message", [0, 8, MIN_MESSAGE - 1])
@virtual
async def test_a_peer_that_no_error_could_be_told_to_is_not_let_in(role, max_message):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with stranger(network, "a", role=role) as evil:
            await evil.hello()
            with pytest.raises(StreamBroken):
                await evil.say_proof(max_message)
        assert a.statistics().rejected == {"protocol": 1}
        assert await serves(a, network)


@virtual
async def test_a_takeover_that_fails_says_that_the_old_connection_is_gone():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, hearing(a, LinkUp, LinkDown) as heard:
        async with stranger(network, "a") as first, stranger(network, "a") as second:
            await first.hello()
            ours = (await first.prove()).welcome.mine
            await second.hello(1)
            with pytest.raises(StreamBroken):  # it has what was never sent
                await second.prove(
                    offer=Resume(mine=7, fresh=8, other=ours, received=9)
                )
        assert heard == [LinkUp("evil", "evil:7022"), LinkDown("evil", "replaced")]
        assert a.statistics().rejected == {"protocol": 1}
