"""Streams when the link breaks, and beside what else goes over it."""

from __future__ import annotations

from random import Random

import pytest
import trio

from clusterkit.actors.stream_end import SIGN_OF_LIFE
from clusterkit.errors import (
    ActorDown,
    MessageTooLarge,
    NodeDown,
    StreamError,
    StreamTimeout,
)
from clusterkit.net.peer import UNSENT_BULK
from clusterkit.testing import MemoryNetwork
from clusterkit.wire import messages as m
from clusterkit.wire.conversation import Settled
from clusterkit.wire.outbox import Entry
from clusterkit.wire.streams import CHUNK_BYTES, CHUNK_COST
from tests.unit.nodes import abandon, cut_off, on_network, pair, virtual
from tests.unit.streams import (
    EVERYWHERE,
    Files,
    at_rest,
    drain,
    files_of,
    files_there,
    send_often,
    server_of,
)
from tests.waiting import until

WINDOW = 256 * 1024


async def cut_now_and_then(a, times, pause=0.2):
    for _ in range(times):
        await trio.sleep(pause)
        a.network.cut("a", "b")


def numbered(count):
    return [number.to_bytes(4, "big") * 2000 for number in range(count)]


@virtual
async def test_a_stream_goes_on_when_the_connection_comes_back():
    pieces = numbered(500)
    async with files_there() as nodes, trio.open_nursery() as nursery:
        nursery.start_soon(cut_now_and_then, nodes[0], 20)
        async with files_of(nodes).stream(Files.read, *pieces[:100]) as s:
            got = []
            async for piece in s:
                got.append(piece)
                await trio.sleep(0.02)
            assert await s.result() == 100
        assert got == pieces[:100]
        async with files_of(nodes).stream(Files.write, pause=0.01) as s:
            for piece in pieces:
                await s.send(piece)
            assert await s.finish() == pieces
        assert nodes[0].kernel.peers["b"].reconnects > 5
        await until(lambda: at_rest(nodes))
        assert nodes[0].statistics().stray_chunks == 0
        assert nodes[1].statistics().stray_chunks == 0


@virtual
async def test_nodes_that_lose_sight_of_each_other_end_their_streams_on_both_sides():
    async with files_there() as nodes:
        a, _ = nodes
        files = files_of(nodes)
        async with files.stream(Files.pour) as pour, files.stream(Files.write) as write:
            assert await anext(pour)
            await write.send(b"x")
            await cut_off(a)
            for use in (pour.result, lambda: write.send(bytes(2**20)), write.result):
                with pytest.raises(NodeDown):
                    await use()
            with pytest.raises(NodeDown):
                await drain(pour)
        log = server_of(nodes).log
        await until(lambda: len(log) == 4)
        assert sorted(log[2:]) == ["pour Cancelled", "write Cancelled"]
        with pytest.raises(NodeDown):
            async with files.stream(Files.read):
                pass
        a.network.heal()
        await until(lambda: at_rest(nodes))
        async with files.stream(Files.read, 1) as s:
            assert await s.collect() == [1]


@virtual
async def test_when_one_side_alone_lost_sight_the_other_is_told():
    async with files_there() as nodes:
        a, b = nodes
        files = files_of(nodes)
        log = server_of(nodes).log
        async with files.stream(Files.wait) as s:
            await until(lambda: log == ["wait begins"])
            a._runtime.delivery.peer_down(a.kernel.peers["b"], "test")
            with pytest.raises(NodeDown):
                await s.result()
            await until(lambda: log == ["wait begins", "wait Cancelled"])
        del log[:]
        async with files.stream(Files.wait) as s:
            await until(lambda: log == ["wait begins"])
            b._runtime.delivery.peer_down(b.kernel.peers["a"], "test")
            with pytest.raises(StreamError, match="out of reach"):
                await s.result()
            assert log == ["wait begins", "wait Cancelled"]
        await until(lambda: at_rest(nodes))


@virtual
async def test_a_handler_notices_that_a_node_is_gone_which_nobody_else_needs():
    async with files_there() as nodes:
        a, b = nodes
        async with files_of(nodes).stream(Files.wait):
            await until(lambda: server_of(nodes).log == ["wait begins"])
            assert not b.kernel.peers["a"].pinned
            await cut_off(a)
            await until(lambda: server_of(nodes).log[1:] == ["wait Cancelled"], 5)


@virtual
async def test_a_stream_not_yet_begun_when_its_node_is_lost_never_begins():
    async with files_there() as nodes:
        a, b = nodes
        b.pause("files")
        async with files_of(nodes).stream(Files.wait) as s:
            await trio.sleep(0.1)
            await cut_off(a)
            with pytest.raises(NodeDown):
                await s.result()
        await trio.sleep(5)
        b.resume("files")
        await trio.sleep(5)
        assert server_of(nodes).log == ["wait begins", "wait Cancelled"] or not (
            server_of(nodes).log
        )
        a.network.heal()
        await until(lambda: at_rest(nodes))


