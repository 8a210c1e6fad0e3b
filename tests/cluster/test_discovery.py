"""Beacons on real sockets, which do not leave the loopback interface."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time

import pytest
import trio

from clusterkit import GenServer, call, create_cluster
from clusterkit.cluster.discovering import MOST_DIALS
from clusterkit.cluster.places import LOOPBACK, chosen_host, outward, placed
from clusterkit.core.quota import BURST, RATE
from clusterkit.discovery import (
    Beacons,
    Dns,
    SeedFile,
    beacons as beacons_module,
    seed_file,
)
from clusterkit.errors import ConfigError
from clusterkit.names import NodeInfo
from clusterkit.net.datagrams import Reach, UdpTransport, is_ipv4
from clusterkit.wire.beacon import Beacon, BeaconKeys, write_body
from clusterkit.wire.seal import stretch
from tests.waiting import until


@pytest.fixture
def port():
    """A UDP port that was free a moment ago."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        return sock.getsockname()[1]


def node(name, beacons, **options):
    options = {"cookie": "monster", "discover": beacons} | options
    return create_cluster(name, "127.0.0.1", 0, **options)


class Echo(GenServer):
    @call
    async def echo(self, value):
        return value


WAYS = {
    "multicast": {"broadcast": None},
    "broadcast": {"group": None},
    "both": {},
    "encrypted": {"encrypt": True},
}


@pytest.mark.parametrize("way", WAYS)
async def test_two_nodes_find_each_other(way, port):
    beacons = Beacons(port=port, **WAYS[way])
    async with node("a", beacons) as a, node("b", beacons) as b:
        await until(lambda: len(a.ring.nodes()) == len(b.ring.nodes()) == 2)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_nodes_on_the_loopback_address_of_ipv6_find_each_other(port):
    options = {"cookie": "monster", "discover": Beacons(port=port)}
    async with (
        create_cluster("a", "::1", 0, **options) as a,
        create_cluster("b", "::1", 0, **options) as b,
    ):
        await until(lambda: len(a.ring.nodes()) == len(b.ring.nodes()) == 2)
        assert a.address.startswith("a@[::1]:")


@pytest.mark.parametrize("way", ["multicast", "broadcast"])
async def test_all_sockets_of_a_port_hear_what_is_said_to_all(way, port):
    local = Beacons(port=port, **WAYS[way]).at("127.0.0.1").reach
    udp = UdpTransport()
    ears = [await udp.open(local) for _ in range(3)]
    (to,) = local.destinations
    await ears[0].send(b"hello", to)
    with trio.fail_after(10):
        heard = [await ear.receive() for ear in ears]
    for ear in ears:
        ear.close()
    assert heard == [(b"hello", "127.0.0.1")] * 3


async def test_a_stranger_s_beacon_is_said_and_the_next_one_heard(port, caplog):
    beacons = Beacons(port=port)
    reach = beacons.at("127.0.0.1").reach
    stranger = await UdpTransport().open(reach)
    with caplog.at_level(logging.WARNING):
        async with node("a", beacons) as a:
            with trio.fail_after(30):
                while a.discovery.refused["forged"] < 3:
                    await stranger.send(b"noise", reach.destinations[0])
                    await trio.sleep(0.01)
            async with node("b", beacons) as b:
                await until(lambda: len(a.ring.nodes()) == len(b.ring.nodes()) == 2)
            assert set(a.discovery.refused) == {"forged"}
    stranger.close()
    said = [
        r.getMessage() for r in caplog.records if "beacon_refused" in r.getMessage()
    ]
    assert len(said) == 1
    assert "source=beacons host=127.0.0.1 reason=forged" in said[0]


