"""One connection's life: sealed frames, windows, acks, and its clock."""

from __future__ import annotations

import msgpack
import pytest

from clusterkit.wire import messages as m
from clusterkit.wire.session import BATCH_BYTES

from .playbook import OURS, Talk, call, cast, sealed, talk

PING, BYE = [m.PING, 1], [m.BYE]


def pong(token):
    return [m.PONG, token]


def up(**limits):
    """Return a dialer's session that has said its first, empty frame."""
    return talk(**limits).says(ack=0)


def size_of(*records):
    return sum(len(msgpack.packb(record)) for record in records)


# Who speaks first (B5, rule 6).


def test_the_dialers_first_frame_goes_out_at_once_though_empty():
    talk().says(ack=0).is_silent()


def test_the_dialers_first_frame_takes_along_what_waits():
    talk().queues(cast(1)).says(cast(1)).is_silent()


def test_the_listener_numbers_nothing_before_the_dialers_first_frame():
    play = talk(speaks_first=False).queues(cast(1)).is_silent()
    assert play.outgoing.sent == 0
    play.hears().says(cast(1))


def test_the_listener_sends_nothing_again_before_the_dialers_first_frame():
    first = up().queues(cast(1)).says(cast(1))
    first.conversations.outgoing.resume(0)
    play = talk(speaks_first=False, talk=first.conversations).is_silent()
    play.hears().says(cast(1))


def test_a_frame_that_is_not_valid_does_not_let_the_listener_speak():
    play = talk(speaks_first=False).queues(cast(1))
    play.breaks(key=b"?" * 32, reason="seal").is_silent()


# Frames out.


def test_everything_that_waits_goes_into_one_frame():
    up().queues(cast(1), call(2), cast(3)).says(cast(1), call(2), cast(3)).is_silent()


def test_frames_are_filled_to_their_bound_and_no_further():
    play = up(window_bytes=2**20)
    each = cast("x" * 10_000)
    fit = BATCH_BYTES // size_of(each)
    play.queues(*[each] * (fit + 1)).says(*[each] * fit).says(each).is_silent()


def test_a_record_as_large_as_a_batch_gets_a_frame_of_its_own():
    large = cast("x" * (BATCH_BYTES - 30))
    play = up(window_bytes=2**20).queues(cast(1), large, cast(3))
    play.says(cast(1)).says(large).says(cast(3))


def test_records_of_a_frame_are_numbered_together():
    play = up().queues(cast(1), cast(2)).says(cast(1), cast(2))
    assert (play.outgoing.sent, play.outgoing.unacked) == (2, 2)


def test_the_connections_own_records_have_no_number():
    play = up()
    play.session.say_ping()
    play.says(PING)
    assert play.outgoing.sent == 0


# Windows.


def test_the_window_of_records_stops_the_sender():
    play = up(window_records=2).queues(cast(1), cast(2), cast(3))
    play.says(cast(1), cast(2)).is_silent()


def test_the_window_of_bytes_stops_the_sender():
    play = up(window_bytes=size_of(cast(1)) + 1).queues(cast(1))
    play.says(cast(1)).queues(cast(2)).says(cast(2)).queues(cast(3)).is_silent()


def test_an_ack_opens_the_window():
    play = up(window_records=2).queues(cast(1), cast(2), cast(3))
    play.says(cast(1), cast(2)).hears(ack=1).says(cast(3)).is_silent()


def test_a_full_window_still_lets_acks_and_pongs_out():
    play = up(window_records=1).queues(cast(1), cast(2)).says(cast(1))
    play.hears(PING).says(pong(1))


def test_what_is_sent_again_does_not_wait_for_the_window():
    first = up(window_records=2).queues(cast(1), cast(2)).says(cast(1), cast(2))
    first.outgoing.resume(0)
    play = talk(talk=first.conversations, window_records=2)
    play.says(cast(1), cast(2)).is_silent()


