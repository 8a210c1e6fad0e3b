"""Large records on a session: pieces out, wholes in, and a window kept free."""

from __future__ import annotations

from math import inf

import msgpack
import pytest

from clusterkit.wire import messages as m
from clusterkit.wire.assembly import LEAST_PIECE, Assembly, Room
from clusterkit.wire.bulk import PIECE
from clusterkit.wire.conversation import Conversations, Settled
from clusterkit.wire.intake import MOST_REFUSALS
from clusterkit.wire.session import FRAME_LIMIT
from clusterkit.wire.streams import ASKED, OPENER

from .playbook import call, cast, sealed, talk

LARGE = cast("x" * (2 * PIECE))
WIDE = {"window_bytes": 2**22}


def up(**how):
    return talk(**{**WIDE, **how}).says(ack=0)


def next_frame(play):
    """Return the records of the next frame, None if there is none."""
    frame = play.session.next_frame(play.now)
    if frame is None:
        return None
    play.said += 1
    assert len(frame) <= FRAME_LIMIT
    return msgpack.unpackb(frame[20:-32])


def pieces_of(record, number=1, *, size=PIECE):
    """Cut a record as the page on the protocol says it."""
    data = msgpack.packb(record)
    about = record[m.CALL_ID] if record[0] in m.ASKS else record[1]
    if record[0] in m.OF_STREAMS and record[m.SIDE] == ASKED:
        about = -1 - about
    for begin in range(0, len(data), size):
        part = data[begin : begin + size]
        rest = len(data) - begin - len(part)
        head = [] if begin else [record[0], about]
        yield [m.FRAGMENT, number, rest, part, *head]


# Out.


def test_a_large_record_leaves_in_pieces_which_are_numbered():
    play = up().queues(LARGE)
    frames = [next_frame(play) for _ in range(3)]
    assert [len(frame) for frame in frames] == [1, 1, 1]
    parts = b"".join(frame[0][m.PART] for frame in frames)
    assert msgpack.unpackb(parts) == LARGE
    assert play.outgoing.sent == 3
    assert next_frame(play) is None


def test_what_is_small_passes_between_the_pieces():
    play = up().queues(LARGE)
    next_frame(play)
    play.queues([m.CHOKE, "counter"], call(7))
    assert [record[0] for record in next_frame(play)] == [m.CHOKE, m.CALL]
    assert [record[0] for record in next_frame(play)] == [m.FRAGMENT]


def test_a_ping_passes_between_the_pieces():
    play = up().queues(LARGE)
    play.session.say_ping()
    assert [record[0] for record in next_frame(play)] == [m.PING, m.FRAGMENT]


def test_bulk_leaves_half_of_the_window_to_the_others():
    play = up(window_bytes=2 * PIECE).queues(LARGE)
    next_frame(play)
    assert not play.session.has_work
    assert next_frame(play) is None
    play.queues(cast(1, "other")).says(cast(1, "other"))
    play.hears(ack=1)
    assert next_frame(play)[0][0] == m.FRAGMENT


def test_a_cut_resends_the_pieces_that_were_not_acknowledged():
    play = up().queues(LARGE)
    sent = [next_frame(play)[0] for _ in range(2)]
    play.hears(ack=1)
    play.outgoing.resume(1)
    again = talk(talk=play.conversations, **WIDE)
    assert next_frame(again) == [sent[1]]
    assert next_frame(again)[0][m.REST] == 0


@pytest.mark.parametrize("written", [1, 2])
def test_a_record_that_is_not_all_sent_goes_on_whole_in_a_new_conversation(written):
    play = up().queues(LARGE)
    for _ in range(written):
        next_frame(play)
    settled = begin_anew(play.conversations)
    assert not [entry for entry in settled.lost if entry.kind != m.FRAGMENT]
    again = talk(talk=play.conversations, **WIDE)
    parts = [next_frame(again)[0][m.PART] for _ in range(3)]
    assert msgpack.unpackb(b"".join(parts)) == LARGE


def test_a_record_that_is_all_sent_is_lost_once():
    play = up().queues(LARGE)
    for _ in range(3):
        next_frame(play)
    lost = begin_anew(play.conversations).lost
    assert [entry.kind for entry in lost] == [m.FRAGMENT, m.FRAGMENT, m.CAST]


