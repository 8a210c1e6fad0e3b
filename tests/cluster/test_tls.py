"""Encrypted links on real sockets, and people in the middle of them."""

from __future__ import annotations

import os
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from random import Random

import pytest
import trio
import trio.lowlevel

from clusterkit.errors import ClusterError, NodeDown, TlsRefused, WrongCookie
from clusterkit.names import Address
from clusterkit.net.credentials import _met
from clusterkit.net.greeter import next_event, secure, send_all
from clusterkit.net.tcp import TcpTransport
from clusterkit.net.transport import StreamBroken
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.greetings import Refusal, read_greeting
from clusterkit.wire.handshake import Challenged, Identity, Refused, Resume
from tests.certificates import contexts, files, secured
from tests.waiting import until

from .nodes import crowded, got, is_closed, open_wire, running, say, stranger
from .processes import process

FAST = {
    "ping_after": 0.1,
    "dead_after": 0.3,
    "backoff_first": 0.002,
    "backoff_cap": 0.01,
}
PROOF = ("ring", "127.0.0.1", 1, 1 << 20, Resume(mine=1, fresh=2, other=0, received=0))


@asynccontextmanager
async def two(made=files, **options):
    """Two nodes, each with a certificate of its own; `a` has dialled `b`."""
    async with (
        running("b", tls=made("b"), **options) as b,
        running("a", tls=made("a"), **options) as a,
    ):
        await a.kernel.connect(b.address)
        yield a, b


async def is_well(node, made=files):
    """Somebody honest gets in, and is served."""
    async with running("honest", tls=made("honest")) as honest:
        with trio.fail_after(10):
            await honest.kernel.connect(node.address)
            assert await honest.call(f"sink@{node.name}", "add", "honest") == "honest"
    await until(lambda: node.statistics().handshakes == 0)


async def is_refused(a, b, error=TlsRefused):
    with trio.fail_after(10):
        with pytest.raises(error) as caught:
            await a.kernel.connect(b.address)
    await a.kernel.disconnect(b.name, force=True)
    return str(caught.value)


@pytest.mark.parametrize("made", [files, contexts], ids=["files", "contexts"])
async def test_calls_and_casts_both_ways(made):
    async with two(made) as (a, b):
        for i in range(100):
            assert await a.call("sink@b", "add", i) == i
            await b.cast("sink@a", "put", i)
        assert await b.call("sink@a", "read") == list(range(100))
        assert got(b) == list(range(100))


async def test_they_meet_and_part_as_others_do():
    async with two() as (a, b):
        await a.meet(b.address)
        assert sorted(a.ring.weights()) == ["a", "b"]
        await a.gossip.leave()
        await until(lambda: sorted(b.ring.weights()) == ["b"])


async def test_large_messages_both_ways():
    data = Random(0).randbytes(1 << 20)
    async with two() as (a, b), trio.open_nursery() as nursery:

        async def send(node, target):
            for _ in range(8):
                assert await node.call(target, "add", data, timeout=30) == data

        nursery.start_soon(send, a, "sink@b")
        nursery.start_soon(send, b, "sink@a")


@asynccontextmanager
async def wired(made=files):
    """Two nodes that reach each other over wires that can be cut."""
    async with open_wire() as to_a, open_wire() as to_b:
        here, there = ({"advertise": f"127.0.0.1:{w.port}"} for w in (to_a, to_b))
        async with (
            running("b", config=FAST, tls=made("b"), **there) as b,
            running("a", config=FAST, tls=made("a"), **here) as a,
        ):
            to_a.target, to_b.target = a.port, b.port
            a.kernel.know(b.info)
            b.kernel.know(a.info)
            await a.kernel.connect(b.address)
            yield a, b, (to_a, to_b)
            for wire in (to_a, to_b):
                wire.fuse, wire.frozen = None, False


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_cut_at_any_byte_is_resumed(seed):
    count, rng = 3_000, Random(seed)
    async with wired() as (a, b, wires):

        async def burn():
            while sum(wire.cuts for wire in wires) < 12:
                for wire in wires:
                    if wire.fuse is None:
                        wire.fuse = rng.randrange(1, 20_000)
                await trio.sleep(0.001)

        async def send(node, target):
            for i in range(count):
                await node.cast(target, "put", i)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(burn)
            nursery.start_soon(send, a, "sink@b")
            nursery.start_soon(send, b, "sink@a")
        await until(lambda: len(got(a)) >= count and len(got(b)) >= count)
        assert got(a) == got(b) == list(range(count))
        assert a.kernel.links()[0].reconnects >= 3


