"""Real sockets as the links see them: partial writes, ends, resets, refusals."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import asynccontextmanager

import pytest
import trio

from clusterkit.names import Address
from clusterkit.net.tcp import TcpListener, TcpTransport
from clusterkit.net.transport import StreamBroken

HERE = Address("127.0.0.1", 0)


@asynccontextmanager
async def connected():
    transport = TcpTransport()
    listener = await transport.listen(HERE)
    ours = await transport.connect(listener.address)
    theirs, host = await listener.accept()
    assert host == "127.0.0.1"
    yield ours, theirs
    for end in (ours, theirs, listener):
        end.close()


async def test_bytes_arrive():
    async with connected() as (ours, theirs):
        assert ours.send_nowait(b"hello") == 5
        assert await theirs.receive() == b"hello"
        assert theirs.send_nowait(memoryview(b"and back")) == 8
        assert await ours.receive() == b"and back"


async def test_a_write_takes_what_fits_and_then_nothing():
    async with connected() as (ours, theirs):
        block, sent = bytes(1 << 20), 0
        while taken := ours.send_nowait(block):
            sent += taken
        assert sent > 0
        with trio.move_on_after(0.01) as scope:
            await ours.wait_writable()
        assert scope.cancelled_caught
        received = 0
        while received < sent:
            received += len(await theirs.receive())
        assert received == sent
        await ours.wait_writable()
        assert ours.send_nowait(b"x") == 1


async def test_the_end_of_the_stream_is_empty():
    async with connected() as (ours, theirs):
        ours.send_nowait(b"last")
        ours.close()
        assert await theirs.receive() == b"last"
        assert await theirs.receive() == b""


async def test_a_reset_breaks_the_stream():
    async with connected() as (ours, theirs):
        linger = struct.pack("ii", 1, 0)
        ours._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        ours.close()
        with pytest.raises(StreamBroken, match="reset"):
            await theirs.receive()


@pytest.mark.parametrize("what", ["receive", "wait_writable"])
async def test_closing_wakes_whoever_waits(what):
    async with connected() as (ours, _):
        if what == "wait_writable":
            while ours.send_nowait(bytes(1 << 20)):
                pass
        async with trio.open_nursery() as nursery:

            async def wait():
                with pytest.raises(StreamBroken):
                    await getattr(ours, what)()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            ours.close()


async def test_a_closed_stream_is_broken():
    async with connected() as (ours, _):
        ours.close()
        ours.close()
        with pytest.raises(StreamBroken):
            ours.send_nowait(b"x")
        with pytest.raises(StreamBroken):
            await ours.receive()
        with pytest.raises(StreamBroken):
            await ours.wait_writable()


async def test_a_refused_connection_says_so():
    transport = TcpTransport()
    listener = await transport.listen(HERE)
    listener.close()
    with pytest.raises(StreamBroken, match="refused the connection"):
        await transport.connect(listener.address)


NO_HOSTS = ["a..b", "...", "x" * 70]


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_what_is_no_host_name_cannot_be_resolved(host):
    """Peers tell such addresses; a node must not end on one."""
    with pytest.raises(StreamBroken, match="cannot resolve"):
        await TcpTransport().connect(Address(host, 1))


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_what_is_no_host_name_cannot_be_bound(host):
    with pytest.raises(OSError, match="no host"):
        await TcpTransport().listen(Address(host, 1))


async def test_a_closed_listener_says_so_to_whoever_accepts():
    listener = await TcpTransport().listen(HERE)
    async with trio.open_nursery() as nursery:

        async def accept():
            with pytest.raises(StreamBroken):
                await listener.accept()

        nursery.start_soon(accept)
        await trio.testing.wait_all_tasks_blocked()
        listener.close()
    listener.close()
    with pytest.raises(StreamBroken):
        await listener.accept()


class Reluctant:
    """A listening socket that fails before it accepts."""

    def __init__(self, sock, failures):
        self._sock = sock
        self._failures = failures

    def accept(self):
        if self._failures:
            raise OSError(self._failures.pop(0), "not now")
        return self._sock.accept()

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize(
    "number",
    [errno.EMFILE, errno.ENOBUFS, errno.ECONNABORTED, errno.EPROTO, errno.EPERM],
)
async def test_a_failure_of_one_connection_does_not_end_the_listener(
    number, autojump_clock
):
    listener = await TcpTransport().listen(HERE)
    listener._sock = Reluctant(listener._sock, [number, number])
    with socket.create_connection(listener.address):
        stream, _ = await listener.accept()
        stream.close()
    listener.close()


async def test_a_connection_that_is_gone_when_it_is_accepted_is_passed_over():
    class Dead:
        closed = False

        def settimeout(self, _): ...

        def setsockopt(self, *_):
            raise OSError(errno.EINVAL, "gone")

        def close(self):
            self.closed = True

    dead, sock = Dead(), socket.create_server(("127.0.0.1", 0))
    listener = TcpListener(sock)

    class Once(Reluctant):
        def accept(self):
            if not dead.closed:
                return dead, ("127.0.0.1", 1)
            return self._sock.accept()

    listener._sock = Once(sock, [])
    with socket.create_connection(listener.address):
        stream, _ = await listener.accept()
        stream.close()
    assert dead.closed
    listener.close()


async def test_a_cancelled_connect_leaves_no_socket_open():
    # A full backlog answers nobody; on Linux 0 means one waiting connection.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = Address(*server.getsockname())
        kept = [socket.socket() for _ in range(3)]
        for sock in kept:
            sock.setblocking(False)
            sock.connect_ex(address)
        with trio.move_on_after(0.05) as scope:
            stream = await TcpTransport().connect(address)
            stream.close()
        assert scope.cancelled_caught
        for sock in kept:
            sock.close()


async def test_an_accept_that_is_cancelled_loses_no_connection():
    transport = TcpTransport()
    listener = await transport.listen(HERE)
    ours = await transport.connect(listener.address)
    with trio.CancelScope() as scope:
        scope.cancel()
        await listener.accept()
    assert scope.cancelled_caught
    with trio.fail_after(20):
        theirs, _ = await listener.accept()
        ours.send_nowait(b"still there")
        assert await theirs.receive() == b"still there"
    for end in (ours, theirs, listener):
        end.close()


class Names(trio.abc.HostnameResolver):
    """Resolves every name to the same addresses, in their order."""

    def __init__(self, *addresses):
        self._addresses = addresses

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", where)
            for where in self._addresses
        ]

    async def getnameinfo(self, sockaddr, flags):
        raise NotImplementedError


def resolve(*where):
    """Have names resolve to that, for the rest of this run."""
    trio.socket.set_custom_hostname_resolver(Names(*where))


async def test_an_address_that_answers_nobody_does_not_keep_the_next_from_its_turn():
    listener = await TcpTransport().listen(HERE)
    # A full backlog answers nobody; on Linux 0 means one waiting connection.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole:
        kept = [socket.socket() for _ in range(3)]
        for sock in kept:
            sock.setblocking(False)
            sock.connect_ex(hole.getsockname())
        resolve(hole.getsockname(), tuple(listener.address))
        with trio.fail_after(10):
            ours = await TcpTransport().connect(Address("both.example", 1))
            theirs, _ = await listener.accept()
        for end in (ours, theirs, listener, *kept):
            end.close()


async def test_an_address_that_refuses_is_passed_over():
    listener = await TcpTransport().listen(HERE)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = gone.getsockname()
    resolve(nobody, tuple(listener.address))
    ours = await TcpTransport().connect(Address("both.example", 1))
    resolve(nobody, nobody)
    with pytest.raises(StreamBroken, match=r"both.example:1: refused the connection"):
        await TcpTransport().connect(Address("both.example", 1))
    for end in (ours, listener):
        end.close()