def begin_anew(conversations):
    """Have the peer hold none of our conversation."""
    settled = Settled()
    conversations._begin(99, settled)
    return settled


# In.


def test_a_record_is_delivered_when_its_last_piece_has_come():
    play = up()
    pieces = list(pieces_of(LARGE))
    play.hears(pieces[0]).delivers().hears(pieces[1]).delivers()
    play.hears(pieces[2]).delivers(LARGE)
    assert play.conversations.received == 3


def test_its_size_is_its_own():
    play = up()
    for piece in pieces_of(LARGE):
        play.hears(piece)
    ((_, size),) = play.batches
    assert size == len(msgpack.packb(LARGE))


def test_records_of_one_frame_are_delivered_in_their_order():
    first, *middle, last = pieces_of(LARGE, size=LEAST_PIECE * 8)
    play = up()
    play.hears(cast(1), first, cast(2))
    play.delivers(cast(1), cast(2))
    for piece in middle:
        play.hears(piece).delivers()
    play.hears(cast(3), last, cast(4)).delivers(cast(3), LARGE, cast(4))
    assert play.conversations.received == len(middle) + 6


def test_pieces_go_on_after_a_cut():
    play = up()
    pieces = list(pieces_of(LARGE))
    play.hears(pieces[0])
    again = talk(talk=play.conversations, **WIDE)
    again.hears(pieces[1]).hears(pieces[2]).delivers(LARGE)


def test_pieces_are_forgotten_with_their_conversation():
    play = up()
    pieces = list(pieces_of(LARGE))
    play.hears(pieces[0])
    play.conversations.lose()
    talk(talk=play.conversations, **WIDE).breaks(pieces[1])


@pytest.mark.parametrize(
    "whole",
    [
        [m.PING, 1],
        [m.CANCEL, 1],
        [m.CALL, 1],
        "text",
        [99, "x"],
        [m.FRAGMENT, 2, 0, b"x"],
    ],
    ids=["ping", "cancel", "malformed", "text", "unknown", "fragment"],
)
def test_pieces_of_what_may_not_come_in_pieces_end_the_session(whole):
    data = msgpack.packb(whole)
    up().breaks([m.FRAGMENT, 1, 0, data, m.CALL, 7])


def test_pieces_of_what_is_no_msgpack_end_the_session():
    up().breaks([m.FRAGMENT, 1, 0, b"\xc1", m.CALL, 7])


def test_a_bad_value_in_pieces_costs_its_message_only():
    record = call(7, msgpack.ExtType(99, b"x" * PIECE))
    play = up()
    for piece in pieces_of(record):
        play.hears(piece).delivers()
    (fault,) = next_frame(play)
    assert fault[:3] == [m.FAULT, 7, "badarg"]


def test_a_record_that_is_too_large_ends_the_session():
    play = up(max_message=PIECE)
    play.breaks(next(pieces_of(LARGE)), reason="size")


# Without room.


def full(*records):
    """Hear the first pieces of records while others have taken the room."""
    room = Room(1)
    others = next(pieces_of(LARGE))
    Assembly(room).take(others, max_message=10 * PIECE, now=0.0)
    play = talk(talk=Conversations(room), **WIDE).says()
    for number, record in enumerate(records, 1):
        play.hears(next(pieces_of(record, number)))
    return play


def handed_up(play):
    """Return what the last step brought, a Fault without its text."""
    ((records, _),) = play.batches
    return [record[:3] if record[0] == m.FAULT else record for record in records]


def test_a_call_that_finds_no_room_is_answered_busy():
    play = full(call(7, "x" * PIECE))
    assert handed_up(play) == [[m.CROWDED, m.CALL, 7]]
    (fault,) = next_frame(play)
    assert fault[:3] == [m.FAULT, 7, "busy"]


def test_a_cast_that_finds_no_room_is_told_refused():
    play = full(LARGE)
    assert handed_up(play) == [[m.CROWDED, m.CAST, "counter"]]
    assert next_frame(play) == [[m.REFUSED, "counter", 1]]


def test_an_answer_that_finds_no_room_ends_its_call():
    play = full([m.REPLY, 7, "x" * PIECE])
    assert handed_up(play) == [[m.CROWDED, m.REPLY, 7], [m.FAULT, 7, "fault"]]


