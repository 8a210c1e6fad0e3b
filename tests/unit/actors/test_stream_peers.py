"""A peer that has the cookie, and says of streams whatever it likes."""

from __future__ import annotations

import pytest
import trio

from clusterkit.actors.serving import MOST_AHEAD
from clusterkit.actors.stream import OpenStream
from clusterkit.errors import (
    BadMessage,
    MailboxFull,
    RemoteFault,
    StreamError,
    StreamOverrun,
)
from clusterkit.net.peer import UNSENT_BULK
from clusterkit.wire import messages as m
from clusterkit.wire.streams import ASKED, CHUNK_COST, OPENER, PACKED, RAW
from tests.unit.nodes import on_network, pair, statistics_of, virtual
from tests.unit.streams import (
    Files,
    at_rest,
    files_of,
    files_there,
    send_often,
    server_of,
)
from tests.waiting import until

WINDOW = 256 * 1024
ID = 2**40  # no number that a node of these tests gives by itself


def deliver(node, peer, *records):
    """Have records come in as if `peer` had sent them, in one frame."""
    link = node.kernel.peers[peer]
    node._runtime.delivery.deliver(link, list(records), 100 * len(records))
    return link


def opening(event, *args, number=ID, patience=0, window=WINDOW, actor="files"):
    return [m.OPEN, actor, event, list(args), None, number, patience, window]


def chunk(data, *, number=ID, side=OPENER, form=RAW):
    return [m.CHUNK, number, side, form, data]


def said_to(link, kind):
    """Heads of what waits for a peer, by kind."""
    return [entry for entry in link.outbox if entry.kind == kind]


@virtual
async def test_a_peer_that_sends_beyond_its_credit_loses_that_stream_only():
    async with files_there() as nodes:
        _, b = nodes
        server = server_of(nodes)
        async with files_of(nodes).stream(Files.echo) as other:
            deliver(b, "a", opening("write", 1000))
            await trio.testing.wait_all_tasks_blocked()
            piece = bytes(WINDOW)
            deliver(b, "a", *[chunk(piece)] * 100)
            assert b.statistics().dropped == {"overrun": 1, "late_chunk": 98}
            await until(lambda: server.log == ["write begins", "write Cancelled"])
            await other.send(1)
            assert await anext(other) == 1
        await until(lambda: at_rest(nodes))
        assert statistics_of(b, "files").restarts == 0
        assert b.statistics().overruns == 1


@virtual
async def test_a_peer_gets_to_know_that_it_sent_too_much():
    async with files_there() as nodes:
        async with files_of(nodes).stream(Files.write, 1000) as s:
            await s.send(b"x")
            await trio.sleep(1)
            s._end.outflow.credit = 2**40  # as no node would
            with pytest.raises(StreamOverrun):
                await send_often(s, bytes(30_000), times=1000)
        await until(lambda: at_rest(nodes))


@virtual
async def test_a_handlers_node_that_sends_beyond_the_credit_loses_that_stream_only():
    async with files_there() as nodes:
        a, _ = nodes
        files = files_of(nodes)
        async with files.stream(Files.wait) as s, files.stream(Files.echo) as other:
            number = s._end.pending.id
            await until(lambda: server_of(nodes).log)
            sent = [chunk(bytes(WINDOW), number=number, side=ASKED)] * 3
            deliver(a, "b", *sent)
            with pytest.raises(StreamOverrun):
                await s.result()
            await other.send(1)
            assert await anext(other) == 1
            await until(lambda: server_of(nodes).log[-1:] == ["wait Cancelled"])
        assert (a.statistics().overruns, a.statistics().stray_chunks) == (1, 1)
        await until(lambda: at_rest(nodes))


@virtual
async def test_what_a_handler_keeps_of_a_stream_is_bounded_by_its_window():
    config = {"stream_bytes": 10_000}
    async with pair(actors={"files": Files}, config=config) as nodes:
        _, b = nodes
        deliver(b, "a", opening("write", 1000))
        await trio.testing.wait_all_tasks_blocked()
        end = b.kernel.peers["a"].open_calls[ID][-1]
        for _ in range(10_000):
            deliver(b, "a", chunk(b""))
        assert len(end.inflow.chunks) <= 10_000 / CHUNK_COST + 1
        assert b.statistics().overruns == 1


