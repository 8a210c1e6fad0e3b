"""Strangers at the listener: whatever they send, the node is there for its friends."""

from __future__ import annotations

import os
import struct
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
import trio
import trio.lowlevel

from clusterkit.errors import NodeDown, TlsRefused, WrongNode
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.handshake import Identity, Resume
from tests.waiting import until

from .nodes import crowded, is_closed, linked, running, say, stranger

QUICK = {"handshake_timeout": 0.2}


def hello(name="stranger", cookie=b"wrong"):
    """The first bytes of a well-behaved dialler, and the dialler."""
    me = Identity(name=name, incarnation=1)
    dialler = Dialer(me, cookie, os.urandom(32))
    return dialler.hello(), dialler


async def is_well(node):
    """Somebody honest gets in, and is served."""
    async with running("honest") as honest:
        with trio.fail_after(10):
            await honest.kernel.connect(node.address)
            assert await honest.call(f"sink@{node.name}", "add", 1) == 1
    await until(lambda: node.statistics().handshakes == 0)


GARBAGE = {
    "zeros": bytes(64),
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "null": struct.pack(">I", 1) + b"\xc0",
    "number": struct.pack(">I", 1) + b"\x05",
    "empty": struct.pack(">I", 0),
    "list": struct.pack(">I", 3) + b"\x92\xc0\xc0",
    "map": struct.pack(">I", 1) + b"\x80",
    "extension": struct.pack(">I", 3) + b"\xd4\x01\x00",
    "many bytes": b"\xff" * 100_000,
    "deep": struct.pack(">I", 1000) + b"\x91" * 1000,
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_refused_counted_and_forgotten(name):
    async with running("b") as b:
        async with stranger(b) as stream:
            await say(stream, GARBAGE[name])
            said = await is_closed(stream)
            assert (said == b"") is (name != "tls")
        assert sum(b.statistics().rejected.values()) == 1
        expected = {"tls"} if name == "tls" else {"protocol", "size"}
        assert set(b.statistics().rejected) <= expected
        await is_well(b)


async def test_random_garbage_is_refused():
    rng = Random(1)
    async with running("b") as b:
        good, _ = hello()
        for _ in range(200):
            data = bytearray(rng.choice([good, rng.randbytes(rng.randrange(4, 200))]))
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            async with stranger(b) as stream:
                await say(stream, data)
                await stream.send_eof()
                await is_closed(stream)
        await is_well(b)


@pytest.mark.parametrize("length", [1025, 1 << 20, 1 << 30, 0xFFFFFFFF])
async def test_an_announced_length_over_the_limit_is_refused_before_it_comes(length):
    async with running("b") as b:
        async with stranger(b) as stream:
            await say(stream, struct.pack(">I", length))
            await is_closed(stream)
        assert b.statistics().rejected == {"size": 1}
        await is_well(b)


@pytest.mark.parametrize("part", [0, 1, 4, 20, -1])
async def test_a_greeting_that_breaks_off_leaves_nothing_behind(part):
    async with running("b") as b:
        data, _ = hello()
        async with stranger(b) as stream:
            await say(stream, data[:part])
        await is_well(b)
        assert b.kernel.links() == () or b.kernel.links()[0].peer == "honest"


async def test_a_stranger_that_says_nothing_is_closed():
    async with running("b", config=QUICK) as b:
        async with stranger(b) as stream:
            assert await is_closed(stream) == b""
        assert b.statistics().rejected == {"timeout": 1}
        await is_well(b)


async def test_a_stranger_that_says_nothing_after_its_hello_is_closed():
    async with running("b", config=QUICK) as b:
        data, _ = hello()
        async with stranger(b) as stream:
            await say(stream, data)
            assert await is_closed(stream)
        assert b.statistics().rejected == {"timeout": 1}
        assert b.kernel.links() == ()
        await is_well(b)


async def test_a_greeting_byte_by_byte_has_one_deadline_for_all():
    async with running("b", config=QUICK) as b:
        data, _ = hello()
        sent = 0
        async with stranger(b) as stream, trio.open_nursery() as nursery:

            async def drip():
                nonlocal sent
                while True:
                    await say(stream, data[sent : sent + 1])
                    sent += 1
                    await trio.sleep(0.01)

            nursery.start_soon(drip)
            await is_closed(stream)
            nursery.cancel_scope.cancel()
        assert sent < len(data)
        assert b.statistics().rejected == {"timeout": 1}


async def test_two_greetings_at_once_are_refused():
    async with running("b") as b:
        data, _ = hello()
        async with stranger(b) as stream:
            await say(stream, data * 2)
            await is_closed(stream)
        assert b.statistics().rejected == {"protocol": 1}


async def test_a_proof_without_the_cookie_is_refused_and_told_no_more():
    async with running("b") as b:
        data, dialler = hello()
        async with stranger(b) as stream:
            await say(stream, data)
            dialler.receive_data(await stream.receive_some())
            proof = dialler.prove(
                "ring",
                "127.0.0.1",
                1,
                10_000,
                Resume(mine=1, fresh=2, other=0, received=0),
            )
            await say(stream, proof)
            (refused,) = dialler.receive_data(await is_closed(stream))
        assert (refused.reason, refused.detail, refused.authentic) == (
            "cookie",
            "",
            False,
        )
        assert b.statistics().rejected == {"cookie": 1}
        assert b.kernel.links() == ()


async def test_a_thousand_silent_strangers_do_not_keep_an_honest_one_out():
    async with running("b") as b:
        async with crowded(b):
            async with running("honest") as honest:
                await honest.kernel.connect(b.address)
                assert await honest.call("sink@b", "add", 1) == 1
            await until(lambda: b.kernel.reception.total >= 1000)
            assert b.statistics().handshakes <= 64
            assert b.statistics().rejected["timeout"] >= 1000 - 64
        await until(lambda: b.statistics().handshakes == 0)


async def test_strangers_with_a_hello_do_not_keep_an_honest_one_out():
    async with running("b") as b, trio.open_nursery() as nursery:
        data, _ = hello()

        async def knock():
            async with stranger(b) as stream:
                await say(stream, data)
                await trio.sleep_forever()

        for _ in range(100):
            nursery.start_soon(knock)
        await until(lambda: b.kernel.reception.total >= 100)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert b.statistics().handshakes <= 64
        async with running("honest") as honest:
            await honest.kernel.connect(b.address)
            assert await honest.call("sink@b", "add", 1) == 1
        nursery.cancel_scope.cancel()


async def test_sockets_of_strangers_are_closed():
    def open_files():
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not list open files")
    async with running("b", config=QUICK) as b:
        before = open_files()
        for data in (*GARBAGE.values(), b"", hello()[0]):
            async with stranger(b) as stream:
                await say(stream, data)
                await is_closed(stream)
        await until(lambda: b.statistics().handshakes == 0)
        assert open_files() == before


@asynccontextmanager
async def impostor(behave):
    """A listener that is no node."""

    async def serve(stream):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await behave(stream)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", [*GARBAGE, "silence", "hang up"])
async def test_an_impostor_that_is_dialled_does_no_harm(name):
    async def behave(stream):
        if name == "silence":
            await trio.sleep_forever()
        elif name != "hang up":
            await say(stream, GARBAGE[name])
            await trio.sleep_forever()

    config = {"down_after": 0.3, "dial_timeout": 0.1}
    async with running("b", config=config) as b, impostor(behave) as port:
        with pytest.raises(TlsRefused if name == "tls" else NodeDown):
            await b.kernel.connect(f"x@127.0.0.1:{port}")
        await b.kernel.disconnect("x", force=True)
        await is_well(b)


async def test_a_greeting_reflected_to_its_own_node_opens_nothing():
    async with running("b") as b:
        proofs = []

        async def reflect(stream):
            """Lead the node to itself: its own words are all that it hears."""
            async with stranger(b) as back, trio.open_nursery() as nursery:

                async def forward(source, sink, log):
                    while data := await source.receive_some():
                        log.append(data)
                        await sink.send_all(data)

                nursery.start_soon(forward, stream, back, proofs)
                nursery.start_soon(forward, back, stream, [])

        async with impostor(reflect) as port:
            with pytest.raises(WrongNode):
                await b.kernel.connect(f"x@127.0.0.1:{port}")
            assert len(proofs) == 1  # a Hello, and no Proof after it
            assert not b.kernel.is_connected("x")
            await b.kernel.disconnect("x", force=True)
        await is_well(b)


async def test_a_node_that_is_pestered_serves_its_friends_all_the_while():
    async with linked() as (a, b), trio.open_nursery() as nursery:
        rng = Random(3)

        async def pester():
            while True:
                async with stranger(b) as stream:
                    await say(stream, rng.choice([*GARBAGE.values()]))
                    await is_closed(stream)

        for _ in range(8):
            nursery.start_soon(pester)
        for i in range(300):
            assert await a.call("sink@b", "add", i) == i
        nursery.cancel_scope.cancel()
        assert a.kernel.links()[0].reconnects == 0