def test_a_cast_without_room_to_what_can_be_no_actor_is_only_counted():
    name = "n" * 1000
    play = full([m.CAST, name, "event", ["x" * PIECE], None])
    assert handed_up(play) == [[m.CROWDED, m.CAST, name]]
    assert next_frame(play) == []


def test_a_peer_that_reads_nothing_is_told_of_so_many_casts_without_room():
    play = full()
    play.queues(*[[m.CHOKE, "counter"]] * MOST_REFUSALS)
    play.hears(next(pieces_of(LARGE)))
    assert handed_up(play) == [[m.CROWDED, m.CAST, "counter"]]
    assert len(play.conversations.outbox) == MOST_REFUSALS


def test_an_open_that_finds_no_room_is_answered_busy():
    play = full([m.OPEN, "files", "read", ["x" * PIECE], None, 7, 0, 1])
    assert handed_up(play) == [[m.CROWDED, m.OPEN, 7]]
    (fault,) = next_frame(play)
    assert fault[:3] == [m.FAULT, 7, "busy"]


CHUNK = b"x" * PIECE


@pytest.mark.parametrize("rest", [[1, CHUNK], ["fault", [CHUNK]]], ids=["Chunk", "End"])
def test_a_stream_whose_opener_finds_no_room_ends_at_both_ends(rest):
    kind = m.CHUNK if rest[0] == 1 else m.END
    play = full([kind, 7, OPENER, *rest])
    assert handed_up(play) == [[m.CROWDED, kind, 7], [m.CANCEL, 7]]
    (fault,) = next_frame(play)
    assert fault[:3] == [m.FAULT, 7, "stream"]


@pytest.mark.parametrize("rest", [[1, CHUNK], ["fault", [CHUNK]]], ids=["Chunk", "End"])
def test_a_stream_whose_handler_finds_no_room_ends_at_both_ends(rest):
    kind = m.CHUNK if rest[0] == 1 else m.END
    play = full([kind, 7, ASKED, *rest])
    assert handed_up(play) == [[m.CROWDED, kind, -8], [m.FAULT, 7, "stream"]]
    assert next_frame(play) == [[m.CANCEL, 7]]


# Frames that never end.


def test_a_frame_may_take_its_time_but_not_for_ever():
    play = up(frame_timeout=10.0, dead_after=3.0)
    frame = play.frame(cast(1))
    for second in range(9):
        play.at(float(second)).hears_bytes(frame[second : second + 1])
        assert play.session.on_time(play.now)
    play.at(9.9).hears_bytes(frame[9:10])
    assert play.session.next_deadline() == pytest.approx(10.0)
    assert not play.session.on_time(10.0)


def test_a_frame_that_has_come_whole_starts_the_time_anew():
    play = up(frame_timeout=10.0, dead_after=100.0, ping_after=50.0)
    frame = play.frame(cast(1))
    play.hears_bytes(frame[:5]).at(9.0).hears_bytes(frame[5:]).delivers(cast(1))
    assert play.session.on_time(11.0)
    another = play.frame(cast(2))
    play.at(20.0).hears_bytes(another[:5])
    assert play.session.on_time(29.9)
    assert not play.session.on_time(30.0)


def test_a_frame_begun_in_the_same_breath_as_another_ended_has_its_own_time():
    play = up(frame_timeout=10.0, dead_after=100.0, ping_after=50.0)
    first, second = play.frame(cast(1)), play.frame(cast(2))
    play.hears_bytes(first[:5]).at(9.0).hears_bytes(first[5:] + second[:5])
    assert play.session.on_time(18.9)
    assert not play.session.on_time(19.0)


def test_a_length_over_the_limit_of_frames_ends_the_session():
    header = (FRAME_LIMIT + 1).to_bytes(4, "big")
    up().breaks_at(header + b"x" * 100, reason="size")


def test_a_frame_of_the_limit_is_taken():
    key = b"key l>d".ljust(32)
    padding = FRAME_LIMIT - len(sealed(key, 0, 0, msgpack.packb([cast("")]))) + 4
    body = msgpack.packb([cast("x" * (padding - 4))])
    play = up()
    frame = sealed(key, 0, 0, body)
    assert len(frame) == FRAME_LIMIT + 4
    play.hears_bytes(frame)
    assert len(play.batches) == 1


def test_no_time_is_kept_while_no_frame_is_begun():
    assert up(ping_after=inf, dead_after=inf).session.next_deadline() == inf
