"""The handshake, as scripts: who says what, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterkit.errors import ConfigError, ProtocolError
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.greetings import (
    MAX_GREETING,
    Challenge,
    Hello,
    Proof,
    Refusal,
    SealedRefusal,
    Welcome,
)
from clusterkit.wire.handshake import (
    Challenged,
    Greeted,
    Identity,
    Proved,
    Refused,
    Resume,
    Welcomed,
)
from clusterkit.wire.listener import Listener

from .playbook import (
    BAR,
    COOKIE,
    FOO,
    OTHER_COOKIE,
    RESUME,
    TERMS,
    alone,
    dialer,
    listener,
    say,
    script,
)

HELLO = Hello(
    versions=[1, 1],
    role="member",
    name="foo",
    incarnation=11,
    sessions=0,
    nonce=b"d" * 32,
)
CHALLENGE = Challenge(
    version=1, name="bar", incarnation=22, sessions=0, nonce=b"l" * 32
)


def with_(greeting, **changes):
    return replace(greeting, **changes).to_bytes()


# The four greetings.


def test_four_greetings_bring_the_dialer_up():
    script(dialer()).sends(Hello).receives(Challenge).sends(Proof).receives(
        Welcome
    ).is_up()


def test_four_greetings_bring_the_listener_up():
    script(listener()).receives(Hello).sends(Challenge).receives(Proof).sends(
        Welcome
    ).is_up()


def test_the_listener_learns_who_dials():
    play = script(listener()).receives(Hello, sessions=7)
    play.reports(Greeted, hello=replace(HELLO, sessions=7))


def test_the_dialer_learns_who_listens():
    play = script(dialer()).sends(Hello).receives(Challenge, sessions=7)
    play.reports(Challenged, name="bar", incarnation=22, sessions=7)


def test_the_listener_learns_what_the_dialer_wants_to_go_on_with():
    play = script(listener()).receives(Hello, sessions=2)
    play.sends(Challenge, sessions=5).receives(Proof, **TERMS, resume=RESUME)
    proof = Proof(**TERMS, mine=101, fresh=102, yours=103, received=4)
    play.reports(Proved, hello=replace(HELLO, sessions=2), proof=proof, sessions=5)


def test_the_dialer_learns_what_the_listener_goes_on_with():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.receives(Welcome, ring="", resume=Resume(mine=201, other=102, received=9))
    terms = {**TERMS, "ring": ""}
    play.reports(Welcomed, welcome=Welcome(**terms, mine=201, held=102, received=9))


def test_a_client_says_that_it_is_one():
    client = dialer(me=Identity(name="cli", incarnation=1, role="client"))
    script(client).sends(Hello, role="client")


def test_greetings_may_come_byte_by_byte():
    machine = listener()
    frame = dialer().hello()
    events = [machine.receive_data(frame[i : i + 1]) for i in range(len(frame))]
    assert events == [[]] * (len(frame) - 1) + [[Greeted(HELLO)]]


def test_every_side_derives_two_keys_that_differ():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.receives(Welcome)
    out, back = play.machine.keys()
    assert out.tag(b"") != back.tag(b"")


# What carries them.


def bound(machine, channel):
    machine.bind(channel)
    return machine


def test_both_are_tied_to_the_same_channel():
    play = script(bound(dialer(), b"tls x"), bound(listener(), b"tls x"))
    play.sends(Hello).receives(Challenge).sends(Proof).receives(Welcome).is_up()
    assert play.machine.bound


def test_a_channel_changes_every_key():
    keys = set()
    for channel in (b"", b"tls x", b"tls y"):
        play = script(bound(dialer(), channel), bound(listener(), channel))
        play.sends(Hello).receives(Challenge).sends(Proof).receives(Welcome)
        out, back = play.machine.keys()
        keys |= {out.tag(b""), back.tag(b"")}
    assert len(keys) == 6


@pytest.mark.parametrize("theirs", [b"", b"tls y"])
def test_a_proof_made_on_another_channel_is_no_proof(theirs):
    """As it is when somebody relays between two channels of his own."""
    play = script(bound(listener(), b"tls x"), bound(dialer(), theirs))
    play.receives(Hello).sends(Challenge).rejects(Proof, "cookie")


def test_a_welcome_made_on_another_channel_is_no_welcome():
    here, there = bound(dialer(), b"tls x"), bound(listener(), b"tls x")
    play = script(here, there).sends(Hello).receives(Challenge).sends(Proof)
    there._transcript.update(b"what another channel would have begun with")
    play.rejects(Welcome, "cookie")


def test_without_a_channel_all_is_as_it_was():
    plain, empty = dialer(), bound(dialer(), b"")
    plain.hello()
    empty.hello()
    assert plain._transcript.digest() == empty._transcript.digest()
    assert not empty.bound


@pytest.mark.parametrize("whose", ["dialer", "listener"])
def test_another_nonce_leads_to_other_keys(whose):
    nonces = {"dialer": b"d" * 32, "listener": b"l" * 32}
    tags = set()
    for nonce in (b"1" * 32, b"2" * 32):
        ours = Dialer(FOO, COOKIE, {**nonces, whose: nonce}["dialer"])
        theirs = Listener(BAR, [COOKIE], {**nonces, whose: nonce}["listener"])
        play = script(ours, theirs).sends(Hello).receives(Challenge).sends(Proof)
        play.receives(Welcome)
        tags |= {key.tag(b"") for key in ours.keys()}  # noqa: SIM118
    assert len(tags) == 4


# Versions.


@pytest.mark.parametrize("versions", [[0, 1], [1, 1], [1, 9], [0, 9]])
def test_the_highest_common_version_is_spoken(versions):
    play = alone(listener()).receives(with_(HELLO, versions=versions))
    play.sends(Challenge, version=1)


@pytest.mark.parametrize(
    ("versions", "theirs"),
    [([2, 9], "protocols 2 to 9"), ([2, 2], "protocol 2"), ([0, 0], "protocol 0")],
)
def test_no_common_version_is_refused_with_both_ranges(versions, theirs):
    machine = listener()
    machine.receive_data(with_(HELLO, versions=versions))
    play = alone(dialer()).sends(Hello).receives(machine.challenge(0))
    play.reports(
        Refused,
        reason="version",
        detail=f"protocol 1 at bar, {theirs} at foo",
        authentic=False,
    ).is_refused()
    assert machine.state == "refused"


def test_both_ranges_are_told_however_long_the_names_are():
    machine = listener(me=replace(BAR, name="b" * 128))
    machine.receive_data(with_(HELLO, name="f" * 128, versions=[2**64 - 2, 2**64 - 1]))
    play = alone(dialer()).sends(Hello).receives(machine.challenge(0))
    detail = play.events[0].detail
    assert detail.startswith(f"protocol 1 at {'b' * 128}, ")
    assert f"protocols {2**64 - 2} to {2**64 - 1} at fff" in detail


def test_a_version_that_was_not_offered_is_refused():
    alone(dialer()).sends(Hello).rejects(with_(CHALLENGE, version=2))


# Cookies.


def test_a_dialer_with_another_cookie_is_told_so_and_not_a_word_more():
    play = script(listener(), dialer(cookie=OTHER_COOKIE))
    play.receives(Hello).sends(Challenge).rejects(Proof, reason="cookie")
    play.sends(Refusal, reason="cookie", detail="").is_refused()


def test_the_dialer_hears_that_its_cookie_is_wrong():
    theirs = listener(OTHER_COOKIE)
    play = script(dialer(), theirs).sends(Hello).receives(Challenge)
    with pytest.raises(ProtocolError):
        play.sends(Proof)
    play.receives(Refusal, reason="cookie")
    play.reports(Refused, reason="cookie", authentic=False).is_refused()


@pytest.mark.parametrize("cookie", [COOKIE, OTHER_COOKIE])
def test_a_listener_accepts_either_of_two_cookies(cookie):
    play = script(dialer(cookie=cookie), listener(COOKIE, OTHER_COOKIE))
    play.sends(Hello).receives(Challenge).sends(Proof).receives(Welcome).is_up()


def test_a_listener_with_two_cookies_does_not_accept_a_third():
    play = script(listener(COOKIE, OTHER_COOKIE), dialer(cookie=b"grover"))
    play.receives(Hello).sends(Challenge).rejects(Proof, reason="cookie")


def test_a_listener_without_the_cookie_is_found_out():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.rejects(example(Welcome), reason="cookie")
    assert play.machine.state == "proving"


def test_a_welcome_is_no_proof_reflected():
    # The dialer's own MAC comes back to it, under the name of a Welcome.
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    welcome = Welcome(**TERMS, mine=1, held=102, received=0)
    play.rejects(welcome.to_bytes() + play.frame[-32:], reason="cookie")


@pytest.mark.parametrize("make", [dialer, listener])
def test_an_empty_cookie_is_a_setting_to_correct(make):
    with pytest.raises(ConfigError, match="cluster-cli cookie new"):
        make(b"")


def test_one_empty_cookie_among_two_is_refused_too():
    with pytest.raises(ConfigError):
        listener(COOKIE, b"")


# Refusals.


def test_a_refusal_after_a_proof_is_sealed():
    play = script(listener()).receives(Hello).sends(Challenge).receives(Proof)
    play.sends(SealedRefusal, reason="tie", detail="").is_refused()


def test_a_sealed_refusal_is_authentic():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.receives(SealedRefusal, reason="ring", detail="other")
    play.reports(Refused, reason="ring", detail="other", authentic=True).is_refused()


def test_a_sealed_refusal_with_a_wrong_mac_is_rejected():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    refusal = SealedRefusal(reason="name", detail="").to_bytes()
    play.rejects(refusal + b"m" * 32, reason="cookie")
    assert play.machine.state == "proving"


def test_a_refusal_without_a_mac_is_not_authentic_whatever_it_says():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.receives(Refusal(reason="stale", detail="").to_bytes())
    play.reports(Refused, reason="stale", authentic=False)


@pytest.mark.parametrize("detail", ["x" * 1_000, "é" * 1_000, "\ud800"])
def test_a_long_or_odd_detail_still_reaches_the_dialer(detail):
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.receives(SealedRefusal, reason="name", detail=detail)
    play.reports(Refused, reason="name", authentic=True)


# Out of turn, changed, or not a greeting at all.


@pytest.mark.parametrize(
    "steps",
    [
        [Challenge],
        [Hello, Welcome],
        [Hello, SealedRefusal],
        [Hello, Hello],
        [Hello, Challenge, Welcome],
        [Hello, Challenge, Challenge],
        [Hello, Challenge, Refusal],
        [Hello, Challenge, Proof, Challenge],
        [Hello, Challenge, Proof, Proof],
    ],
    ids=lambda steps: "-".join(step.kind for step in steps),
)
def test_a_dialer_rejects_what_is_not_due(steps):
    play = script(dialer())
    for step in steps[:-1]:
        play.sends(step) if step in (Hello, Proof) else play.receives(step)
    play.rejects(example(steps[-1]))


@pytest.mark.parametrize(
    "steps",
    [
        [Challenge],
        [Proof],
        [Refusal],
        [Hello, Hello],
        [Hello, Proof],
        [Hello, Challenge, Hello],
        [Hello, Challenge, Welcome],
        [Hello, Challenge, Proof, Proof],
        [Hello, Challenge, Proof, Hello],
    ],
    ids=lambda steps: "-".join(step.kind for step in steps),
)
def test_a_listener_rejects_what_is_not_due(steps):
    play = script(listener())
    for step in steps[:-1]:
        play.receives(step) if step in (Hello, Proof) else play.sends(step)
    play.rejects(example(steps[-1]))


def example(kind):
    """Return a greeting of that kind, valid but for its MAC."""
    if kind in (Hello, Challenge):
        return (HELLO if kind is Hello else CHALLENGE).to_bytes()
    if kind in (Refusal, SealedRefusal):
        greeting = kind(reason="tie", detail="")
    elif kind is Proof:
        greeting = Proof(**TERMS, mine=1, fresh=2, yours=0, received=0)
    else:
        greeting = Welcome(**TERMS, mine=1, held=2, received=0)
    return greeting.to_bytes() + b"m" * (32 if kind.sealed else 0)


def test_a_proof_that_does_not_wait_for_the_challenge_is_rejected():
    script(listener()).rejects(HELLO.to_bytes() + example(Proof))


@pytest.mark.parametrize(
    "field",
    [
        {"versions": [0, 1]},
        {"role": "client"},
        {"name": "mallory"},
        {"incarnation": 12},
        {"sessions": 1},
        {"nonce": b"x" * 32},
    ],
    ids=str,
)
def test_a_hello_changed_on_the_way_fails_the_proof(field):
    ours, theirs = dialer(), listener()
    ours.hello()
    theirs.receive_data(with_(HELLO, **field))
    ours.receive_data(theirs.challenge(0))
    script(theirs, ours).rejects(Proof, reason="cookie")


@pytest.mark.parametrize(
    "field",
    [{"name": "eve"}, {"incarnation": 23}, {"sessions": 1}, {"nonce": b"x" * 32}],
    ids=str,
)
def test_a_challenge_changed_on_the_way_fails_the_proof(field):
    ours, theirs = dialer(), listener()
    theirs.receive_data(ours.hello())
    theirs.challenge(0)
    ours.receive_data(with_(CHALLENGE, **field))
    script(theirs, ours).rejects(Proof, reason="cookie")


def test_a_proof_of_another_handshake_is_rejected():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    replay = Listener(BAR, [COOKIE], b"L" * 32)
    script(replay).receives(Hello).sends(Challenge).rejects(play.frame, "cookie")


def test_a_frame_over_a_kilobyte_is_rejected_at_its_length():
    script(listener()).rejects((MAX_GREETING + 1).to_bytes(4, "big"), reason="size")


@pytest.mark.parametrize(
    "garbage", [b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 9]
)
def test_garbage_is_rejected(garbage):
    with pytest.raises(ProtocolError):
        listener().receive_data(garbage)


# What follows the handshake.


@pytest.mark.parametrize(
    "rest", [b"", b"\0\0\0\x03abc", b"\0\0\0\x03abc\0\0", b"\0\1\0\0" + b"x" * 70_000]
)
def test_bytes_behind_the_welcome_are_kept_for_the_session(rest):
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    play.receives(say(play.partner, Welcome) + rest)
    play.reports(Welcomed)
    assert play.machine.trailing_data() == rest


def test_they_are_kept_in_order_when_they_come_in_pieces():
    play = script(dialer()).sends(Hello).receives(Challenge).sends(Proof)
    rest = b"\0\0\0\x03abc\0\0\0\x02de\0"
    welcome = say(play.partner, Welcome)
    play.receives(welcome[:-5]).receives(welcome[-5:] + rest[:3])
    play.receives(rest[3:9]).receives(rest[9:])
    assert play.machine.trailing_data() == rest