def flood(reach, number):
    """Send so many datagrams: every second is well signed, with one key for all."""
    keys = BeaconKeys((stretch(b"monster"),))
    now = int(time.time() * 1000)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1")
        )
        for i in range(number // 2):
            one = NodeInfo(f"n{i % 1000}", "127.0.0.1", 1)
            body = write_body(Beacon("ring", one, now, i + 1, now))
            sock.sendto(keys.seal(body, b""), reach.destinations[0])
            sock.sendto(b"noise" * 40, reach.destinations[0])


async def test_in_a_flood_calls_are_answered_and_little_is_looked_at(port):
    beacons = Beacons(port=port)
    reach = beacons.at("127.0.0.1").reach
    answered = 0
    async with (
        node("a", beacons, actors={"echo": Echo}) as a,
        node("b", beacons) as b,
    ):
        await until(lambda: len(a.ring.nodes()) == len(b.ring.nodes()) == 2)
        over = trio.Event()
        began = trio.current_time()

        async def send():
            await trio.to_thread.run_sync(flood, reach, 50_000)
            over.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while not over.is_set():
                answered += await b.call("echo@a", "echo", 1)
        await until(lambda: a.discovery.refused["flood"])
        async with node("c", beacons) as c:
            await until(lambda: len(c.ring.nodes()) == len(a.ring.nodes()) == 3)
        refused = a.discovery.refused
        looked_at = len(a.discovery.found()) + refused["forged"] + refused["replayed"]
        assert looked_at <= BURST + RATE * (trio.current_time() - began) + 10
        assert set(refused) <= {"flood", "forged", "replayed", "stale", "unreachable"}
        assert {m.id for m in b.ring.nodes()} <= {"a", "b", "c"}
    assert answered > 10


async def test_a_beacon_from_another_address_than_it_names_is_said(port, caplog):
    beacons = Beacons(port=port)
    with caplog.at_level(logging.WARNING):
        async with (
            node("a", beacons) as a,
            node("b", beacons, advertise="127.0.0.2:1"),
        ):
            await until(lambda: a.discovery.refused["other_source"] > 1)
    assert "source_failed" not in caplog.text
    assert "beacon_from_elsewhere source=beacons peer=b@127.0.0.2:1" in caplog.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "0:0::0:1", "::ffff:127.0.0.1"]
)
async def test_a_loopback_node_stays_on_loopback(host):
    (local,) = placed((Beacons(),), host)
    assert local.reach.interface == "127.0.0.1"
    assert local.reach.broadcast == "127.255.255.255"
    (wide,) = placed((Beacons(),), None)
    assert (wide.reach.interface, wide.reach.broadcast) == (None, "255.255.255.255")
    assert chosen_host(None, ()) == LOOPBACK
    assert chosen_host(None, (wide,)) == "0.0.0.0"


async def test_without_a_network_it_says_what_to_give():
    class NoNetwork:
        async def leaves_by(self, host):
            raise OSError("no way")

        def addresses(self):
            return ()

    with pytest.raises(ConfigError, match="give host="):
        await outward((Beacons(),), NoNetwork())


async def test_of_several_networks_it_asks_for_one():
    class Several:
        async def leaves_by(self, host):
            raise OSError("no way")

        def addresses(self):
            return "10.0.0.1", "10.1.0.1"

    with pytest.raises(ConfigError, match=r"give host=, one of 10\.0\.0\.1, 10\.1"):
        await outward((Beacons(),), Several())


def test_addresses_of_interfaces_are_those_that_others_may_reach():
    found = UdpTransport().addresses()
    assert all(is_ipv4(host) and not host.startswith("127.") for host in found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"group": None, "broadcast": None},
        {"group": "10.0.0.1"},
        {"group": "::1"},
        {"interface": "eth0"},
        {"port": 0},
        {"interval": 0},
        {"window": float("nan")},
    ],
    ids=["nobody", "unicast", "ipv6", "interface", "port", "interval", "window"],
)
def test_impossible_beacons_are_a_config_error(wrong):
    with pytest.raises(ConfigError):
        Beacons(**wrong)


async def test_what_is_too_long_is_read_in_part_and_said_to_be(port):
    reach = Reach(port=port, interface="127.0.0.1")
    udp = UdpTransport()
    ear = await udp.open(reach)
    with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"x" * 5000, ("127.0.0.1", port))
    with trio.fail_after(10):
        data, _ = await ear.receive()
    ear.close()
    assert len(data) == 2048


PROGRAM = """
import sys, trio
from clusterkit import GenServer, call, create_cluster
from clusterkit.discovery import (
    Beacons,
    Dns,
    SeedFile,
    beacons as beacons_module,
    seed_file,
)

async def main():
    beacons = Beacons(port=int(sys.argv[2]))
    async with create_cluster(
        sys.argv[1], "127.0.0.1", 0, cookie="monster", discover=beacons
    ) as node:
        with trio.fail_after(30):
            while len(node.ring.nodes()) < 2:
                await trio.sleep(0.02)
        print(*sorted(n.id for n in node.ring.nodes()), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)

trio.run(main)
"""


async def line_of(stream):
    """Read a line, which may come in parts."""
    line = b""
    while not line.endswith(b"\n") and (part := await stream.receive_some()):
        line += part
    return line