async def test_nothing_is_readable_on_the_wire():
    async with wired() as (a, _, (_, to_b)):
        for _ in range(20):
            await a.call("sink@b", "add", "a secret")
        carried = b"".join(map(bytes, to_b.recorded))
        assert len(carried) > 2_000
        for word in (b"secret", b"sink", b"ring", b"127.0.0.1"):
            assert word not in carried


async def test_garbage_between_two_records_costs_only_the_connection():
    async with wired() as (a, b, (_, to_b)):
        await a.cast("sink@b", "put", 1)
        await until(lambda: got(b) == [1])
        await to_b.inject(b"\x17\x03\x03\x00\x20" + bytes(32))
        await until(lambda: a.kernel.links()[0].reconnects == 1)
        await a.cast("sink@b", "put", 2)
        await until(lambda: got(b) == [1, 2])


async def test_a_peer_that_is_killed_is_down_and_comes_back():
    tls = files("b")
    words = tls.certificate, tls.key, tls.ca
    async with running("a", tls=files("a"), config=FAST | {"down_after": 0.3}) as a:
        async with process("b", 0, *words) as b:
            await a.kernel.connect(b.address)
            async with trio.open_nursery() as nursery:

                async def ask():
                    with pytest.raises(NodeDown):
                        await a.call("worker@b", "hang", timeout=60)

                nursery.start_soon(ask)
                await until(lambda: a.statistics().pending_calls)
                b.process.kill()
        async with process("b", b.port, *words) as b:
            await a.kernel.connect(b.address)
            assert await a.call("worker@b", "pid") == b.process.pid


# Configured differently.


async def test_a_node_without_tls_and_one_with_it_tell_each_other_apart():
    async with running("b", tls=files("b")) as b, running("p") as p:
        assert await is_refused(p, b) == "b refused: its links need TLS"
        await until(lambda: b.statistics().rejected == {"tls": 1})
        assert "does not speak TLS" in await is_refused(b, p)
        await until(lambda: p.statistics().rejected == {"tls": 1})
        assert p.kernel.links() == b.kernel.links() == ()


async def test_a_node_with_tls_never_falls_back():
    """Not even for a plaintext listener that has the cookie and asks for it."""
    async with running("b", tls=files("b")) as b:
        heard = bytearray()

        async def ask_for_plaintext(stream):
            heard.extend(await stream.receive_some())
            await stream.send_all(Refusal(reason="tls", detail="no TLS").to_bytes())
            with suppress(trio.BrokenResourceError):
                while data := await stream.receive_some():
                    heard.extend(data)

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, ask_for_plaintext, [listener])
            port = listener.socket.getsockname()[1]
            with pytest.raises(TlsRefused):
                await b.kernel.connect(f"x@127.0.0.1:{port}")
            await b.kernel.disconnect("x", force=True)
            nursery.cancel_scope.cancel()
        assert heard[0] == 22
        assert b"hello" not in heard


async def test_another_ca_is_refused_with_the_reason_at_both_ends():
    async with (
        running("b", tls=files("b")) as b,
        running("evil", tls=files("evil", "theirs")) as evil,
    ):
        assert "its certificate is refused" in await is_refused(evil, b)
        await until(lambda: b.statistics().rejected.get("tls"))
        assert "its certificate is refused" in await is_refused(b, evil)
        assert b.kernel.links() == ()
        await is_well(b)