@virtual
async def test_nothing_may_be_sent_before_the_handler_has_begun():
    async with files_there() as nodes:
        _, b = nodes
        b.pause("files")
        link = deliver(b, "a", opening("write"), chunk(b"x"))
        assert b.statistics().overruns == 1
        assert link.open_calls == {}
        b.resume("files")
        await trio.testing.wait_all_tasks_blocked()
        assert server_of(nodes).log == []


STRAYS = {
    "a chunk of nobody's stream": chunk(b"x", number=ID + 1),
    "a chunk of the wrong side": chunk(b"x", side=ASKED),
    "a chunk of no side": chunk(b"x", side=7),
    "a chunk of a call": chunk(b"x", number=7),
    "credit of nobody's stream": [m.CREDIT, ID + 1, OPENER, 1],
    "credit of the wrong side": [m.CREDIT, ID, ASKED, 1],
    "credit of nothing": [m.CREDIT, ID, OPENER, 0],
    "credit of less": [m.CREDIT, ID, OPENER, -(2**63)],
    "an end of nobody's stream": [m.END, ID + 1, OPENER, "", []],
    "an end of the wrong side": [m.END, ID, ASKED, "", []],
    "an end of a call": [m.END, 7, OPENER, "", []],
}


@pytest.mark.parametrize("record", STRAYS.values(), ids=STRAYS)
@virtual
async def test_what_fits_no_stream_is_dropped_and_counted(record):
    async with files_there() as nodes:
        _, b = nodes
        b.pause("files")
        call = [m.CALL, "files", "ping", [], None, 7, 0]
        link = deliver(b, "a", opening("collect"), call)
        before = repr(link.open_calls)
        deliver(b, "a", *[record] * 50)
        assert b.statistics().stray_chunks == 50
        assert repr(link.open_calls) == before
        assert (b.statistics().streams, b.statistics().overruns) == (1, 0)


@virtual
async def test_a_third_node_cannot_speak_for_another():
    async with files_there() as (a, b), on_network(a.network, "c") as c:
        await c.kernel.connect(b.address)
        async with a.stream("files@b", "echo") as s:
            await s.send(1)
            assert await anext(s) == 1
            number = s._end.pending.id
            for side in (OPENER, ASKED):
                deliver(b, "c", chunk(b"x", number=number, side=side))
                deliver(b, "c", [m.END, number, side, "", []])
                deliver(b, "c", [m.CANCEL, number])
            assert b.statistics().stray_chunks == 4
            await s.send(2)
            assert await anext(s) == 2


@virtual
async def test_ten_thousand_opens_are_bounded_as_calls_are():
    async with pair(actors={"files": Files}, config={"inbound_calls": 100}) as nodes:
        _, b = nodes
        opens = [opening("wait", number=ID + n) for n in range(10_000)]
        for start in range(0, 10_000, 100):
            link = deliver(b, "a", *opens[start : start + 100])
            await trio.testing.wait_all_tasks_blocked()
        assert len(link.open_calls) == 100
        assert len(b._runtime.local("files").beside) == 100
        for n in range(10_000):
            deliver(b, "a", [m.CANCEL, ID + n])
        await trio.testing.wait_all_tasks_blocked()
        assert len(b._runtime.local("files").beside) == 0
        assert link.interest == 0
        assert await b.call("files", "ping") == "pong"


@virtual
async def test_of_many_streams_each_may_be_ahead_by_less():
    async with files_there() as nodes:
        _, b = nodes
        for start in range(0, 8_000, 100):
            opens = [opening("wait", number=ID + start + n) for n in range(100)]
            link = deliver(b, "a", *opens)
            await trio.testing.wait_all_tasks_blocked()
        # Those of one delivery begin in any order.
        windows = [call[-1].inflow.window for call in link.open_calls.values()]
        windows.sort(reverse=True)
        assert windows[:256] == [WINDOW] * 256
        assert windows[256] < WINDOW
        assert windows[-1] == MOST_AHEAD // 8_000
        assert sum(windows) < 5 * MOST_AHEAD


