"""A request over HTTP is taken whole, by whom it is for, once, or not at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, strategies as st

from clusterkit.errors import ConfigError
from clusterkit.wire import http_judge
from clusterkit.wire.http_judge import WINDOW, Correspondent, Heard, Judge, Rejection
from clusterkit.wire.http_seal import (
    MAX_HEAD,
    MOST_TIME,
    Answer,
    HttpKeys,
    Request,
    Statement,
    read_request,
)

OLD, NEW = bytes(32), b"\x01" * 32
KEYS = HttpKeys([OLD])
LIFE, NONCE = b"L" * 16, b"N" * 16
URL = "https://bar.example/x"
NOW = 1_000.0
REQUEST = Request("ring", "foo", "bar", LIFE, int(NOW * 1000), NONCE, b"body")
NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=128).filter(
    lambda t: t[0].isalnum()
)
U64 = st.integers(0, 2**64 - 1)
SIXTEEN = st.binary(min_size=16, max_size=16)


def judge(ring="ring", name="bar", life=LIFE):
    return Judge(ring, name, life, URL)


def heard(request=REQUEST, keys=KEYS, now=NOW, by=None):
    return (by or judge()).hear(KEYS.seal(request), keys, now)


@given(NAMES, NAMES, NAMES | st.just(""), SIXTEEN, U64, SIXTEEN, st.binary())
def test_any_request_is_read_as_it_was_written(ring, foo, bar, life, time, nonce, body):
    request = Request(ring, foo, bar, life, time, nonce, body)
    sealed = KEYS.seal(request)
    assert len(sealed) <= MAX_HEAD + len(body)
    signed, key = KEYS.open(sealed)
    assert (read_request(signed), key) == (request, 0)


@given(SIXTEEN, st.integers(0, MOST_TIME), st.binary(), SIXTEEN, NAMES)
def test_any_reply_is_read_as_it_was_written(nonce, time, body, life, name):
    for reply in (Answer(nonce, time, body), Statement(nonce, time, life, name, URL)):
        assert KEYS.open_reply(KEYS.seal_reply(reply, 0), nonce) == reply


@given(st.integers(0, 2**64 - 1), st.floats(0, 1e9))
def test_whatever_time_is_replied_the_next_request_can_be_sealed(time, now):
    known = Correspondent()
    for reply in (Answer(NONCE, time, b""), Statement(NONCE, time, LIFE, "bar", "")):
        with suppress(ConfigError):
            known.heard(KEYS.open_reply(KEYS.seal_reply(reply, 0), NONCE), 0.0)
        assert KEYS.seal(known.request("ring", "foo", NONCE, b"", now))


def test_bytes_are_as_the_reference_says():
    sealed = KEYS.seal(REQUEST)
    head = b"ckh\x01\x00" + LIFE + (1_000_000).to_bytes(8) + NONCE
    assert sealed[:-32] == head + b"\x04ring\x03foo\x03bar" + b"body"


@given(st.data())
def test_a_request_with_one_bit_changed_is_forged(data):
    sealed = bytearray(KEYS.seal(REQUEST))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert judge().hear(bytes(sealed), KEYS, NOW) == Rejection("forged")


@given(st.data())
def test_a_request_cut_short_is_forged(data):
    sealed = KEYS.seal(REQUEST)
    end = data.draw(st.integers(0, len(sealed) - 1))
    assert judge().hear(sealed[:end], KEYS, NOW) == Rejection("forged")


@given(st.binary())
def test_garbage_is_forged(garbage):
    assert judge().hear(garbage, KEYS, NOW) == Rejection("forged")


@given(st.binary())
def test_nonsense_of_one_who_has_the_cookie_is_no_error(body):
    # A sealer of ours under the right key, around anything.
    sealed = body + KEYS._asking[0].tag(body)
    result = judge().hear(sealed, KEYS, NOW)
    assert isinstance(result, Rejection)
    answered = body + KEYS._answering[0].tag(body)
    with suppress(ConfigError):  # it says what it is
        KEYS.open_reply(answered, NONCE)


def test_an_answer_is_no_request_and_a_request_no_answer():
    answer = KEYS.seal_reply(Answer(NONCE, 0, b""), 0)
    assert judge().hear(answer, KEYS, NOW) == Rejection("forged")
    assert KEYS.open_reply(KEYS.seal(REQUEST), NONCE) is None


def test_an_answer_to_another_request_is_none():
    answer = KEYS.seal_reply(Answer(b"M" * 16, 0, b""), 0)
    assert KEYS.open_reply(answer, NONCE) is None


def test_a_request_is_taken_once():
    bar = judge()
    assert heard(by=bar) == Heard(REQUEST, 0)
    assert heard(by=bar) == Rejection("replayed")
    again = replace(REQUEST, nonce=b"M" * 16)
    assert heard(again, by=bar) == Heard(again, 0)


@given(st.floats(0, 10 * WINDOW), st.floats(-WINDOW, WINDOW))
def test_no_request_is_ever_taken_twice(later, skew):
    bar, request = judge(), replace(REQUEST, time_ms=int((NOW + skew) * 1000))
    assert isinstance(heard(request, by=bar), Heard)
    assert isinstance(heard(request, by=bar, now=NOW + later), Rejection)


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        ({"receiver": ""}, "unnamed"),
        ({"receiver": "baz"}, "misdirected"),
        ({"life": b"K" * 16}, "life"),
        ({"time_ms": int((NOW - WINDOW - 0.1) * 1000)}, "clock"),
        ({"time_ms": int((NOW + WINDOW + 0.1) * 1000)}, "clock"),
        ({"time_ms": 2**64 - 1}, "clock"),
    ],
)
def test_who_is_mistaken_is_told_who_is_here(mistake, reason):
    statement = Statement(NONCE, int(NOW * 1000), LIFE, "bar", URL)
    assert heard(replace(REQUEST, **mistake)) == Rejection(reason, statement, 0)


def test_what_was_taken_by_one_is_of_no_use_at_another_or_after_a_restart():
    assert isinstance(heard(), Heard)
    assert heard(by=judge(name="baz")).reason == "misdirected"
    assert heard(by=judge(life=b"M" * 16)).reason == "life"


def test_those_of_another_ring_are_told_nothing():
    for receiver in ("bar", "", "baz"):
        request = replace(REQUEST, ring="other", receiver=receiver)
        assert heard(request) == Rejection("ring")


def test_another_node_of_the_same_name_is_refused():
    assert heard(replace(REQUEST, sender="bar")) == Rejection("name_taken")


def test_where_there_is_no_room_to_remember_nothing_is_taken(monkeypatch):
    monkeypatch.setattr(http_judge, "MOST_NONCES", 3)
    bar = judge()
    for number in range(3):
        one = replace(REQUEST, nonce=bytes([number]) * 16)
        assert isinstance(heard(one, by=bar), Heard)
    assert heard(by=bar) == Rejection("full")
    assert heard(one, by=bar) == Rejection("replayed")
    later = NOW + 2 * WINDOW + 0.002
    fresh = replace(REQUEST, time_ms=int(later * 1000))
    assert isinstance(heard(fresh, by=bar, now=later), Heard)


def test_while_cookies_change_each_is_answered_under_its_own():
    both, old, new = HttpKeys([NEW, OLD]), HttpKeys([OLD]), HttpKeys([NEW])
    for keys, number in ((old, 1), (new, 0)):
        result = judge().hear(keys.seal(REQUEST), both, NOW)
        assert result == Heard(REQUEST, number)
        answer = Answer(NONCE, 5, b"yes")
        assert keys.open_reply(both.seal_reply(answer, result.key), NONCE) == answer
    assert judge().hear(old.seal(REQUEST), new, NOW) == Rejection("forged")


# The sender's side.


NONCES = count()


def conversation(bar, correspondent, skew=0.0):
    """Send until it is taken; return what was refused on the way."""
    reasons = []
    while len(reasons) < 5:
        nonce = next(NONCES).to_bytes(16)
        request = correspondent.request("ring", "foo", nonce, b"body", NOW)
        result = bar.hear(KEYS.seal(request), KEYS, NOW + skew)
        if isinstance(result, Heard):
            answer = Answer(nonce, int((NOW + skew) * 1000), b"yes")
            assert result.request.body == b"body"
            assert correspondent.heard(answer, NOW) == b"yes"
            return reasons
        reasons.append(result.reason)
        assert correspondent.heard(result.statement, NOW) is None
    raise AssertionError(reasons)


@pytest.mark.parametrize("skew", [0.0, 3 * 3600.0, 1e9, -400.0])
def test_clocks_that_are_hours_apart_cost_nothing(skew):
    bar, correspondent = judge(), Correspondent()
    assert conversation(bar, correspondent, skew) == ["unnamed"]
    assert conversation(bar, correspondent, skew) == []
    assert conversation(bar, correspondent, skew - 500) == ["clock"]


def test_what_is_not_known_is_asked_for_without_a_body():
    request = Correspondent().request("ring", "foo", NONCE, b"secret", NOW)
    assert (request.receiver, request.body) == ("", b"")


def test_a_restart_and_another_node_at_its_address_cost_one_request():
    correspondent = Correspondent()
    conversation(judge(), correspondent)
    assert conversation(judge(life=b"M" * 16), correspondent) == ["life"]
    assert conversation(judge(name="baz"), correspondent) == ["misdirected"]
    assert correspondent.name == "baz"
