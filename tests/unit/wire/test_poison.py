"""A value that cannot be taken costs its message, never the session (B8)."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack
import pytest

from clusterkit.wire import extensions as ext, intake, messages as m
from clusterkit.wire.codec import MAX_DEPTH, Codec
from clusterkit.wire.extensions import register

from .playbook import call, cast, talk

UNKNOWN = msgpack.ExtType(99, b"\xc0")
REASON = "extension type 99: ValueError: not known here"
UNTAKEN = [m.UNTAKEN, cast(0)[m.ACTOR]]
DEEPER = "nested deeper than 64"


def nest(levels, wrap=lambda value: [value]):
    value = 0
    for _ in range(levels):
        value = wrap(value)
    return value


def fault(call_id, reason):
    return [m.FAULT, call_id, "badarg", [reason]]


BAD = {
    "unknown type": (UNKNOWN, REASON),
    "in a list": ([1, [UNKNOWN]], REASON),
    "in a map": ({"k": UNKNOWN}, REASON),
    "as a key": ({UNKNOWN: 1}, REASON),
    "in a tuple": (msgpack.ExtType(ext.TUPLE, msgpack.packb([UNKNOWN])), REASON),
    "too deep": (nest(MAX_DEPTH + 1), DEEPER),
    "too deep in maps": (nest(MAX_DEPTH + 1, lambda v: {"k": v}), DEEPER),
    "deep enough for a stack": (nest(500), DEEPER),
}
EACH = pytest.mark.parametrize(("value", "reason"), BAD.values(), ids=BAD)


@EACH
def test_a_call_with_a_bad_argument_is_answered_badarg(value, reason):
    play = talk().says().hears(call(7, 1, value)).delivers()
    play.says(fault(7, reason), ack=1).is_silent()


@EACH
def test_a_call_with_a_bad_keyword_argument_is_answered_badarg(value, reason):
    play = talk().says().hears(call(7, by=value)).delivers()
    play.says(fault(7, reason), ack=1)


@EACH
def test_of_a_cast_with_a_bad_argument_only_the_loss_is_delivered(value, reason):
    play = talk().says().hears(cast(value)).delivers(UNTAKEN).is_silent()
    assert play.conversations.received == 1


@EACH
def test_a_reply_with_a_bad_value_becomes_a_fault(value, reason):
    play = talk().says().hears([m.REPLY, 7, value])
    play.delivers([m.FAULT, 7, "fault", ["Undecodable", reason]])


@EACH
def test_a_fault_with_a_bad_detail_still_ends_its_call(value, reason):
    play = talk().says().hears([m.FAULT, 7, "rejected", ["overdrawn", [value]]])
    play.delivers([m.FAULT, 7, "fault", ["Undecodable", reason]])


@EACH
def test_an_open_with_a_bad_argument_is_answered_badarg(value, reason):
    record = [m.OPEN, "files", "read", [1, value], None, 7, 0, 1]
    play = talk().says().hears(record).delivers()
    play.says(fault(7, reason), ack=1).is_silent()


@EACH
def test_an_end_with_a_bad_detail_still_ends_its_direction(value, reason):
    play = talk().says().hears([m.END, 7, 0, "rejected", ["overdrawn", [value]]])
    play.delivers([m.END, 7, 0, "fault", ["Undecodable", reason]])


@EACH
def test_its_neighbours_are_delivered(value, reason):
    play = (
        talk().says().hears(cast(1), call(2, value), call(3, 4), cast(value), cast(5))
    )
    play.delivers(cast(1), call(3, 4), UNTAKEN, cast(5))
    assert play.conversations.received == 5


@EACH
def test_the_session_goes_on(value, reason):
    talk().says().hears(call(7, value)).hears(cast(1)).delivers(cast(1))


@EACH
def test_a_bad_value_in_a_field_of_a_later_version_is_ignored(value, reason):
    play = talk().says().hears([*call(7, 1), value], [*cast(2), value])
    assert [record[:5] for record in play.batches[0][0]] == [call(7, 1)[:5], cast(2)]


@pytest.mark.parametrize("levels", [1, MAX_DEPTH - 1, MAX_DEPTH])
@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"k": v}])
@pytest.mark.parametrize(
    "record",
    [
        cast,
        lambda value: call(7, value),
        lambda value: call(7, by=value),
        lambda value: [m.REPLY, 7, value],
        lambda value: [m.FAULT, 7, "rejected", value],
    ],
    ids=["cast", "call", "keyword", "reply", "fault"],
)
def test_a_value_of_the_greatest_depth_is_delivered(record, wrap, levels):
    value = nest(levels, wrap)
    if record(0)[0] == m.FAULT:
        value = [nest(levels - 1, wrap)]
    talk().says().hears(record(value)).delivers(record(value))


def test_bad_values_nested_beyond_any_stack_are_no_protocol_error():
    # Each extension value brings room for a thousand lists of its own.
    value = 0
    for _ in range(60):
        lists = b"\x91" * 900 + msgpack.packb(value)
        value = msgpack.ExtType(ext.TUPLE, b"\x91" + lists)
    play = talk(max_message=2**22).says().hears(call(7, [value]))
    play.delivers().says(fault(7, DEEPER))


def test_a_frame_of_bad_calls_only_is_no_batch():
    play = talk().says().hears(call(1, UNKNOWN), call(2, UNKNOWN))
    assert play.batches == []


def test_what_stands_for_a_lost_cast_is_nothing_that_a_peer_could_say():
    assert not m.well_formed(UNTAKEN)
    assert m.CAST < m.CROWDED < m.UNTAKEN < m.UNNUMBERED


def test_a_bad_value_is_looked_for_in_its_own_frame_only():
    codec = Codec(2**20)
    play = talk(codec=codec).says().hears([m.PING, 1, UNKNOWN]).says([m.PONG, 1])
    assert not codec.take_undecodable()
    play.hears(cast(1)).delivers(cast(1))


@register
@dataclass
class Choosy:
    n: int

    def __post_init__(self):
        raise ValueError(f"{self.n!r} \ud800" + "x" * 2**20)


def test_the_answer_is_small_whatever_the_value_was():
    value = msgpack.ExtType(ext.RECORD, msgpack.packb(["Choosy", {"n": "x" * 2**17}]))
    play = talk(max_message=2**22).says().hears(call(7, value))
    assert len(play.session.next_frame(0.0)) < 500


def test_answers_stay_behind_what_waits_already():
    play = talk().says().queues(cast(1)).hears(call(7, UNKNOWN))
    play.says(cast(1), fault(7, REASON))


def test_an_answer_to_a_bad_call_survives_a_cut():
    play = talk().says().hears(call(7, UNKNOWN)).says(fault(7, REASON))
    play.outgoing.resume(0)
    talk(talk=play.conversations).says(fault(7, REASON), ack=1)


def test_answers_to_a_peer_that_reads_none_are_bounded(monkeypatch):
    monkeypatch.setattr(intake, "MOST_REFUSALS", 5)
    play = talk()
    play.hears(*(call(number, [UNKNOWN]) for number in range(10)))
    assert len(play.conversations.outbox) == 5
