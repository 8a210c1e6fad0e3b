"""What a stream carries, and what each way to end it comes to at both ends."""

from __future__ import annotations

import datetime as dt
import math
from itertools import pairwise

import pytest
import trio

from clusterkit import GenServer, Stream, call, stream
from clusterkit.errors import (
    ActorDown,
    BadArguments,
    CallingSelf,
    ConfigError,
    EncodeError,
    MailboxFull,
    MessageTooLarge,
    NodeUnknown,
    NoSuchActor,
    NoSuchHandler,
    RemoteFault,
    StreamClosed,
    StreamTimeout,
    StreamTooLong,
)
from clusterkit.wire.streams import CHUNK_BYTES
from tests.unit.nodes import alone, pair, statistics_of, virtual
from tests.unit.servers import Counter
from tests.unit.streams import (
    EVERYWHERE,
    Files,
    Refused,
    at_rest,
    drain,
    files_here,
    files_of,
    files_there,
    send_often,
    server_of,
)
from tests.waiting import until

# What arrives.


@EVERYWHERE
@virtual
async def test_a_reader_gets_what_the_handler_sends_and_then_its_value(place):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.read, 1, "two", [3]) as s:
            assert [message async for message in s] == [1, "two", [3]]
            assert await s.result() == 3
            assert await s.result() == 3
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_a_writer_gets_the_value_of_the_handler_that_read(place):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.write) as s:
            for number in range(500):
                await s.send({"number": number})
            assert await s.finish() == [{"number": n} for n in range(500)]
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_both_ends_send_at_once(place):
    sent = [bytes([n % 256]) * 2000 for n in range(1000)]
    got = []
    async with place() as nodes:
        async with files_of(nodes).stream(Files.echo) as s:

            async def send():
                for piece in sent:
                    await s.send(piece)
                s.end()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                async for piece in s:
                    got.append(piece)
            assert await s.result() == "all"
    assert got == sent


@EVERYWHERE
@virtual
async def test_an_answer_can_be_waited_for_before_the_next_question(place):
    async with place() as nodes, files_of(nodes).stream(Files.echo) as s:
        for number in range(200):
            await s.send(number)
            assert await anext(s) == number
        assert await s.finish() == "all"
        assert await anext(s, "no more") == "no more"


async def until_cancelled(turns, step):
    """Repeat a step, and cancel that after others had so many turns."""
    async with trio.open_nursery() as nursery:

        async def repeat():
            while True:
                await step()

        nursery.start_soon(repeat)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


@EVERYWHERE
@virtual
async def test_what_a_reader_was_cancelled_at_is_still_there(place):
    messages, got = list(range(1000)), []
    async with place() as nodes:
        async with files_of(nodes).stream(Files.read, *messages) as s:

            async def step():
                got.append(await anext(s))

            for turns in range(1, 6):
                await trio.sleep(1)  # let the handler send ahead
                await until_cancelled(turns, step)
            got += [message async for message in s]
    assert got == messages


@EVERYWHERE
@virtual
async def test_a_message_whose_sending_was_cancelled_was_not_sent(place):
    sent = []
    async with place() as nodes:
        async with files_of(nodes).stream(Files.write) as s:

            async def step():
                await s.send(len(sent))
                sent.append(len(sent))

            for turns in range(1, 6):
                await until_cancelled(turns, step)
            assert await s.finish() == sent != []


@EVERYWHERE
@virtual
async def test_bytes_come_in_pieces_of_a_bounded_size(place):
    data = bytes(range(256)) * 1000
    async with place() as nodes:
        files = files_of(nodes)
        for same in (data, bytearray(data), memoryview(data)):
            async with files.stream(Files.write) as s:
                await s.send(same)
                got = await s.finish()
            assert b"".join(got) == data
            assert max(map(len, got)) == CHUNK_BYTES
        async with files.stream(Files.write) as s:
            await s.send(b"")
            await s.send(b"small")
            assert await s.finish() == [b"small"]