@virtual
async def test_of_many_streams_with_large_messages_some_end_for_want_of_room():
    message, times = bytes(10_000_000), 20
    async with files_there() as nodes:
        _, b = nodes
        opens = [opening("collect", 2**30, number=ID + n) for n in range(times)]
        link = deliver(b, "a", *opens, opening("echo", number=ID - 1))
        await trio.testing.wait_all_tasks_blocked()
        for n in range(times):
            deliver(b, "a", chunk(message, number=ID + n))
        assert len(link.open_calls) == 6 + 1
        assert b.statistics().dropped["no_room"] == times - 6
        deliver(b, "a", chunk(b"x" * 1000, number=ID - 1))
        await trio.testing.wait_all_tasks_blocked()
        assert len(link.open_calls) == 6 + 1
        for n in range(times):
            deliver(b, "a", [m.CANCEL, ID + n])
        await trio.testing.wait_all_tasks_blocked()
        assert link.beyond.bytes == 0
        assert statistics_of(b, "files").restarts == 0


@virtual
async def test_who_opened_streams_loses_those_whose_messages_find_no_room():
    async with files_there() as nodes:
        a, _ = nodes
        link, failed = a.kernel.peers["b"], []

        async def hear():
            async with files_of(nodes).stream(Files.wait) as s:
                number = s._end.pending.id
                deliver(a, "b", chunk(bytes(20_000_000), number=number, side=ASKED))
                try:
                    await s.result()
                except StreamError as error:
                    failed.append(str(error))

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(hear)
            await trio.sleep(1)
            assert len(failed) == 6 - 3
            assert all("large messages" in text for text in failed)
            nursery.cancel_scope.cancel()
        assert link.beyond.bytes == 0
        await until(lambda: at_rest(nodes))


@virtual
async def test_opens_beyond_the_mailbox_are_answered_busy():
    class Small(Files):
        mailbox = 4

    async with pair(actors={"files": Small}) as nodes:
        a, b = nodes
        deliver(b, "a", *[opening("wait", number=ID + n) for n in range(100)])
        await trio.testing.wait_all_tasks_blocked()
        assert len(b._runtime.local("files").beside) == 8
        await trio.sleep(1)
        with pytest.raises(MailboxFull):
            async with a.stream("files@b", "wait"):
                pass
        deliver(b, "a", *[[m.CANCEL, ID + n] for n in range(100)])
        await trio.sleep(1)
        async with a.stream("files@b", "read", 1) as s:
            assert await s.collect() == [1]


@virtual
async def test_an_open_with_a_number_in_use_ends_the_handler_it_had():
    async with files_there() as nodes:
        _, b = nodes
        for _ in range(50):
            link = deliver(b, "a", opening("wait"))
            await trio.testing.wait_all_tasks_blocked()
            assert len(b._runtime.local("files").beside) == 1
        assert (len(link.open_calls), link.interest) == (1, 1)


@virtual
async def test_a_call_with_the_number_of_a_stream_ends_its_handler():
    async with files_there() as nodes:
        _, b = nodes
        for _ in range(50):
            link = deliver(b, "a", opening("wait"))
            await trio.testing.wait_all_tasks_blocked()
            deliver(b, "a", [m.CALL, "files", "ping", [], None, ID, 0])
            await trio.testing.wait_all_tasks_blocked()
            assert len(b._runtime.local("files").beside) == 0
        assert (len(link.open_calls), link.interest) == (0, 0)


@virtual
async def test_a_longer_open_is_one_of_a_later_version():
    async with files_there() as nodes:
        _, b = nodes
        deliver(b, "a", [*opening("wait"), "later", 7])
        await trio.testing.wait_all_tasks_blocked()
        assert server_of(nodes).log == ["wait begins"]


@pytest.mark.parametrize("window", [0, -5, 2**64 - 1])
@virtual
async def test_any_window_and_patience_will_do(window):
    async with files_there() as nodes:
        a, b = nodes
        a.network.partition({"a"}, {"b"})
        deliver(b, "a", opening("pour", window=window, patience=-7))
        await trio.sleep(1)
        link = deliver(b, "a", [m.CANCEL, ID])
        await until(lambda: server_of(nodes).log == ["pour begins", "pour Cancelled"])
        assert link.outbox.bytes + link.outbox.bulk_bytes < 2**21