# Resending.


def cut(play, received, **how):
    """Cut the connection; the next one begins where the peer is."""
    play.outgoing.resume(received)
    return Talk(talk=play.conversations, **how)


def test_after_a_cut_only_what_the_peer_lacks_is_sent_again():
    play = up().queues(cast(1), cast(2)).says(cast(1), cast(2))
    play.queues(cast(3)).says(cast(3))
    cut(play, received=1).says(cast(2)).says(cast(3)).is_silent()


def test_what_was_acked_before_the_cut_is_not_sent_again():
    play = up().queues(cast(1), cast(2), cast(3)).says(cast(1), cast(2), cast(3))
    play.hears(ack=2)
    cut(play, received=2).says(cast(3)).is_silent()


def test_new_records_come_after_those_sent_again():
    play = up().queues(cast(1)).says(cast(1)).queues(cast(2))
    cut(play, received=0).says(cast(1)).says(cast(2)).is_silent()


def test_an_ack_of_what_is_not_yet_sent_again_is_a_protocol_error():
    play = up().queues(cast(1)).says(cast(1)).queues(cast(2)).says(cast(2))
    cut(play, received=0).says(cast(1)).hears(ack=1).breaks(ack=2)


def test_an_ack_that_arrives_while_resending_covers_the_part_it_names():
    play = up().queues(cast(1), cast(2)).says(cast(1), cast(2))
    again = cut(play, received=0).says(cast(1), cast(2)).hears(ack=1)
    assert (again.outgoing.acked, again.outgoing.unacked) == (1, 1)
    cut(again, received=1).says(cast(2)).is_silent()


# Frames in.


def test_records_are_delivered_in_order():
    up().hears(cast(1), call(2), cast(3)).delivers(cast(1), call(2), cast(3))


def test_each_frame_is_a_batch_with_its_size():
    play = up()
    frames = [play.frame(cast(1), cast(2)), play.frame(), play.frame(cast(3))]
    play.hears_bytes(b"".join(frames))
    assert play.batches == [
        ([cast(1), cast(2)], len(frames[0])),
        ([cast(3)], len(frames[2])),
    ]


def test_the_connections_own_records_are_not_delivered():
    up().hears(PING, cast(1), pong(1), BYE).delivers(cast(1))


def test_only_numbered_records_are_counted_as_received():
    play = up().hears(PING, cast(1), pong(1), cast(2))
    assert play.conversations.received == 2


def test_fields_of_a_later_version_are_delivered_unseen():
    up().hears([*call(1), {"traceparent": "x"}]).delivers(
        [*call(1), {"traceparent": "x"}]
    )


def test_what_came_before_a_bad_frame_stands():
    play = up()
    batches = play.session.receive_data(play.frame(cast(1)) + b"\xff" * 60, 0.0)
    assert next(batches)[0] == [cast(1)]
    with pytest.raises(Exception, match="over the limit"):
        next(batches)
    assert play.conversations.received == 1


# What ends a session.


@pytest.mark.parametrize(
    "record",
    [[0], [12, 1], [35], [m.CALL, "counter"], [m.PING], [m.PING, "x"], [None], 5, []],
    ids=str,
)
def test_a_record_of_unknown_kind_or_shape_ends_it(record):
    up().breaks(cast(1), record)


@pytest.mark.parametrize("body", [b"\xc0", b"\x80", b"\xc1", b"\x91", b"\x90\x90"])
def test_a_body_that_is_no_array_ends_it(body):
    up().breaks(body=body)


def test_a_frame_without_room_for_a_body_ends_it():
    up().breaks_at(sealed(OURS, 0, 0, b""), "size")


@pytest.mark.parametrize("length", [0, 1, 48])
def test_a_frame_shorter_than_its_overhead_ends_it(length):
    up().breaks_at(length.to_bytes(4, "big") + bytes(length), "size")


