"""What a stranger writes from the page of the protocol works with a node."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from random import Random

import msgpack
import trio

from clusterkit import GenServer, call, cast
from clusterkit.names import Address
from clusterkit.net.greeter import send_all
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from tests.unit.nodes import on_network, virtual
from tests.unit.streams import Files
from tests.unit.wire.second_implementation import Connection, Peer
from tests.waiting import until

CALL, CAST, REPLY, FAULT, CANCEL = 1, 2, 3, 4, 5
FRAGMENT, CHUNK, OPEN, END = 12, 13, 15, 16
LARGE = bytes(range(256)) * 1024
NONCE = Random(0)
WINDOW = 262_144


class Echo(GenServer):
    def __init__(self):
        self.heard = []

    @call
    async def say(self, value):
        self.heard.append(value if isinstance(value, int) else len(value))
        return value

    @cast
    async def note(self, value):
        self.heard.append(value)

    @call
    async def read(self):
        return self.heard


class Talk:
    """The stranger's connection, carried by a stream of the network."""

    def __init__(self, peer, stream):
        self.peer, self.stream = peer, stream
        self.connection = Connection(peer, NONCE.randbytes(32))

    async def run(self):
        with suppress(StreamBroken):
            await self._flush()
            while data := await self.stream.receive():
                self.connection.receive(data)
                await self._flush()

    async def say(self, *records):
        await until(lambda: self.connection.up)
        self.connection.say(*records)
        await self._flush()

    async def heard(self, number):
        """Return the first `number` records that have come, once they have."""
        await until(lambda: len(self.peer.heard) >= number)
        return self.peer.heard[:number]

    async def _flush(self):
        out, self.connection.out = bytes(self.connection.out), bytearray()
        await send_all(self.stream, out)


@asynccontextmanager
async def node():
    network = MemoryNetwork(Random(0))
    actors = {"echo": Echo, "files": Files}
    async with on_network(network, "a", actors=actors) as a:
        a.network = network
        yield a


@asynccontextmanager
async def talk(a, peer=None):
    """A connection of a stranger's to the node, up."""
    peer = peer or Peer("other", b"test")
    stream = await a.network.host(peer.name).connect(Address("a", 7022))
    talking = Talk(peer, stream)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talking.run)
            await until(lambda: talking.connection.up)
            yield talking
            nursery.cancel_scope.cancel()
    finally:
        stream.close()


@virtual
async def test_a_call_of_a_member_and_of_a_client_is_answered():
    async with node() as a:
        for role in ("member", "client"):
            async with talk(a, Peer("other", b"test", role)) as other:
                await other.say([CALL, "echo", "say", [role], None, 1, 5000])
                assert await other.heard(1) == [[REPLY, 1, role]]
        assert a.statistics().rejected == {}


@virtual
async def test_a_large_call_is_put_together_and_its_answer_comes_in_pieces():
    async with node() as a, talk(a) as other:
        large = [CALL, "echo", "say", [LARGE], None, 1, 5000]
        first, *others = other.peer.pieces(large, 1)
        await other.say(first)
        await other.say([CALL, "files", "ping", [], None, 2, 5000])
        assert await other.heard(1) == [[REPLY, 2, "pong"]]  # in between
        for piece in others:
            await other.say(piece)
        assert await other.heard(2) == [[REPLY, 2, "pong"], [REPLY, 1, LARGE]]


@virtual
async def test_a_large_cast_stays_in_its_place_and_one_taken_back_is_none():
    async with node() as a, talk(a) as other:
        one = other.peer.pieces([CAST, "echo", "note", [LARGE], None], "echo")
        two = other.peer.pieces([CAST, "echo", "note", ["no", LARGE], None], "echo")
        for mixed in zip(one[:-1], two[:-1], strict=True):
            await other.say(*mixed)
        await other.say([FRAGMENT, two[0][1], -1, b""], one[-1])
        await other.say([CALL, "echo", "read", [], None, 1, 5000])
        assert await other.heard(1) == [[REPLY, 1, [LARGE]]]


@virtual
async def test_a_stream_carries_bytes_and_messages_both_ways_by_credit():
    message = msgpack.packb({"a": [1, "x"]})
    async with node() as a, talk(a) as other:
        peer = other.peer
        await other.say([OPEN, "files", "echo", [], None, 3, 0, WINDOW])
        await until(lambda: peer.credit.get(3))
        await other.say(peer.chunk(3, b"bytes"), peer.chunk(3, message, 1))
        await other.say([END, 3, 0, "", []])
        assert await other.heard(3) == [
            [CHUNK, 3, 1, 0, b"bytes"],
            [CHUNK, 3, 1, 1, message],
            [REPLY, 3, "all"],
        ]


@virtual
async def test_a_stream_of_many_windows_is_read_to_its_end_in_order():
    async with node() as a, talk(a) as other:
        pieces = [bytes([n]) * 30_000 for n in range(100)]
        opening = [OPEN, "files", "read", pieces, None, 3, 0, WINDOW]
        for fragment in other.peer.pieces(opening, 3):
            await other.say(fragment)
        heard = await other.heard(101)
        assert [r[4] for r in heard if r[0] == CHUNK] == pieces


@virtual
async def test_who_sends_more_than_was_granted_is_told_so():
    async with node() as a, talk(a) as other:
        peer = other.peer
        await other.say([OPEN, "files", "wait", [], None, 3, 0, WINDOW])
        await until(lambda: peer.credit.get(3))
        while peer.credit[3] > 0:
            await other.say(peer.chunk(3, bytes(32_768)))
        await other.say([CHUNK, 3, 0, 0, b"one more"])
        ((kind, stream, code, _),) = await other.heard(1)
        assert (kind, stream, code) == (FAULT, 3, "stream_overrun")


@virtual
async def test_a_cancel_ends_a_stream_and_nothing_is_answered():
    async with node() as a, talk(a) as other:
        await other.say([OPEN, "files", "wait", [], None, 3, 0, WINDOW])
        await until(lambda: other.peer.credit.get(3))
        await other.say([CANCEL, 3])
        log = a._runtime.local("files").server.log
        await until(lambda: log == ["wait begins", "wait Cancelled"])
        await other.say([CALL, "files", "ping", [], None, 4, 5000])
        assert await other.heard(1) == [[REPLY, 4, "pong"]]


@virtual
async def test_connections_that_break_lose_and_repeat_nothing():
    async with node() as a:
        peer = Peer("other", b"test")
        large = [CAST, "echo", "note", [LARGE], None]
        for _ in range(5):
            async with talk(a, peer) as other:
                first, *others = peer.pieces(large, "echo")
                await other.say(first, *others[:1])
                other.stream.close()
                for piece in others[1:]:  # numbered, and kept for the next
                    other.connection.say(piece)
                for number in range(3):
                    other.connection.say([CAST, "echo", "note", [number], None])
        async with talk(a, peer) as other:
            await other.say([CALL, "echo", "read", [], None, 1, 5000])
            await other.heard(1)
        assert peer.heard == [[REPLY, 1, [LARGE, 0, 1, 2] * 5]]