@virtual
async def test_credit_without_end_fills_no_outbox():
    async with files_there() as nodes:
        a, b = nodes
        deliver(b, "a", opening("pour", window=2**63 - 1))
        deliver(b, "a", *[[m.CREDIT, ID, OPENER, 2**63 - 1]] * 100)
        a.network.partition({"a"}, {"b"})
        await trio.sleep(1)
        outbox = b.kernel.peers["a"].outbox
        assert 0 < outbox.bulk_bytes < UNSENT_BULK + 2**17
        assert outbox.bytes < 100
        assert server_of(nodes).log == ["pour begins"]


@virtual
async def test_a_form_or_a_value_that_is_not_known_is_the_readers_error_once():
    async with files_there() as nodes:
        a, _ = nodes
        async with files_of(nodes).stream(Files.echo) as s:
            await s.send("first")
            assert await anext(s) == "first"
            number = s._end.pending.id

            def bad(form, data):
                return chunk(data, number=number, side=ASKED, form=form)

            deliver(
                a, "b", bad(9, b"x"), bad(PACKED, b"\xc1"), bad(PACKED, b"\x01\x02")
            )
            for text in ("form 9", "undecodable", "undecodable"):
                with pytest.raises(BadMessage, match=text):
                    await anext(s)
            await s.send("last")
            assert await anext(s) == "last"


@virtual
async def test_a_value_that_a_handler_cannot_build_is_no_crash():
    async with files_there() as nodes:
        _, b = nodes
        async with files_of(nodes).stream(Files.write) as s:
            await s.send("fine")
            number = s._end.pending.id
            deliver(b, "a", chunk(b"\xd4\x63\x00", number=number, form=PACKED))
            with pytest.raises(BadMessage, match="extension type 99"):
                await s.result()
        assert statistics_of(b, "files").restarts == 0


ENDS = {
    "a code that is not known": ("later", ["text"], RemoteFault),
    "a code without details": ("rejected", [], RemoteFault),
    "details of another type": ("fault", [[1], {}], RemoteFault),
    "what is no error of a call": ("config", ["text"], RemoteFault),
    "what befell a stream": ("stream", ["text"], StreamError),
}


@pytest.mark.parametrize(("code", "details", "error"), ENDS.values(), ids=ENDS)
@virtual
async def test_an_end_for_any_reason_is_an_error_and_no_crash(code, details, error):
    async with files_there() as nodes:
        _, b = nodes
        async with files_of(nodes).stream(Files.write) as s:
            await s.send("fine")
            await until(lambda: server_of(nodes).taken)
            number = s._end.pending.id
            deliver(b, "a", [m.END, number, OPENER, code, details])
            deliver(b, "a", [m.END, number, OPENER, "", []])
            deliver(b, "a", chunk(b"x", number=number))
            with pytest.raises(error):
                await s.result()
        assert statistics_of(b, "files").restarts == 0
        assert b.statistics().stray_chunks == 2


@virtual
async def test_what_comes_after_the_end_is_dropped():
    async with files_there() as nodes:
        a, _ = nodes
        async with files_of(nodes).stream(Files.half, 5) as s:
            assert await s.collect() == b"half"
            number = s._end.pending.id
            deliver(a, "b", chunk(b"x", number=number, side=ASKED))
            assert await s.collect() == b""
            assert await s.result() == "whole"
            deliver(a, "b", chunk(b"x", number=number, side=ASKED))
            deliver(a, "b", [m.REPLY, number, "another"])
            assert await s.result() == "whole"
        assert a.statistics().stray_chunks == 2
        assert a.statistics().late_replies == 1


@virtual
async def test_a_stream_shows_what_state_it_is_in():
    async with files_there() as nodes:
        s = files_of(nodes).stream(Files.half, 1)
        assert isinstance(s, OpenStream)
        assert "over" in repr(s)
        async with s:
            assert "open" in repr(s)
            assert nodes[0].statistics().streams == 1
            await anext(s)
            assert nodes[1].statistics().streams == 1
            assert "credit=" in repr(nodes[1].kernel.peers["a"].open_calls)
        assert nodes[0].statistics().streams == 0