def test_a_length_over_the_limit_ends_it_before_the_bytes_come():
    play = up(max_message=2**20)
    play.breaks_at((2**20 + 1_025).to_bytes(4, "big"), "size")


def test_a_message_of_the_greatest_size_is_taken():
    play = up(max_message=2**17)
    largest = cast("")
    largest[m.ARGS] = ["x" * (2**17 - len(msgpack.packb(largest)) - 4)]
    assert len(msgpack.packb(largest)) == 2**17
    play.hears(PING, pong(2**64 - 1), largest).delivers(largest)


def test_a_small_limit_still_takes_full_batches():
    full = [cast(1)] * (BATCH_BYTES // size_of(cast(1)))
    up(max_message=100).hears(PING, pong(2**64 - 1), *full).delivers(*full)


@pytest.mark.parametrize("index", [0, 4, 12, 20, -1])
def test_a_changed_byte_ends_it(index):
    play = up()
    frame = bytearray(play.frame(cast(1)))
    frame[index] ^= 1
    # A changed length takes in other bytes, or waits for more.
    frame += bytes(2**24 if index == 0 else 0)
    play.breaks_at(bytes(frame), "size" if index == 0 else "seal")


def test_a_frame_sent_again_ends_it():
    play = up()
    frame = play.frame(cast(1))
    play.hears_bytes(frame).breaks_at(frame, "seal")


def test_a_frame_left_out_ends_it():
    play = up()
    play.frame(cast(1))
    play.breaks(cast(2), reason="seal")


def test_the_own_frame_reflected_ends_it():
    play = up().queues(cast(1))
    play.breaks_at(play.session.next_frame(0.0), "seal")


def test_a_frame_of_another_session_ends_it():
    up().breaks(cast(1), key=b"another session's".ljust(32), reason="seal")


def test_nothing_of_a_frame_with_a_wrong_seal_is_believed():
    play = up().queues(cast(1)).says(cast(1))
    play.breaks(cast(2), ack=1, key=b"?" * 32, reason="seal")
    assert (play.outgoing.acked, play.conversations.received) == (0, 0)


@pytest.mark.parametrize("ack", [3, 2**64 - 1])
def test_an_ack_of_what_was_never_sent_ends_it(ack):
    up().queues(cast(1), cast(2)).says(cast(1), cast(2)).breaks(ack=ack)


def test_an_ack_taken_back_ends_it():
    play = up().queues(cast(1), cast(2)).says(cast(1), cast(2)).hears(ack=2)
    play.breaks(ack=1)


# Acknowledging.


def test_an_ack_waits_its_time_for_a_frame_to_ride_on():
    play = up().at(1.0).hears(cast(1)).is_silent()
    assert play.session.ack_due == pytest.approx(1.02)
    play.is_due(1.02).says(ack=1).is_silent()


def test_a_frame_going_back_takes_the_ack_along():
    play = up().hears(cast(1)).queues(cast(2)).says(cast(2), ack=1)
    assert play.session.ack_due is None
    play.is_due(1.0).says(PING)


def test_the_first_of_several_frames_sets_the_time():
    play = up().at(1.0).hears(cast(1)).at(1.01).hears(cast(2))
    play.is_due(1.02).says(ack=2).is_silent()


def test_an_ack_does_not_wait_when_much_has_come():
    play = up(ack_bytes=200)
    while not play.session.has_work:
        assert play.conversations.received < 10
        play.hears(cast(1))
    assert play.conversations.received == -(-200 // play.batches[0][1])
    play.says(ack=play.conversations.received).is_silent()


def test_what_was_acked_no_longer_counts_as_much():
    play = up(ack_bytes=200).hears(cast(1)).queues(cast(2)).says(cast(2), ack=1)
    size = play.batches[0][1]
    for _ in range(200 // size):
        play.hears(cast(1)).is_silent()


def test_64_kib_in_one_frame_are_acked_at_once():
    up(max_message=2**20).hears(cast("x" * 2**16)).says(ack=1)


def test_frames_without_numbered_records_are_not_acked():
    play = up().hears().hears(pong(1)).is_silent()
    assert play.session.ack_due is None


def test_an_ack_that_is_due_is_asked_for_once_while_the_wire_is_blocked():
    # The shell cannot send: it must not be woken for the same ack for ever.
    play = up().at(1.0).hears(cast(1)).is_due(1.02)
    assert play.session.has_work
    assert play.session.next_deadline() > 1.5
    play.hears(cast(2))
    assert play.session.next_deadline() > 1.5
    play.says(ack=2)


# The clock.


def test_a_ping_is_sent_after_silence():
    up().at(0.4).hears().is_due(1.4).says(PING).is_silent()


def test_pings_go_on_and_are_numbered():
    up().is_due(1.0).says(PING).is_due(2.0).says([m.PING, 2])


def test_a_ping_is_answered_with_its_token():
    up().hears([m.PING, 77]).says(pong(77)).is_silent()


def test_answers_do_not_pile_up_while_the_peer_does_not_read():
    play = up()
    for token in range(1_000):
        play.hears(*[[m.PING, token]] * 3)
    play.says(pong(999)).is_silent()


def test_a_pong_needs_no_answer():
    up().hears(pong(1)).is_silent()


def test_any_byte_shows_that_the_peer_lives():
    play = up().at(2.5)
    play.hears_bytes(play.frame(cast(1))[:1])
    assert play.session.heard == 2.5
    assert play.session.on_time(5.4)


def test_a_peer_without_a_byte_is_dead_in_the_end():
    play = up().at(0.5).hears().is_due(1.5).is_due(2.5)
    assert play.session.next_deadline() == pytest.approx(3.5)
    assert play.session.on_time(3.49)
    assert not play.session.on_time(play.session.next_deadline())


@pytest.mark.parametrize("start", [0.1, 0.4, 0.7, 1.1, 4.3, 1e6 / 3])
def test_sums_that_round_do_not_make_it_miss_its_time(start):
    # 0.4 + 1.0 - 0.4 is less than 1.0, and 1.1 + 3.0 - 1.1 less than 3.0.
    play = up().at(start).hears().is_due(start + 1.0).says(PING)
    play.is_due(start + 2.0).says([m.PING, 2])
    assert not play.session.on_time(play.session.next_deadline())


def test_only_numbered_records_make_it_active():
    play = up().at(1.0).hears(PING).says(pong(1))
    assert play.session.active == 0.0
    play.at(2.0).hears(cast(1))
    assert play.session.active == 2.0
    play.at(3.0).queues(cast(2)).says(cast(2))
    assert play.session.active == 3.0


# Bye.


def test_bye_is_said_once():
    play = up()
    play.session.say_bye()
    play.says(BYE).is_silent()


def test_bye_is_heard_with_what_came_along():
    play = up().hears(BYE, cast(1)).delivers(cast(1))
    assert play.session.peer_left


def test_nobody_has_left_before_saying_so():
    assert not up().hears(cast(1)).session.peer_left


def test_has_work_tells_whether_there_is_a_frame_to_send():
    play = talk()
    assert play.session.has_work
    assert not play.says().session.has_work
    assert play.queues(cast(1)).session.has_work
    assert not play.says(cast(1)).session.has_work
    assert play.hears(PING).session.has_work


def test_nothing_with_a_number_follows_a_bye():
    play = up().queues(cast(1))
    play.session.say_bye()
    play.says([m.BYE]).is_silent()
    assert len(play.conversations.outbox) == 1
    assert play.outgoing.unacked == 0


def test_acks_and_pongs_still_follow_a_bye():
    play = up()
    play.session.say_bye()
    play.says([m.BYE]).hears([m.PING, 7]).says([m.PONG, 7])
