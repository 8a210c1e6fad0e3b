"""Wrong cookies, and TLS in vain, are held back by address; nobody is locked out."""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from random import Random

import pytest
import trio

from clusterkit.errors import NodeDown, WrongCookie
from clusterkit.names import Address
from clusterkit.net.greeter import send_all
from clusterkit.net.guesses import (
    GUESS_RATE,
    GUESSES,
    LUCKY,
    MOST_SOURCES,
    Guesses,
    source_of,
)
from clusterkit.net.refusals import REMEDIES
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.greetings import Challenge, Hello, Proof
from clusterkit.wire.handshake import Refused, Welcomed
from tests.certificates import files
from tests.unit.nodes import on_network, virtual
from tests.unit.wire.playbook import dialer, listener, script

from .strangers import stranger


class Never(Random):
    """Is never lucky."""

    def random(self):
        return 1.0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def guesses(clock):
    return Guesses(clock, Never())


def wrong(guesses, host, times=GUESSES):
    for _ in range(times):
        guesses.wrong(host)


# By address.


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("a-host", "a-host"),
    ],
)
def test_what_stands_for_an_address(host, source):
    assert source_of(host) == source


def test_a_few_wrong_ones_are_nothing(guesses):
    wrong(guesses, "10.0.0.7", GUESSES - 1)
    assert guesses.may_try("10.0.0.7")


def test_many_at_once_hold_their_address_back_and_no_other(guesses):
    wrong(guesses, "10.0.0.7")
    assert not guesses.may_try("10.0.0.7")
    assert guesses.may_try("10.0.0.8")


def test_an_ipv6_network_is_one_address(guesses):
    for number in range(GUESSES):
        guesses.wrong(f"2001:db8::{number:x}")
    assert not guesses.may_try("2001:db8::ffff")
    assert guesses.may_try("2001:db8:0:1::1")


def test_it_is_forgiven_at_a_rate(guesses, clock):
    wrong(guesses, "10.0.0.7")
    judged = 0
    for _ in range(100):
        clock.now += 0.05
        if guesses.may_try("10.0.0.7"):
            judged += 1
            guesses.wrong("10.0.0.7")
    assert judged == pytest.approx(5 * GUESS_RATE, abs=2)


def test_however_many_there_were_the_next_is_judged_soon_after(guesses, clock):
    wrong(guesses, "10.0.0.7", 100_000)
    clock.now += 1 / GUESS_RATE + 0.01
    assert guesses.may_try("10.0.0.7")


def test_of_what_comes_beyond_some_are_judged_all_the_same(clock):
    guesses = Guesses(clock, Random(1))
    wrong(guesses, "10.0.0.7")
    lucky = sum(guesses.may_try("10.0.0.7") for _ in range(10_000))
    assert lucky / 10_000 == pytest.approx(LUCKY, abs=0.02)


def test_the_addresses_that_are_kept_are_bounded(guesses):
    for number in range(3 * MOST_SOURCES):
        wrong(guesses, f"host{number}", 2)
    wrong(guesses, "busy")
    for number in range(MOST_SOURCES - 1):
        guesses.wrong(f"more{number}")
    assert len(guesses._owed) == MOST_SOURCES
    assert not guesses.may_try("busy")


# In the handshake.


def test_a_proof_that_is_not_heeded_is_not_judged():
    machine = listener()
    machine._heeds = lambda hello, proof: False
    play = script(machine, dialer()).receives(Hello).sends(Challenge)
    play.rejects(Proof, "guessing")
    frame = machine.refuse("guessing", "too many")
    (refused,) = play.partner.receive_data(frame)
    assert refused == Refused("guessing", "too many", authentic=False)


# At a node.


async def guess(network, times, **how):
    """Try so many wrong cookies; return what was answered."""
    answers = []
    for number in range(times):
        async with stranger(network, "a", name=f"n{number}", **how) as evil:
            evil.dialer = Dialer(evil.dialer.me, b"wrong", bytes(32))
            await evil.hello()
            answers.append((await evil.prove()).reason)
    return answers