@EVERYWHERE
@virtual
async def test_messages_are_what_they_were(place):
    messages = [None, 1.5, (1, {2}), {"k": [b"x"]}, dt.date(2026, 1, 2), "", [], {}]
    async with place() as nodes:
        async with files_of(nodes).stream(Files.echo) as s:
            for message in messages:
                await s.send(message)
                assert await anext(s) == message
            await s.send(files_of(nodes))
            assert await anext(s) == files_of(nodes)


@EVERYWHERE
@virtual
async def test_collect_joins_bytes_and_lists_messages(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.stream(Files.read, b"a" * 50_000, b"b") as s:
            assert await s.collect() == b"a" * 50_000 + b"b"
        async with files.stream(Files.read, 1, 2) as s:
            assert await s.collect() == [1, 2]
        async with files.stream(Files.read) as s:
            assert await s.collect() == b""
        async with files.stream(Files.read, b"a", 1) as s:
            assert await s.collect() == [b"a", 1]


@EVERYWHERE
@virtual
async def test_collect_keeps_no_more_than_its_limit(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.stream(Files.read, b"x" * 10_000) as s:
            assert len(await s.collect(limit=10_000)) == 10_000
        async with files.stream(Files.pour) as s:
            with pytest.raises(StreamTooLong):
                await s.collect(limit=9_999)
            with pytest.raises(StreamTooLong):
                await s.result()
        await until(lambda: server_of(nodes).log[-1:] == ["pour Cancelled"])
        async with files.stream(Files.collect, 5) as s:
            await s.send(b"123456")
            with pytest.raises(StreamTooLong):
                await s.finish()
        assert await files.call(Files.ping) == "pong"
        assert server_of(nodes).log == ["pour begins", "pour Cancelled"]
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_of_several_that_send_at_once_each_is_heard_in_one_piece(place):
    letters = [letter * 100_000 for letter in (b"a", b"b", b"c")]
    async with place() as nodes, files_of(nodes).stream(Files.collect) as s:
        async with trio.open_nursery() as nursery:
            for data in letters:
                nursery.start_soon(s.send, data)
        got = await s.finish()
    changes = sum(a != b for a, b in pairwise(got))
    assert (len(got), changes) == (300_000, 2)


@EVERYWHERE
@virtual
async def test_the_two_ends_may_end_in_any_order(place):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.half, 5) as s:
            assert [piece async for piece in s] == [b"half"]
            began = trio.current_time()
            assert await s.result() == "whole"
            assert trio.current_time() - began == pytest.approx(5, abs=0.1)


@EVERYWHERE
@virtual
async def test_what_was_sent_before_the_value_can_be_read_after_it(place):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.read, *range(10)) as s:
            assert await s.result() == 10
            assert [n async for n in s] == [*range(10)]


# Errors.