async def test_a_certificate_that_ends_while_its_node_runs_is_refused(monkeypatch):
    async with AsyncExitStack() as stack:
        with monkeypatch.context() as patch:
            patch.setattr("clusterkit.net.credentials._met", as_if_it_were_valid)
            tls = files("late", days=-1)
            late = await stack.enter_async_context(running("late", tls=tls))
        b = await stack.enter_async_context(running("b", tls=files("b")))
        assert "it refuses TLS with this end: certi" in await is_refused(late, b)
        assert "certificate has expired" in await is_refused(b, late)
        await is_well(b)


def as_if_it_were_valid(listener, dialer, host):
    for context in (listener, dialer):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _met(listener, dialer, host)


async def test_files_at_one_end_and_contexts_at_the_other_do_not_meet():
    async with (
        running("b", tls=files("b")) as b,
        running("a", tls=contexts("a")) as a,
    ):
        await is_refused(a, b, WrongCookie)


# People in the middle, and at the door.


async def dialled(node, tls, cookie=b"test"):
    """A dialer's handshake with a node, up to the challenge."""
    transport = secured(TcpTransport(), tls)
    stream = await transport.connect(Address("127.0.0.1", node.port))
    dialer = Dialer(Identity(name="evil", incarnation=1), cookie, os.urandom(32))
    await secure(stream, dialer)
    await send_all(stream, dialer.hello())
    return stream, dialer, await next_event(stream, dialer)


async def test_a_certificate_of_the_ca_without_the_cookie_gets_nothing():
    async with running("b", tls=files("b")) as b:
        stream, dialer, event = await dialled(b, files("evil"), b"guessed")
        assert isinstance(event, Challenged)
        await send_all(stream, dialer.prove(*PROOF))
        refused = await next_event(stream, dialer)
        assert isinstance(refused, Refused)
        assert refused.reason == "cookie"
        with suppress(StreamBroken):
            assert await stream.receive() == b""
        stream.close()
        assert b.statistics().rejected == {"cookie": 1}
        assert b.kernel.links() == ()


async def test_the_cookie_without_a_certificate_of_the_ca_gets_nothing():
    async with running("b", tls=files("b")) as b:
        evil = secured(TcpTransport(), files("evil", "theirs"), files("b"))
        stream = await evil.connect(Address("127.0.0.1", b.port))
        dialer = Dialer(Identity(name="evil", incarnation=1), b"test", os.urandom(32))
        await secure(stream, dialer)  # in TLS 1.3 he is looked at after that
        await send_all(stream, dialer.hello())
        with pytest.raises((ClusterError, StreamBroken)):
            await next_event(stream, dialer)
        stream.close()
        await until(lambda: b.statistics().rejected == {"tls": 1})
        assert b.kernel.links() == ()


async def test_the_cookie_without_any_certificate_gets_nothing():
    async with running("b", tls=files("b")) as b:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(files("b").ca)
        stream = await trio.open_ssl_over_tcp_stream(
            "127.0.0.1", b.port, ssl_context=context
        )
        dialer = Dialer(Identity(name="evil", incarnation=1), b"test", os.urandom(32))
        heard = b""
        with suppress(trio.BrokenResourceError):
            await stream.send_all(dialer.hello())
            heard = await stream.receive_some()
        assert heard == b""
        await trio.aclose_forcefully(stream)
        await until(lambda: b.statistics().rejected == {"tls": 1})


@asynccontextmanager
async def relay(made, target):
    """Somebody with a valid certificate who passes all greetings on.

    Yields his port and what he has read.
    """
    transport = secured(TcpTransport(), made("evil"))
    listener = await transport.listen(Address("127.0.0.1", 0))
    read = []

    async def carry(source, sink):
        with suppress(StreamBroken, ClusterError):
            while data := await source.receive():
                read.append(data)
                await send_all(sink, data)

    async def serve(ours):
        with closing(ours), suppress(StreamBroken, ClusterError):
            await ours.secure()
            theirs = await transport.connect(Address("127.0.0.1", target))
            with closing(theirs):
                await theirs.secure()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(carry, ours, theirs)
                    await carry(theirs, ours)
                    nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:

        async def accept():
            while True:
                stream, _ = await listener.accept()
                nursery.start_soon(serve, stream)

        nursery.start_soon(accept)
        yield listener.address.port, read
        nursery.cancel_scope.cancel()
    listener.close()