@virtual
async def test_who_guesses_is_refused_unseen_after_some(caplog):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        answers = await guess(network, 500)
        assert set(answers[:GUESSES]) == {"cookie"}
        assert answers.count("guessing") > 300
        assert a.statistics().rejected == {
            "cookie": answers.count("cookie"),
            "guessing": answers.count("guessing"),
        }
        told = [r.fields for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(told) <= GUESSES + 1
        (line,) = [fields for fields in told if fields["reason"] == "guessing"]
        assert (line["peer"], line["address"]) == ("evil", "evil")
        assert line["remedy"] == REMEDIES["guessing"]
        caplog.clear()
        await trio.sleep(61)
        await guess(network, 500)
        (line,) = [
            r.fields
            for r in caplog.records
            if getattr(r, "fields", {}).get("reason") == "guessing"
        ]
        assert line["more"] == answers.count("guessing") - 1


async def flood(network):
    while True:
        await guess(network, 20)
        await trio.sleep(0.05)


@virtual
async def test_an_honest_node_behind_the_same_address_gets_in():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, trio.open_nursery() as nursery:
        nursery.start_soon(flood, network)
        await trio.sleep(1)
        async with on_network(network, "evil", name_="honest") as honest:
            assert await honest.meet(a.address)
            assert await honest.ping("a") == "pong"
        assert a.statistics().rejected["guessing"] > 100
        nursery.cancel_scope.cancel()


@virtual
async def test_one_that_was_in_before_is_judged_at_its_first_dial():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a") as a,
        on_network(network, "evil", name_="honest") as honest,
        trio.open_nursery() as nursery,
    ):
        await honest.kernel.connect(a.address)
        a.kernel.reception._guesses._rng = Never()
        nursery.start_soon(flood, network)
        await trio.sleep(1)
        for _ in range(5):
            before = honest.kernel.links()[0].reconnects
            network.cut("a", "evil")
            assert await honest.ping("a") == "pong"
            assert honest.kernel.links()[0].reconnects == before + 1
        nursery.cancel_scope.cancel()


@virtual
async def test_a_name_that_is_known_is_no_pass():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, on_network(network, "b") as b:
        await b.kernel.connect(a.address)
        a.kernel.reception._guesses._rng = Never()
        answers = []
        for _ in range(100):
            async with stranger(network, "a", name="b", incarnation=2**62) as evil:
                evil.dialer = Dialer(evil.dialer.me, b"wrong", bytes(32))
                await evil.hello()
                answers.append((await evil.prove()).reason)
        assert answers.count("cookie") == GUESSES
        assert a.kernel.is_connected("b")


@virtual
async def test_sessions_that_are_up_are_not_touched():
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a") as a,
        on_network(network, "evil", name_="honest") as honest,
    ):
        await honest.kernel.connect(a.address)
        await guess(network, 300)
        assert await honest.ping("a") == "pong"
        assert honest.kernel.links()[0].reconnects == 0


@virtual
async def test_who_is_held_back_learns_why():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        a.kernel.reception._guesses._rng = Never()
        await guess(network, GUESSES)
        async with on_network(network, "evil", name_="stale", cookie="old") as stale:
            a.kernel.reception._guesses.wrong("evil")
            with pytest.raises((NodeDown, WrongCookie)) as caught:
                await stale.kernel.connect(a.address)
        assert "cookie" in str(caught.value)


@virtual
async def test_a_right_proof_is_let_in_as_soon_as_the_guessing_ends():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        a.kernel.reception._guesses._rng = Never()
        await guess(network, 1000)
        await trio.sleep(0.2)
        async with stranger(network, "a", name="good") as good:
            await good.hello()
            assert isinstance(await good.prove(), Welcomed)


# Of TLS.


def client_hello():
    """What one says who has no certificate, and wants none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


async def shake_in_vain(network, hello, times):
    """Begin so many handshakes of TLS; return how many were answered."""
    answered = 0
    for _ in range(times):
        stream = await network.host("evil").connect(Address("a", 7022))
        if hello:
            await send_all(stream, hello)
        with trio.move_on_after(0.01), suppress(StreamBroken):
            answered += bool(await stream.receive())
        stream.close()
        await trio.sleep(0.002)
    return answered


@virtual
async def test_who_shakes_hands_in_vain_is_answered_seldom():
    network, hello = MemoryNetwork(Random(0)), client_hello()
    async with on_network(network, "a", tls=files("a")) as a:
        a.kernel.reception._in_vain._rng = Never()
        seconds = trio.current_time()
        answered = await shake_in_vain(network, hello, 500)
        forgiven = GUESS_RATE * (trio.current_time() - seconds)
        assert GUESSES <= answered <= GUESSES + forgiven + 1 < 250
        async with on_network(network, "b", tls=files("b")) as b:
            await b.kernel.connect(a.address)


@virtual
async def test_an_honest_node_gets_in_beside_one_that_shakes_hands_in_vain():
    network, hello = MemoryNetwork(Random(0)), client_hello()
    async with (
        on_network(network, "a", tls=files("a")) as a,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(shake_in_vain, network, hello, 10**9)
        await trio.sleep(1)
        async with on_network(network, "evil", name_="honest", tls=files("b")) as b:
            assert await b.meet(a.address)
        nursery.cancel_scope.cancel()


@virtual
async def test_who_says_nothing_in_tls_is_held_against_nobody():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a", tls=files("a")) as a:
        await shake_in_vain(network, b"", 500)
        assert not a.kernel.reception._in_vain.holds_back("evil")