@EVERYWHERE
@virtual
async def test_a_refusal_comes_after_what_was_sent_before_and_stays(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.stream(Files.refuse, 1, 2) as s:
            assert [await anext(s), await anext(s)] == [1, 2]
            for _ in range(2):
                with pytest.raises(Refused) as caught:
                    await anext(s)
                assert caught.value.args == ("no", 7)
            with pytest.raises(Refused):
                await s.send(b"x")
            with pytest.raises(Refused):
                await s.finish()
        assert statistics_of(nodes[1], "files").restarts == 0


@EVERYWHERE
@virtual
async def test_a_crash_ends_the_stream_and_restarts_the_actor(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.stream(Files.wait) as other:
            await files.call(Files.ping)
            async with files.stream(Files.crash, b"x") as s:
                with pytest.raises(RemoteFault, match="KeyError"):
                    await s.collect()
            with pytest.raises(ActorDown):
                await other.result()
        assert statistics_of(nodes[1], "files").restarts == 1
        async with files.stream(Files.read, 1) as s:
            assert await s.collect() == [1]
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_an_error_of_the_opener_is_raised_where_the_handler_reads(place):
    async with place() as nodes:
        files = files_of(nodes)
        for error, kind in (
            (Refused("mine", 1), Refused),
            (OSError("disk"), RemoteFault),
        ):
            async with files.stream(Files.write) as s:
                await s.send(b"some")
                s.fail(error)
                s.fail(ValueError("another"))
                s.end()
                with pytest.raises(RuntimeError, match="sends no more"):
                    await s.send(b"more")
                with pytest.raises(kind) as caught:  # the handler let it pass
                    await s.result()
                assert "mine" in str(caught.value) or "disk" in str(caught.value)
        async with files.stream(Files.caught) as s:
            s.fail(OSError("disk"))
            assert await s.result() == "RemoteFault"
        assert statistics_of(nodes[1], "files").restarts == 0


@EVERYWHERE
@virtual
async def test_an_error_of_the_handlers_direction_leaves_it_its_value(place):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.give_up, 1) as s:
            assert await anext(s) == 1
            with pytest.raises(Refused):
                await anext(s)
            assert await s.result() == "done"
            with pytest.raises(Refused):
                await anext(s)


@EVERYWHERE
@virtual
async def test_what_befalls_a_stream_is_no_crash_also_in_a_group(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.stream(Files.grouped) as s:
            s.fail(OSError("disk"))
            with pytest.raises(RemoteFault, match="disk"):
                await s.result()
        assert statistics_of(nodes[1], "files").restarts == 0


@EVERYWHERE
@virtual
async def test_a_message_that_cannot_travel_is_the_senders_error_alone(place):
    async with place() as nodes:
        if place is files_here:
            pytest.skip("references stay as they are")
        async with files_of(nodes).stream(Files.echo) as s:
            with pytest.raises(EncodeError, match="cannot send the message"):
                await s.send([object()])
            with pytest.raises(MessageTooLarge):
                await s.send(["x" * 2**24])
            await s.send(1)
            assert await s.finish() == "all"


@virtual
async def test_a_result_that_cannot_travel_is_the_openers_fault_and_no_crash():
    class Odd(GenServer):
        @stream
        async def odd(self, out: Stream):
            return object()

        @stream
        async def late(self, out: Stream):
            self.caller.reply(1)

    async with pair(actors={"odd": Odd}) as (a, b):
        async with a.stream("odd@b", "odd") as s:
            with pytest.raises(RemoteFault, match="EncodeError"):
                await s.result()
        assert statistics_of(b, "odd").restarts == 0
        async with a.stream("odd@b", "late") as s:
            with pytest.raises(RemoteFault, match="by what it returns"):
                await s.result()


@EVERYWHERE
@virtual
async def test_a_handler_that_returns_takes_no_more(place):
    async with place() as nodes:
        async with files_of(nodes).stream(Files.read, 1) as s:
            with pytest.raises(StreamClosed):
                await send_often(s, b"x" * 1000, times=10_000)
            s.end()
            s.fail(ValueError())
            assert await s.finish() == 1


# Opening.


@EVERYWHERE
@virtual
async def test_a_stream_that_cannot_be_opened_says_why(place):
    async with place() as nodes:
        node, where = nodes[0], nodes[1].name
        files = files_of(nodes)
        asked = [
            (node.stream(f"nobody@{where}", "read"), NoSuchActor, "nobody"),
            (node.stream(f"files@{where}", "raed"), NoSuchHandler, "mean read"),
            (node.stream(f"files@{where}", "_private"), NoSuchHandler, "_private"),
            (node.stream(f"files@{where}", "init"), NoSuchHandler, "init"),
            (node.stream(f"files@{where}", "ping"), NoSuchHandler, "a call, not"),
            (node.stream(f"files@{where}", "note", 1), NoSuchHandler, "a cast, not"),
            (node.stream(f"files@{where}", "wait", 1, 2), BadArguments, "too many"),
            (node.stream(f"files@{where}", "wait", x=1), BadArguments, "x"),
        ]
        for opening, error, text in asked:
            with pytest.raises(error, match=text):
                async with opening as s:
                    await s.result()
        with pytest.raises(NoSuchHandler, match="a stream, not a call"):
            await files.call(Files.read)
        with pytest.raises(NoSuchHandler, match="a stream, not a call"):
            await node.call(f"files@{where}", "read")
        await files.cast(Files.read)
        assert await files.call(Files.ping) == "pong"
        assert statistics_of(nodes[1], "files").dropped == 1
        await until(lambda: at_rest(nodes))


@virtual
async def test_mistakes_in_naming_a_stream_are_told_at_once():
    async with alone(actors={"files": Files}) as node:
        files = node.ref(Files, "files")
        with pytest.raises(TypeError, match="not marked @stream"):
            files.stream(print)
        with pytest.raises(TypeError, match="takes a handler"):
            files.stream("read")
        with pytest.raises(TypeError, match="'read'; references take"):
            node.stream("files", Files.read)
        with pytest.raises(ConfigError):
            node.stream("files", "read", timeout=-1)
        with pytest.raises(NodeUnknown):
            async with node.stream("files@nowhere", "read"):
                pass
        with pytest.raises(NoSuchHandler):
            async with node.ref(Counter, "files").stream(Counter.add, 1) as s:
                await s.result()
        with pytest.raises(ConfigError, match="async function"):
            stream(print)


@EVERYWHERE
@virtual
async def test_a_stream_is_open_in_its_block_only_and_once(place):
    async with place() as nodes:
        s = files_of(nodes).stream(Files.read, 1)
        for use in (s.send, lambda _: anext(s), lambda _: s.result()):
            with pytest.raises(RuntimeError, match="async with"):
                await use(b"x")
        async with s:
            assert await s.result() == 1
        for use in (s.send, lambda _: anext(s), lambda _: s.result()):
            with pytest.raises(StreamClosed, match="left"):
                await use(b"x")
        with pytest.raises(RuntimeError, match="once"):
            async with s:
                pass


@EVERYWHERE
@virtual
async def test_a_stream_comes_in_its_turn_and_holds_nobody_up(place):
    async with place() as nodes:
        files = files_of(nodes)
        await files.cast(Files.note, "first")
        async with files.stream(Files.wait, 10):
            await files.cast(Files.note, "last")
            assert await files.call(Files.ping) == "pong"
            await until(lambda: "wait begins" in server_of(nodes).log)
        log = await files.call(Files.read_log)
        assert log[0] == "first"
        assert "last" in log


@EVERYWHERE
@virtual
async def test_from_a_cancelled_scope_nothing_is_opened(place):
    async with place() as nodes:
        with trio.CancelScope() as scope:
            scope.cancel()
            async with files_of(nodes).stream(Files.wait):
                pass
        await trio.testing.wait_all_tasks_blocked()
        assert server_of(nodes).log == []
        assert at_rest(nodes)


@virtual
async def test_a_serial_handler_cannot_open_a_stream_to_its_own_actor():
    async with alone(actors={"files": Files}) as node:
        with pytest.raises(RemoteFault, match="CallingSelf"):
            await node.call("files", "open_own")
        assert CallingSelf.code == "calling_self"


@virtual
async def test_a_concurrent_handler_may_open_a_stream_to_its_own_actor():
    class Twin(GenServer):
        @stream
        async def inner(self, out: Stream):
            await out.send("inner")

        @stream
        async def outer(self, out: Stream):
            async with self.ref.stream(Twin.inner) as s:
                async for message in s:
                    await out.send(message)

    async with alone(actors={"twin": Twin}) as node:
        async with node.stream("twin", "outer") as s:
            assert await s.collect() == ["inner"]


@EVERYWHERE
@virtual
async def test_streams_that_run_count_in_the_mailbox(place):
    class Small(Files):
        mailbox = 4

    async with place() as nodes:
        user, host = nodes
        small = await host.start("small", Small)
        small = user.ref(Small, "small", at=host.name)
        async with trio.open_nursery() as nursery:
            full = []

            async def hold():
                try:
                    async with small.within(1000).stream(Files.wait) as s:
                        await s.result()
                except MailboxFull:
                    full.append(1)

            for _ in range(20):
                nursery.start_soon(hold)
            await trio.sleep(1)
            running = len(host._runtime.local("small").beside)
            assert 4 <= running <= 8
            assert len(full) == 20 - running
            nursery.cancel_scope.cancel()
        await trio.sleep(1)
        assert await small.call(Files.ping) == "pong"


# Leaving.


@EVERYWHERE
@virtual
async def test_leaving_the_block_cancels_the_handler(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.stream(Files.pour) as s:
            async for _ in s:
                break
        await until(lambda: server_of(nodes).log == ["pour begins", "pour Cancelled"])
        with pytest.raises(ValueError, match="mine"):
            await failing_use(files)
        await until(
            lambda: server_of(nodes).log[2:] == ["write begins", "write Cancelled"]
        )
        await until(lambda: at_rest(nodes))
        assert await files.call(Files.ping) == "pong"


async def failing_use(files):
    async with files.stream(Files.write) as s:
        await s.send(b"x")
        raise ValueError("mine")


@EVERYWHERE
@virtual
async def test_leaving_before_the_actor_came_to_it_takes_it_back(place):
    async with place() as nodes:
        host = nodes[1]
        files = files_of(nodes)
        host.pause("files")
        async with files.stream(Files.wait):
            await trio.sleep(1)
        await trio.sleep(1)
        host.resume("files")
        assert await files.call(Files.read_log) == []
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_a_cancelled_user_cancels_the_handler(place):
    async with place() as nodes:
        with trio.move_on_after(1):
            async with files_of(nodes).stream(Files.wait) as s:
                await s.result()
        await until(lambda: server_of(nodes).log == ["wait begins", "wait Cancelled"])
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_a_wait_that_is_cancelled_loses_nothing(place):
    async with place() as nodes, files_of(nodes).stream(Files.echo) as s:
        with trio.move_on_after(1):
            await anext(s)
        with trio.move_on_after(1):
            await s.result()
        for number in range(3):
            await s.send(number)
        s.end()
        assert await s.collect() == [0, 1, 2]


# Patience.


@EVERYWHERE
@virtual
async def test_nobody_waits_longer_than_the_patience_with_nothing_moving(place):
    async with place() as nodes:
        files = files_of(nodes)
        for patient, seconds in ((files, 30), (files.within(3), 3)):
            for use in (anext, lambda s: s.finish(), lambda s: s.collect()):
                async with patient.stream(Files.wait) as s:
                    began = trio.current_time()
                    with pytest.raises(StreamTimeout, match=f"{seconds} s"):
                        await use(s)
                    waited = trio.current_time() - began
                    assert waited == pytest.approx(seconds, abs=0.1)
                    with pytest.raises(StreamTimeout):
                        await s.send(b"x")
                await until(lambda: server_of(nodes).log[-1] == "wait Cancelled")
        await until(lambda: at_rest(nodes))


@EVERYWHERE
@virtual
async def test_what_moves_in_time_may_take_any_time(place):
    async with place() as nodes:
        async with files_of(nodes).within(1).stream(Files.write, pause=0.9) as s:
            for _ in range(60):
                await s.send(b"x" * CHUNK_BYTES)
                await trio.sleep(0.5)
            s.end()
            while not s._end.over:  # a result is not expected so soon
                await trio.sleep(1)
            assert len(await s.result()) == 60


@EVERYWHERE
@virtual
async def test_a_sender_waits_for_its_reader_as_long_as_the_patience(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.within(2).stream(Files.write, pause=math.inf) as s:
            with pytest.raises(StreamTimeout):
                await s.send(bytes(2**20))
        async with files.within(2).stream(Files.pour) as s:
            await trio.sleep(3)
            with pytest.raises(StreamTimeout):  # of the handler, which let it pass
                await s.collect()
        log = server_of(nodes).log
        await until(lambda: len(log) == 4)
        assert log[-1] == "pour StreamTimeout"
        assert statistics_of(nodes[1], "files").restarts == 0


@EVERYWHERE
@virtual
async def test_a_handler_that_gets_nothing_gives_up_and_its_actor_lives(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with files.within(2).stream(Files.write) as s:
            await trio.sleep(3)
            with pytest.raises(StreamTimeout):
                await s.result()
        assert server_of(nodes).log == ["write begins", "write StreamTimeout"]
        assert statistics_of(nodes[1], "files").restarts == 0
        assert await files.call(Files.ping) == "pong"


@EVERYWHERE
@virtual
async def test_patience_without_end_waits(place):
    async with place() as nodes:
        patient = files_of(nodes).within(math.inf)
        async with patient.stream(Files.wait, 300) as s:
            assert await s.finish() == 300


# The end of an actor, and of a node.


@EVERYWHERE
@virtual
async def test_a_stop_lets_streams_come_to_their_end(place):
    async with place() as nodes:
        files = files_of(nodes)
        async with trio.open_nursery() as nursery:
            async with files.stream(Files.write) as s:
                await s.send(b"before")
                await files.call(Files.ping)
                nursery.start_soon(nodes[1].stop, "files")
                await trio.sleep(1)
                async with files.stream(Files.read) as late:
                    with pytest.raises(ActorDown):
                        await late.result()
                await s.send(b"after")
                assert await s.finish() == [b"before", b"after"]


@EVERYWHERE
@virtual
async def test_a_stop_cuts_streams_that_do_not_end(place):
    async with place() as nodes:
        server = server_of(nodes)
        async with trio.open_nursery() as nursery:
            async with files_of(nodes).stream(Files.pour) as s:
                assert await anext(s)
                nursery.start_soon(nodes[1].stop, "files")
                with pytest.raises(ActorDown):
                    await drain(s, pause=0.01)
        assert server.log == ["pour begins", "pour Cancelled", "terminate shutdown"]
        await until(lambda: at_rest(nodes))


@virtual
async def test_the_end_of_the_hosts_node_ends_its_streams():
    async with files_there() as (a, b):
        async with a.stream("files@b", "pour") as s:
            assert await anext(s)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(b.shutdown)
                with pytest.raises(ActorDown):
                    await drain(s, pause=0.01)


@virtual
async def test_the_end_of_the_openers_node_ends_its_streams():
    async with files_there() as (a, b):
        server = server_of((a, b))
        async with a.stream("files@b", "wait"):
            await a.call("files@b", "ping")
            await a.shutdown()
            await until(lambda: server.log == ["wait begins", "wait Cancelled"])


# What is not a stream's.


@virtual
async def test_a_handler_is_a_plain_method_of_an_instance():
    class Fake:
        def __init__(self):
            self.sent = []

        async def send(self, message):
            self.sent.append(message)

    out = Fake()
    assert await Files().read(out, 1, 2) == 2
    assert out.sent == [1, 2]
    assert repr(Files.read) == "<stream read>"


@virtual
async def test_an_override_without_the_mark_is_no_stream():
    class Bare(Files):
        async def read(self):
            return 1

        @call
        async def write(self):
            return 2

    async with alone(actors={"bare": Bare}) as node:
        for name in ("read", "write"):
            async with node.stream("bare", name) as s:
                with pytest.raises(NoSuchHandler):
                    await s.result()
