"""Encrypted streams on a network in memory, with its partial writes and faults."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
import trio

from clusterkit.errors import ProtocolError
from clusterkit.names import Address
from clusterkit.net import tls_stream
from clusterkit.net.credentials import _digest
from clusterkit.net.first_bytes import refuse_clear, refuse_tls
from clusterkit.net.greeter import send_all
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from tests.certificates import contexts, files, secured
from tests.unit.nodes import virtual
from tests.unit.testing.pairs import receive_exactly

PORT = 7022


async def unsecured(network, ours, theirs):
    """The ends of a new stream, before their handshake."""
    listener = await secured(network.host("b"), theirs).listen(Address("b", PORT))
    dialled = await secured(network.host("a"), ours).connect(Address("b", PORT))
    accepted, host = await listener.accept()
    assert host == "a"
    listener.close()
    return dialled, accepted


async def shaken(dialled, accepted):
    """Secure both ends; return their bindings."""
    bindings = []

    async def dial():
        bindings.append(await dialled.secure())
        await send_all(dialled, b"hello")  # the last of TLS's words ride on it

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        bindings.append(await accepted.secure())
        assert await receive_exactly(accepted, 5) == b"hello"
    return tuple(bindings)


@asynccontextmanager
async def pair(network=None, ours=None, theirs=None):
    """Two ends that have shaken hands; the stream between them is `below`."""
    network = network or MemoryNetwork(Random(0))
    ends = await unsecured(network, ours or files("a"), theirs or files("b"))
    await shaken(*ends)
    yield ends
    for end in ends:
        end.close()


async def failures(dialled, accepted):
    """Secure both ends, let the dialer speak and hear; return what each raised."""
    raised = {}

    async def dial():
        try:
            await dialled.secure()
            await send_all(dialled, b"hello")
            await dialled.receive()
        except (ProtocolError, StreamBroken) as error:
            raised["dialled"] = error
        dialled.close()

    async def accept():
        try:
            await accepted.secure()
        except (ProtocolError, StreamBroken) as error:
            raised["accepted"] = error
        accepted.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        nursery.start_soon(accept)
    return raised


def certificate_of(tls):
    return ssl.PEM_cert_to_DER_cert(Path(tls.certificate).read_text())


@virtual
async def test_both_ends_are_tied_to_the_same_and_other_ends_to_others():
    network = MemoryNetwork(Random(0))
    first = await shaken(*await unsecured(network, files("a"), files("b")))
    again = await shaken(*await unsecured(network, files("a"), files("b")))
    other = await shaken(*await unsecured(network, files("c"), files("b")))
    turned = await shaken(*await unsecured(network, files("b"), files("a")))
    assert first[0] == first[1] == again[0] == again[1]
    assert other[0] == other[1]
    assert turned[0] == turned[1]
    assert len({first[0], other[0], turned[0]}) == 3
    ends = [_digest(certificate_of(files(name))) for name in "ab"]
    assert first[0] == b"tls certificates " + b"".join(ends)


@virtual
async def test_with_contexts_each_connection_is_tied_to_itself():
    network = MemoryNetwork(Random(0))
    first = await shaken(*await unsecured(network, contexts("a"), contexts("b")))
    again = await shaken(*await unsecured(network, contexts("a"), contexts("b")))
    assert first[0] == first[1]
    assert again[0] == again[1]
    assert first[0] != again[0]
    assert first[0].startswith(b"tls finished ")


@virtual
async def test_what_ties_cannot_be_the_beginning_of_a_frame():
    network = MemoryNetwork(Random(0))
    for made in (files, contexts):
        binding, _ = await shaken(*await unsecured(network, made("a"), made("b")))
        assert binding[0] != 0  # a frame before the proof has a kilobyte at most


@pytest.mark.parametrize("buffer", [64, 1_000, 30_000])
@pytest.mark.parametrize("seed", range(3))
@virtual
async def test_bytes_arrive_whole_and_in_order_however_writes_are_cut(seed, buffer):
    rng = Random(seed)
    network = MemoryNetwork(Random(seed), short=0.5, buffer=buffer)
    sizes = [1, 2, 50, rng.randrange(5_000), rng.randrange(100 * buffer)] * 2
    rng.shuffle(sizes)
    said = [rng.randbytes(size) for size in sizes]
    async with pair(network) as (dialled, accepted), trio.open_nursery() as nursery:

        async def say(stream):
            for data in said:
                await send_all(stream, data)

        for end in (dialled, accepted):
            nursery.start_soon(say, end)
        for end in (accepted, dialled):
            assert await receive_exactly(end, sum(sizes)) == b"".join(said)


@virtual
async def test_nothing_can_be_read_on_the_way():
    network = MemoryNetwork(Random(0))
    async with pair(network) as (dialled, accepted):
        seen, below = [], dialled._inner
        plain_send = below.send_nowait
        below.send_nowait = lambda data: seen.append(bytes(data)) or plain_send(data)
        await send_all(dialled, b"a secret of some length" * 100)
        await receive_exactly(accepted, 2300)
        assert b"secret" not in b"".join(seen)
        assert len(b"".join(seen)) > 2300


@virtual
async def test_a_peer_that_does_not_read_leaves_one_piece_waiting():
    async with pair(MemoryNetwork(Random(0), buffer=10_000)) as (dialled, accepted):
        data = bytes(1 << 20)
        sent = 0
        while taken := dialled.send_nowait(memoryview(data)[sent:]):
            sent += taken
            assert len(dialled._waiting) <= tls_stream.PIECE + 2048
        assert sent <= 10_000 + tls_stream.PIECE
        assert dialled.send_nowait(memoryview(data)[sent:]) == 0
        assert len(dialled._waiting) <= tls_stream.PIECE + 2048
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all, dialled, data[sent:])
            await receive_exactly(accepted, len(data))


@virtual
async def test_a_write_that_was_taken_whole_has_left_nothing_behind():
    """Nobody would come again for it."""
    network = MemoryNetwork(Random(3), short=0.5, buffer=500)
    whole = 0
    async with pair(network) as (dialled, accepted), trio.open_nursery() as nursery:

        async def read():
            with suppress(StreamBroken):
                while await accepted.receive():
                    pass

        nursery.start_soon(read)
        for size in range(1, 600, 7):
            view = memoryview(bytes(size))
            while view:
                sent = dialled.send_nowait(view)
                view = view[sent:]
                if view:
                    await dialled.wait_writable()
                else:
                    whole += 1
                    assert not len(dialled._waiting)
                    assert not dialled._outgoing.pending
        dialled.close()
    assert whole == len(range(1, 600, 7))


@virtual
async def test_an_end_in_order_is_told_from_a_cut():
    async with pair() as (dialled, accepted):
        await send_all(dialled, b"last words")
        dialled.close()
        assert await receive_exactly(accepted, 10) == b"last words"
        assert await accepted.receive() == b""
        assert await accepted.receive() == b""


@virtual
async def test_a_stream_that_is_cut_short_is_broken():
    """Whoever can cut a wire cannot make it look like an end."""
    async with pair() as (dialled, accepted):
        await send_all(dialled, b"last words")
        dialled._inner.close()
        assert await receive_exactly(accepted, 10) == b"last words"
        with pytest.raises(StreamBroken, match="cut off"):
            await accepted.receive()


@virtual
async def test_what_came_whole_before_tampering_is_delivered_and_no_more():
    async with pair() as (dialled, accepted):
        below = dialled._inner
        plain_send = below.send_nowait
        await send_all(dialled, b"whole")

        def tamper(data):
            return plain_send(bytes(data[:-1]) + bytes([data[-1] ^ 1]))

        below.send_nowait = tamper
        await send_all(dialled, b"broken")
        assert await receive_exactly(accepted, 5) == b"whole"
        with pytest.raises(StreamBroken, match=r"TLS: .*mac"):
            await accepted.receive()


@virtual
async def test_a_stranger_that_says_nothing_costs_no_tls():
    network = MemoryNetwork(Random(0))
    dialled, accepted = await unsecured(network, files("a"), files("b"))
    with trio.move_on_after(1):
        await accepted.secure()
    assert not hasattr(accepted, "_tls")
    dialled.close()
    accepted.close()


@pytest.mark.parametrize("made", [files, contexts], ids=["files", "contexts"])
@virtual
async def test_a_certificate_of_another_ca_is_refused_at_both_ends(made):
    network = MemoryNetwork(Random(0))
    ends = await unsecured(network, made("evil", "theirs"), made("b"))
    raised = await failures(*ends)
    assert raised["dialled"].reason == "tls"
    assert "its certificate is refused" in str(raised["dialled"])
    assert raised["accepted"].reason == "tls"


@virtual
async def test_a_listener_that_refuses_the_dialer_says_why():
    """In TLS 1.3 the dialer is done before it is looked at."""
    network = MemoryNetwork(Random(0))
    trusting = secured(network.host("a"), files("evil", "theirs"), files("b"))
    listener = await secured(network.host("b"), files("b")).listen(Address("b", PORT))
    dialled = await trusting.connect(Address("b", PORT))
    accepted, _ = await listener.accept()
    raised = await failures(dialled, accepted)
    assert "its certificate is refused" in str(raised["accepted"])
    assert str(raised["dialled"]) == "it refuses TLS with this end: unknown ca"


@virtual
async def test_with_host_names_another_host_is_refused():
    network = MemoryNetwork(Random(0))
    named = files("a", hosts=("a",), hostnames=True)
    ends = await unsecured(network, named, files("b", hosts=("c",)))
    assert "Hostname mismatch" in str((await failures(*ends))["dialled"])
    await shaken(*await unsecured(network, named, files("b", hosts=("b",))))


@virtual
async def test_a_host_that_no_certificate_can_name_is_not_reached():
    network = MemoryNetwork(Random(0))
    named = files("a", hosts=("a",), hostnames=True)
    transport = secured(network.host("a"), named)
    await network.host("b").listen(Address("b", PORT))
    stream = await transport.connect(Address("b", PORT))
    stream._dialled = ".b"
    with pytest.raises(StreamBroken, match="no name for a certificate"):
        await stream.secure()


@virtual
async def test_an_end_during_the_handshake_is_no_refusal():
    network = MemoryNetwork(Random(0))
    for told in ("dialled", "accepted"):
        dialled, accepted = await unsecured(network, files("a"), files("b"))
        gone, left = (accepted, dialled) if told == "dialled" else (dialled, accepted)
        gone._inner.close()
        with pytest.raises(StreamBroken):
            await left.secure()


@virtual
async def test_a_handshake_without_end_is_ended():
    network = MemoryNetwork(Random(0))
    dialled, accepted = await unsecured(network, files("a"), files("b"))
    # The beginning of a record of a handshake message of 16 MiB, and more.
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(16_380)
    follow = b"\x16\x03\x01\x40\x00" + bytes(16_384)
    raw = dialled._inner

    async def flood():
        try:
            await send_all(raw, record)
            while True:
                await send_all(raw, follow)
        except StreamBroken:
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        with pytest.raises(ProtocolError) as caught:
            await accepted.secure()
        accepted.close()
    assert caught.value.reason == "tls"


@virtual
async def test_a_stream_that_was_closed_takes_and_gives_nothing():
    async with pair() as (dialled, _):
        dialled.close()
        dialled.close()
        with pytest.raises(StreamBroken):
            dialled.send_nowait(b"x")
        with pytest.raises(StreamBroken):
            await dialled.receive()


@virtual
async def test_what_tls_itself_answers_goes_out_without_a_word_of_ours():
    """Contexts made by hand give tickets, which the listener sends by itself."""
    async with pair(ours=contexts("a"), theirs=contexts("b")) as (dialled, accepted):
        assert accepted._outgoing.pending
        with trio.move_on_after(1):
            await accepted.receive()
        assert not accepted._outgoing.pending
        await send_all(accepted, b"and then this")
        assert await receive_exactly(dialled, 13) == b"and then this"


@virtual
async def test_a_peer_that_does_not_read_tls_s_own_answers_is_cut_off(monkeypatch):
    monkeypatch.setattr(tls_stream, "MOST_ANSWERS", -tls_stream.PIECE)
    network = MemoryNetwork(Random(0), buffer=100)
    async with pair(network) as (_, accepted):
        accepted.send_nowait(bytes(10_000))
        with pytest.raises(StreamBroken, match="does not read the answers"):
            await accepted.receive()


class Heard:
    """A stream that keeps what is sent."""

    def __init__(self):
        self.sent = b""

    def send_nowait(self, data):
        self.sent += data
        return len(data)


@pytest.mark.parametrize("first", range(256))
def test_the_first_byte_tells_tls_from_frames(first):
    data = bytes([first, 0, 0])
    for refuse, refused in ((refuse_tls, {20, 21, 22, 23}), (refuse_clear, {0})):
        for answer in (True, False):
            stream = Heard()
            if first in refused:
                with pytest.raises(ProtocolError) as caught:
                    refuse(stream, data, answer=answer)
                assert caught.value.reason == "tls"
            else:
                refuse(stream, data, answer=answer)
            assert bool(stream.sent) is (answer and first in refused)