async def test_two_processes_find_each_other(port):
    words = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    a = await trio.lowlevel.open_process([*words, "a", str(port)], **pipes)
    b = await trio.lowlevel.open_process([*words, "b", str(port)], **pipes)
    try:
        with trio.fail_after(60):
            for process in (a, b):
                assert await line_of(process.stdout) == b"a b\n"
            for process in (a, b):
                await process.stdin.aclose()
                assert await process.wait() == 0
    finally:
        for process in (a, b):
            if process.returncode is None:
                process.kill()
                await process.wait()
            await process.stdout.aclose()


class Hanging:
    """A call that does not return before it is let go, in its thread."""

    def __init__(self, patience=20):
        self.began, self.let_go = threading.Event(), threading.Event()
        self.in_vain = False
        self._patience = patience

    def __call__(self, *_, **__):
        self.began.set()
        self.in_vain = not self.let_go.wait(self._patience)
        raise OSError("let go")


@pytest.fixture
def hanging():
    call = Hanging()
    yield call
    call.let_go.set()


async def test_a_file_system_that_hangs_does_not_hold_up_the_end(monkeypatch, hanging):
    monkeypatch.setattr(seed_file, "read_regular", hanging)
    async with node("a", SeedFile("/mnt/gone/seeds")):
        await until(hanging.began.is_set)
    assert not hanging.in_vain


async def test_a_resolver_that_hangs_does_not_hold_up_the_end(monkeypatch, hanging):
    resolve = socket.getaddrinfo

    def answer(host, port, family=0, kind=0, protocol=0, flags=0):
        if host == b"nodes.invalid" and not flags & socket.AI_NUMERICHOST:
            hanging()
        return resolve(host, port, family, kind, protocol, flags)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    async with node("a", Dns("nodes.invalid")):
        await until(hanging.began.is_set)
    assert not hanging.in_vain


async def test_names_that_nobody_resolves_leave_threads_to_others(
    monkeypatch, hanging, tmp_path
):
    resolve = socket.getaddrinfo

    def answer(host, port, family=0, kind=0, protocol=0, flags=0):
        if ".invalid" in str(host) and not flags & socket.AI_NUMERICHOST:
            hanging()
        return resolve(host, port, family, kind, protocol, flags)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    threads = trio.to_thread.current_default_thread_limiter()
    async with create_cluster("a", "127.0.0.1", 0, cookie="monster") as a:
        path = tmp_path / "seeds"
        dead = "".join(f"h{i}.invalid:7022\n" for i in range(200))
        path.write_text(dead)
        async with node("b", SeedFile(path, interval=0.05)) as b:
            # Each hangs for longer than the dial waits.
            await until(lambda: b.discovery.refused["busy"] > 100)
            path.write_text(f"{dead}127.0.0.1:{a.port}\n")
            await until(lambda: len(b.ring.nodes()) == 2)
            assert threads.available_tokens >= threads.total_tokens // 4
            assert await trio.to_thread.run_sync(lambda: "done") == "done"
    assert not hanging.in_vain


async def test_a_port_of_beacons_that_another_program_has_is_waited_for(
    port, monkeypatch, caplog
):
    monkeypatch.setattr(beacons_module, "_REOPEN", 0.05)
    taken = socket.socket(type=socket.SOCK_DGRAM)
    taken.bind(("", port))
    beacons = Beacons(port=port)
    with caplog.at_level(logging.WARNING):
        async with node("a", beacons) as a, node("b", beacons) as b:
            await until(lambda: a.discovery.refused["no_socket"])
            taken.close()
            await until(lambda: len(a.ring.nodes()) == len(b.ring.nodes()) == 2)
    assert f"is UDP port {port} free" in caplog.text


async def test_the_one_live_host_among_ten_thousand_dead_is_found(tmp_path):
    async with create_cluster("a", "127.0.0.1", 0, cookie="monster") as a:
        # Nobody listens at these; each host of 127.0.0.0/8 is this machine.
        hosts = [
            f"127.{1 + i // 2500}.{i // 10 % 250}.{i % 10 + 1}" for i in range(9_999)
        ]
        lines = [f"{host}:9" for host in hosts]
        lines.insert(len(lines) // 2, f"127.0.0.1:{a.port}")
        path = tmp_path / "seeds"
        path.write_text("\n".join(lines))
        most = 0
        async with node("b", SeedFile(path), actors={"echo": Echo}) as b:
            with trio.fail_after(60):
                while len(b.ring.nodes()) < 2:
                    most = max(most, b.discovery._dials)
                    assert await b.call("echo", "echo", 1) == 1
                    await trio.lowlevel.checkpoint()
            assert most <= MOST_DIALS
            await until(lambda: len(b.discovery.found()) == 10_000)
        assert b.discovery._dials == 0
