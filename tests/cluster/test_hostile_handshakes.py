"""Somebody on the way, or at the door, of real handshakes: guessing, changing, dripping."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.lowlevel

from clusterkit.errors import NodeDown, WrongCookie
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.handshake import Identity, Resume
from tests.waiting import until

from .nodes import got, is_closed, linked, running, say, stranger, wired

RESUME = Resume(mine=1, fresh=2, other=0, received=0)
MANY = 200


class Between:
    """Forwards connections to a node, and may change what it forwards.

    Attributes:
        port: Where it listens.
        rewrite: Changes what a dialler says; nothing by default.
        answers: What each connection carried back to the dialler.
    """

    def __init__(self, port):
        self.port = port
        self.rewrite = lambda data: data
        self.answers = []

    async def carry(self, target, ours):
        back = bytearray()
        self.answers.append(back)

        async def forward(source, sink, change):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await source.receive_some():
                    await sink.send_all(change(data))
            nursery.cancel_scope.cancel()

        def record(data):
            back.extend(data)
            return data

        async with await trio.open_tcp_stream("127.0.0.1", target) as theirs, ours:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(forward, ours, theirs, lambda d: self.rewrite(d))
                nursery.start_soon(forward, theirs, ours, record)


@asynccontextmanager
async def between(node):
    """A `Between` before a node."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    middle = Between(listener.socket.getsockname()[1])

    async def serve(stream):
        await middle.carry(node.port, stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield middle
        nursery.cancel_scope.cancel()


# Changed on the way.


@pytest.mark.parametrize("versions", [b"\x00\x01", b"\x01\x09"], ids=["down", "up"])
async def test_versions_that_were_changed_on_the_way_open_nothing(versions):
    async with running("a") as a, running("b") as b, between(b) as middle:
        changed = []

        def rewrite(data):
            at = data.find(b"\x92\x01\x01")
            if at < 0:
                return data
            changed.append(1)
            return data[: at + 1] + versions + data[at + 3 :]

        middle.rewrite = rewrite
        with pytest.raises(WrongCookie):
            await a.kernel.connect(f"b@127.0.0.1:{middle.port}")
        assert changed
        assert b.kernel.links() == ()
        assert set(b.statistics().rejected) == {"cookie"}


async def test_a_proof_that_was_changed_on_the_way_opens_nothing():
    async with running("a") as a, running("b") as b, between(b) as middle:
        middle.rewrite = lambda data: data.replace(b"max_message", b"max_massage")
        with pytest.raises(NodeDown):
            await a.kernel.connect(f"b@127.0.0.1:{middle.port}")
        assert b.kernel.links() == ()


# Played again.


async def test_what_a_node_said_as_listener_is_not_taken_from_a_dialler():
    async with running("a") as a, running("b") as b, between(b) as middle:
        await a.kernel.connect(f"b@127.0.0.1:{middle.port}")
        assert await a.call("sink@b", "add", 1) == 1
        async with stranger(b) as stream:
            await say(stream, bytes(middle.answers[0]))
            assert await is_closed(stream) == b""
        async with stranger(a) as stream:
            await say(stream, bytes(middle.answers[0]))
            assert await is_closed(stream) == b""
        assert got(b) == [1]
        assert b.statistics().rejected == a.statistics().rejected == {"protocol": 1}


async def test_an_old_frame_played_again_on_its_own_connection_is_refused():
    async with wired() as (a, b, (_, to_b)):
        before = len(to_b.recorded[0])
        assert await a.call("sink@b", "add", 1) == 1
        frame = bytes(to_b.recorded[0][before:])
        assert b"sink" in frame
        for number in range(2, 6):
            await a.call("sink@b", "add", number)
        await to_b.inject(frame)
        await until(lambda: b.statistics().rejected.get("seal") == 1)
        assert await a.call("sink@b", "read") == [1, 2, 3, 4, 5]


# At the door.


async def test_many_that_drip_do_not_keep_an_honest_one_out():
    """Each byte of theirs is in time for a reader that has patience with each."""
    hello = Dialer(Identity(name="drip", incarnation=1), b"x", bytes(32)).hello()
    async with running("b") as b, trio.open_nursery() as nursery:

        async def drip():
            async with stranger(b) as stream:
                for byte in hello:
                    await say(stream, bytes([byte]))
                    await trio.sleep(0.2)

        for _ in range(MANY):
            nursery.start_soon(drip)
        await until(lambda: b.kernel.reception.total >= MANY)
        async with running("honest") as honest:
            await honest.kernel.connect(b.address)
            assert await honest.call("sink@b", "add", 1) == 1
        assert b.statistics().handshakes <= 64
        nursery.cancel_scope.cancel()


async def guess(node):
    """Try one wrong cookie; return why it was refused."""
    me = Identity(name=f"n{os.urandom(4).hex()}", incarnation=1)
    dialler = Dialer(me, b"wrong", os.urandom(32))
    async with stranger(node) as stream:
        await say(stream, dialler.hello())
        dialler.receive_data(await stream.receive_some())
        await say(stream, dialler.prove("", "127.0.0.1", 1, 10_000, RESUME))
        (refused,) = dialler.receive_data(await is_closed(stream))
        return refused.reason


async def test_who_guesses_the_cookie_is_held_back_and_nobody_else_is():
    """All have one address here: the guesser, the linked, and the newcomer."""
    async with linked() as (a, b), trio.open_nursery() as nursery:

        async def go_on():
            while True:
                await guess(b)

        for _ in range(8):
            nursery.start_soon(go_on)
        await until(lambda: b.statistics().rejected.get("guessing", 0) > 50)
        for number in range(50):
            assert await a.call("sink@b", "add", number) == number
        a.kernel.peers["b"].detach("cut")  # it finds its way back at once
        assert await a.call("sink@b", "add", 50) == 50
        async with running("newcomer") as newcomer:
            assert await newcomer.meet(b.address, timeout=30)
        assert a.statistics().undelivered == {}
        nursery.cancel_scope.cancel()