@virtual
async def test_a_node_that_begins_a_new_life_ends_the_streams_of_the_old():
    network = MemoryNetwork(Random(0))
    actors = {"files": Files}
    async with on_network(network, "a", config={"down_after": 60.0}) as a:
        async with on_network(network, "b", actors=actors) as b:
            a.kernel.know(b.info)
            s = await a_stream_of(a, "echo")
            await s.send(b"x")
            assert await anext(s)
            network.crash("b")
            abandon(b)
        await trio.sleep(0.1)
        async with a.stream("files@b", "echo") as unsent:
            unsent.end()
            async with on_network(network, "b", actors=actors) as again:
                with pytest.raises(NodeDown) as caught:
                    await s.finish()
                assert caught.value.outcome == "unknown"
                with pytest.raises(NodeDown) as caught:
                    await unsent.result()
                assert caught.value.outcome == "not sent"
                await s.__aexit__(None, None, None)
                async with a.stream("files@b", "read", 1) as s:
                    assert await s.collect() == [1]
                assert again.statistics().stray_chunks == 0


async def a_stream_of(node, event):
    """Enter the block of a stream to the files at `b`; the caller leaves it."""
    return await node.stream("files@b", event).__aenter__()


@virtual
async def test_a_stream_to_a_node_that_is_not_up_yet_is_opened_when_it_is():
    async with files_there(connected=False) as nodes:
        async with files_of(nodes).stream(Files.write) as s:
            s.end()
            assert await s.result() == []
    async with pair(connected=False) as (a, b):
        await cut_off(a)
        with pytest.raises(NodeDown) as caught:
            async with a.stream("files@b", "write") as s:
                await s.result()
        assert caught.value.outcome == "not sent"
        assert at_rest((a, b))


LOST = {
    "an Open": ("lost", m.OPEN, NodeDown),
    "a Chunk": ("lost", m.CHUNK, NodeDown),
    "a Chunk too large": ("too_large", m.CHUNK, NodeDown),
    "an Open dropped": ("dropped", m.OPEN, NodeDown),
    "an Open too large": ("too_large", m.OPEN, MessageTooLarge),
}


@pytest.mark.parametrize(("where", "kind", "error"), LOST.values(), ids=LOST)
@virtual
async def test_a_record_that_was_lost_fails_its_stream(where, kind, error):
    async with files_there() as nodes:
        async with files_of(nodes).stream(Files.wait) as s:
            await until(lambda: server_of(nodes).log)
            link = nodes[0].kernel.peers["b"]
            settled = Settled(**{where: [Entry(b"x" * 99, kind, s._end.pending.id)]})
            nodes[0]._runtime.delivery.settled(link, settled)
            with pytest.raises(error):
                await s.result()


# Beside each other.


@EVERYWHERE
@virtual
async def test_a_slow_reader_holds_up_its_own_sender_only(place):
    async with place() as nodes:
        files, server = files_of(nodes), server_of(nodes)
        slow = files.within(1000)
        async with slow.stream(Files.pour) as s:
            await trio.sleep(1)
            ahead = server.sent
            assert WINDOW <= ahead * (1000 + CHUNK_COST) < WINDOW + 1000 + CHUNK_COST
            began = trio.current_time()
            async with files.stream(Files.write) as fast:
                for _ in range(100):
                    await fast.send(bytes(100_000))
                    assert await files.call(Files.ping) == "pong"
                await fast.finish()
            assert trio.current_time() - began < 2
            assert server.sent == ahead
            for _ in range(100):
                await anext(s)
            await trio.sleep(1)
            assert server.sent == ahead  # half a window, or nothing


@EVERYWHERE
@virtual
async def test_a_handler_that_reads_slowly_holds_up_its_sender_only(place):
    async with place() as nodes:
        files, server = files_of(nodes), server_of(nodes)
        sent = []

        async def send(s):
            for _ in range(100):
                await s.send(bytes(CHUNK_BYTES))
                sent.append(CHUNK_BYTES)

        async with files.stream(Files.write, pause=1000) as s:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, s)
                await trio.sleep(10)
                assert WINDOW - CHUNK_BYTES <= sum(sent) <= WINDOW + CHUNK_BYTES
                assert server.taken == CHUNK_BYTES
                assert await files.call(Files.ping) == "pong"
                nursery.cancel_scope.cancel()


@EVERYWHERE
@virtual
async def test_a_message_larger_than_the_window_passes_and_one_at_a_time(place):
    async with place(config={"stream_bytes": 1000}) as nodes:
        messages = [["x" * 50_000, n] for n in range(20)]
        async with files_of(nodes).stream(Files.echo) as s:
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def send():
                    for message in messages:
                        await s.send(message)
                    s.end()

                assert [message async for message in s] == messages