@pytest.mark.parametrize("made", [files, contexts], ids=["files", "contexts"])
async def test_a_relay_with_a_valid_certificate_of_his_own_gets_nothing(made):
    """Both ends see a certificate of the CA, and yet not each other."""
    async with (
        running("b", tls=made("b")) as b,
        running("a", tls=made("a")) as a,
        relay(made, b.port) as (port, read),
    ):
        with trio.fail_after(10), pytest.raises(WrongCookie):
            await a.kernel.connect(f"b@127.0.0.1:{port}")
        await a.kernel.disconnect("b", force=True)
        assert b"proof" in b"".join(read)
        assert b"welcome" not in b"".join(read)
        await until(lambda: b.statistics().rejected == {"cookie": 1})
        assert a.kernel.links() == b.kernel.links() == ()
        await is_well(b, made)


async def test_the_line_of_a_relay_says_that_it_may_be_one(caplog):
    async with (
        running("b", tls=files("b")) as b,
        running("a", tls=files("a")) as a,
        relay(files, b.port) as (port, _),
    ):
        with pytest.raises(WrongCookie):
            await a.kernel.connect(f"b@127.0.0.1:{port}")
        await a.kernel.disconnect("b", force=True)
    assert "a relay in between" in caplog.text


GARBAGE = {
    "zeros": bytes(64),
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "data": b"\x17\x03\x03\x00\x40" + bytes(64),
    "many bytes": b"\xff" * 100_000,
    "many records": (b"\x16\x03\x01\x40\x00" + bytes(16_384)) * 8,
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_at_the_door_is_refused_counted_and_forgotten(name):
    async with running("b", tls=files("b")) as b:
        async with stranger(b) as stream:
            await say(stream, GARBAGE[name])
            said = await is_closed(stream)
        assert b.statistics().rejected == {"tls": 1}
        if name == "zeros":
            greeting, _, _ = read_greeting(said)
            assert (greeting.reason, greeting.detail) == ("tls", "its links need TLS")
        else:
            assert len(said) <= 7  # an alert, or nothing
        await is_well(b)


@pytest.mark.parametrize("after", [0, 1, 5, 200])
async def test_a_handshake_that_stops_ends_at_the_deadline(after):
    async with running("b", tls=files("b"), config={"handshake_timeout": 0.3}) as b:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls = context.wrap_bio(back, there, server_hostname="b")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        async with stranger(b) as stream:
            await say(stream, there.read()[:after])
            await is_closed(stream)
        assert b.statistics().rejected == {"timeout": 1}


async def test_a_listener_that_stops_shaking_hands_ends_the_dial():
    config = {"down_after": 0.4, "dial_timeout": 0.1}
    async with running("a", tls=files("a"), config=config) as a:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        with trio.fail_after(10), pytest.raises(NodeDown, match="no answer in time"):
            await a.kernel.connect(f"x@127.0.0.1:{port}")
        await a.kernel.disconnect("x", force=True)
        await listener.aclose()


async def test_a_thousand_silent_strangers_do_not_keep_an_honest_one_out():
    async with running("b", tls=files("b")) as b:
        async with crowded(b):
            async with running("honest", tls=files("honest")) as honest:
                await until(lambda: b.kernel.reception.total >= 1000)
                await honest.kernel.connect(b.address)
                assert await honest.call("sink@b", "add", 1) == 1
            assert b.statistics().handshakes <= 64
        await until(lambda: b.statistics().handshakes == 0)