@EVERYWHERE
@virtual
async def test_a_slow_reader_with_much_before_it_is_not_taken_for_one_that_stopped(
    place,
):
    async with place() as nodes:
        patience = 4
        files = files_of(nodes).within(patience)
        async with files.stream(Files.write, pause=patience * SIGN_OF_LIFE) as s:
            for number in range(200):
                await s.send(number)
            assert await s.finish() == [*range(200)]


def waiting_for(link):
    """Bytes that wait to be sent, in all lanes."""
    return link.outbox.bytes + link.outbox.bulk_bytes


@virtual
async def test_streams_leave_the_link_room_for_others():
    async with pair(actors={"files": Files}) as nodes:
        a, b = nodes
        a.network.delay("a", "b", 0.01)
        link = b.kernel.peers["a"]
        most = []
        async with trio.open_nursery() as nursery:

            async def read():
                async with files_of(nodes).stream(Files.pour, bytes(CHUNK_BYTES)) as s:
                    await drain(s)

            for _ in range(50):
                nursery.start_soon(read)
            for _ in range(200):
                await trio.sleep(0.001)
                most.append(waiting_for(link))
            assert max(most) <= UNSENT_BULK + 51 * (CHUNK_BYTES + CHUNK_COST)
            with trio.fail_after(1):
                assert await a.call("files@b", "ping") == "pong"
            nursery.cancel_scope.cancel()
        await until(lambda: at_rest(nodes))


@virtual
async def test_what_a_dead_link_holds_of_streams_goes_with_them():
    async with files_there() as nodes:
        a, _ = nodes
        async with files_of(nodes).stream(Files.echo) as s:
            await s.send(b"x")
            assert await anext(s)
            await cut_off(a)
            with trio.move_on_after(1):
                await s.send(bytes(2**20))
            assert waiting_for(a.kernel.peers["b"]) > WINDOW // 2
            with pytest.raises(NodeDown):
                await s.send(b"x")
            assert waiting_for(a.kernel.peers["b"]) < 100  # a Cancel
            a.network.heal()
        await until(lambda: at_rest(nodes))


@virtual
async def test_a_sender_without_room_on_the_link_learns_of_the_end_of_its_stream():
    few = {"outbox_messages": 4}
    async with files_there(config=few) as nodes:
        a, _ = nodes
        async with files_of(nodes).stream(Files.write) as s:
            await s.send(b"x")
            await cut_off(a)
            began = trio.current_time()
            with pytest.raises(NodeDown):
                await send_often(s, b"x")
            assert trio.current_time() - began < 3


@virtual
async def test_a_link_that_takes_nothing_for_too_long_ends_the_patience():
    config = {"outbox_messages": 4, "down_after": 100}
    async with files_there(config=config) as nodes:
        a, _ = nodes
        async with files_of(nodes).within(5).stream(Files.write) as s:
            await s.send(b"x")
            await cut_off(a)
            with pytest.raises(StreamTimeout):
                await send_often(s, b"x")
        a.network.heal()
        await until(lambda: at_rest(nodes))


@virtual
async def test_a_link_with_a_stream_is_no_idle_one():
    config = {"idle_close": 5, "full_mesh": 1, "stream_timeout": 1000}
    async with files_there(config=config) as nodes:
        async with files_of(nodes).stream(Files.wait, 100) as s:
            assert await s.result() == 100
        assert nodes[0].kernel.peers["b"].reconnects == 0


@virtual
async def test_a_link_that_is_dropped_ends_its_streams():
    async with files_there() as nodes:
        a, _ = nodes
        async with files_of(nodes).stream(Files.pour) as s:
            assert await anext(s)
            await a.kernel.disconnect("b", force=True)
            with pytest.raises(NodeDown):
                await drain(s)
        await until(lambda: server_of(nodes).log[-1:] == ["pour Cancelled"])


@virtual
async def test_an_actor_that_ends_while_nobody_looks_ends_its_streams():
    async with files_there() as nodes:
        async with files_of(nodes).stream(Files.pour) as s:
            assert await anext(s)
            nodes[1]._runtime.local("files").hurry()
            await nodes[1].stop("files")
            with pytest.raises(ActorDown):
                await drain(s)
        await until(lambda: at_rest(nodes))


@virtual
async def test_a_node_that_ends_waits_for_nothing_of_streams_it_has_given_up():
    async with files_there() as nodes:
        a, b = nodes
        async with files_of(nodes).stream(Files.echo) as s:
            await s.send(b"x")
            assert await anext(s)
            await cut_off(a)
            with pytest.raises(NodeDown):
                await send_often(s, b"x" * 1000, times=1000)
        for node in (a, b):
            began = trio.current_time()
            await node.shutdown(timeout=10)
            assert trio.current_time() - began < 1
