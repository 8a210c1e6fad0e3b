"""Names in DNS: by the system's resolver, and SRV from a server on loopback."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from clusterkit.discovery import Dns, DnsSrv, dns_srv
from clusterkit.discovery.dns_srv import LONGEST_TTL, SHORTEST_TTL
from clusterkit.errors import ConfigError
from clusterkit.names import Address

from .surroundings import Node

RECORD = "_cluster._tcp.example.org"


@asynccontextmanager
async def name_server(*records, ttl=60, asked=None):
    """A DNS server that answers every question so; yields its address."""

    async def serve(sock):
        while True:
            data, where = await sock.recvfrom(2048)
            query = dns.message.from_wire(data)
            if asked is not None:
                asked.append(trio.current_time())
            answer = dns.message.make_response(query)
            if records:
                rrset = dns.rrset.from_text(f"{RECORD}.", ttl, "IN", "SRV", *records)
                answer.answer.append(rrset)
            await sock.sendto(answer.to_wire(), where)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, sock)
            yield f"127.0.0.1:{sock.getsockname()[1]}"
            nursery.cancel_scope.cancel()


async def test_all_addresses_of_a_name_are_found():
    node = Node()
    await node.run(Dns("127.0.0.1", 7000), lambda: node.found)
    assert list(node.found) == [Address("127.0.0.1", 7000)]


async def test_a_name_that_is_none_is_counted_and_asked_again(monkeypatch):
    async def fail(*_, **__):
        raise OSError("no such name")

    monkeypatch.setattr(trio.socket, "getaddrinfo", fail)
    node = Node()
    await node.run(Dns("foo", interval=0.01), lambda: node.counted["unresolved"] > 1)
    assert node.said[0][0] == "unresolved"


async def test_answers_may_be_long_of_either_kind_and_change(monkeypatch):
    v6 = [f"2001:db8::{i:x}" for i in range(1, 4)]
    v4 = [f"10.0.{i // 250}.{i % 250 + 1}" for i in range(1000)]
    answers = [v6, v4 * 2, []]

    async def answer(host, port, **_):
        assert (host, port) == ("nodes", 7022)
        hosts = answers.pop(0) if answers else []
        return [(None, None, None, "", (found, port)) for found in hosts]

    monkeypatch.setattr(trio.socket, "getaddrinfo", answer)
    node = Node()
    await node.run(Dns("nodes", interval=0.01), lambda: not answers)
    assert set(node.found) == {Address(host, 7022) for host in v6 + v4}
    assert not node.counted


async def test_srv_records_name_hosts_and_ports():
    node = Node()
    async with name_server("0 5 7022 foo.example.", "9 0 7023 bar.example.") as server:
        await node.run(DnsSrv(RECORD, server=server), lambda: len(node.found) == 2)
    assert set(node.found) == {
        Address("foo.example", 7022),
        Address("bar.example", 7023),
    }


async def test_a_service_that_is_not_there_and_bad_records_are_nobody():
    node = Node()
    async with name_server("0 0 0 .", "0 0 0 foo.example.") as server:
        source = DnsSrv(RECORD, server=server)
        await node.run(source, lambda: node.counted["invalid_entry"])
    assert not node.found


async def test_no_answer_is_counted():
    node = Node()
    async with name_server() as server:
        await node.run(DnsSrv(RECORD, server=server), lambda: node.counted)
    assert node.counted["unresolved"]


def made(query, *records, code=0, flags=0):
    answer = dns.message.make_response(query)
    answer.set_rcode(code)
    answer.flags |= flags
    answer.answer += [dns.rrset.from_text(*record) for record in records]
    return answer


def srv(*targets, name=f"{RECORD}."):
    return (name, 60, "IN", "SRV", *targets)


def alias(name, target):
    return (name, 60, "IN", "CNAME", target)


@asynccontextmanager
async def odd_server(answer):
    """A DNS server on UDP and TCP; `answer(query, over_tcp)` is what it sends."""

    def packets(data, *, over_tcp):
        query = dns.message.from_wire(data)
        return [
            said if isinstance(said, bytes) else said.to_wire(max_size=65_535)
            for said in answer(query, over_tcp)
        ]

    async def serve(sock):
        while True:
            data, where = await sock.recvfrom(2048)
            for packet in packets(data, over_tcp=False):
                await sock.sendto(packet, where)

    async def talk(stream):
        length = int.from_bytes(await stream.receive_some(2), "big")
        for packet in packets(await stream.receive_some(length), over_tcp=True):
            await stream.send_all(len(packet).to_bytes(2, "big") + packet)
        await stream.receive_some(1)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", port))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, sock)
            nursery.start_soon(trio.serve_listeners, talk, [listener])
            yield f"127.0.0.1:{port}"
            nursery.cancel_scope.cancel()


MANY = [f"0 0 {7000 + i} h{i}.example." for i in range(1000)]
HELPFUL = {
    "long": lambda query, over_tcp: [
        made(query, srv(*MANY)) if over_tcp else made(query, flags=dns.flags.TC)
    ],
    "aliases": lambda query, _: [
        made(
            query,
            alias(f"{RECORD}.", "x.example."),
            alias("x.example.", "y.example."),
            srv(*MANY, name="y.example."),
        )
    ],
    "forged before": lambda query, _: [
        (query.id ^ 1).to_bytes(2, "big") + made(query, srv(*MANY)).to_wire()[2:],
        made(query, srv(*MANY)),
    ],
}


@pytest.mark.parametrize("how", HELPFUL)
async def test_a_thousand_records_are_found_however_they_come(how):
    node = Node()
    async with odd_server(HELPFUL[how]) as server:
        await node.run(DnsSrv(RECORD, server=server), lambda: len(node.found) == 1000)
    assert not node.counted


USELESS = {
    "no such name": lambda query, _: [made(query, code=dns.rcode.NXDOMAIN)],
    "failure": lambda query, _: [made(query, code=dns.rcode.SERVFAIL)],
    "refused": lambda query, _: [made(query, code=dns.rcode.REFUSED)],
    "silence": lambda query, _: [],
    "silence over TCP": lambda query, over_tcp: (
        [] if over_tcp else [made(query, flags=dns.flags.TC)]
    ),
    "garbage": lambda query, _: [query.to_wire()[:2] + b"\x81\x80" + b"\xff" * 50, b""],
    "torn": lambda query, _: [made(query, srv(*MANY[:3])).to_wire()[:-5]],
    "circle": lambda query, _: [
        made(
            query, alias(f"{RECORD}.", "x.example."), alias("x.example.", f"{RECORD}.")
        )
    ],
    "other name": lambda query, _: [made(query, srv(*MANY[:3], name="evil.example."))],
}


@pytest.mark.parametrize("how", USELESS)
async def test_what_is_no_answer_is_counted_and_said(how, monkeypatch):
    monkeypatch.setattr(dns_srv, "RESOLVE_WITHIN", 0.3)
    node = Node()
    async with odd_server(USELESS[how]) as server:
        source = DnsSrv(RECORD, server=server)
        await node.run(source, lambda: node.counted["unresolved"])
    assert not node.found
    assert [event for event, _ in node.said] == ["unresolved"]
    assert node.said[0][1]["error"]


@pytest.mark.parametrize(
    "record", ["a\\ b", "\\000x", "*.example", ".".join(["a" * 60] * 5)]
)
async def test_a_target_that_is_no_host_costs_itself_only(record):
    node = Node()
    async with name_server(f"0 0 1 {record[:250]}.", "9 9 7022 h.example.") as server:
        await node.run(DnsSrv(RECORD, server=server), lambda: node.found)
    assert Address("h.example", 7022) in node.found


@pytest.mark.parametrize("server", ["localhost", "ns.example:53", "", 5, "::1:x"])
def test_a_name_server_is_given_by_its_address(server):
    with pytest.raises(ConfigError):
        DnsSrv(RECORD, server=server)


@pytest.mark.parametrize("server", ["::1", "[::1]:5353", "10.0.0.53", "10.0.0.53:5353"])
def test_a_name_server_may_have_a_port(server):
    assert DnsSrv(RECORD, server=server)._server.port in {53, 5353}


@pytest.mark.parametrize(
    ("ttl", "pause"),
    [(0, SHORTEST_TTL), (60, 60), (99_999, LONGEST_TTL)],
    ids=["short", "fair", "long"],
)
async def test_it_is_asked_again_when_the_answer_is_old(monkeypatch, ttl, pause):
    pauses = []

    async def refresh(self, seconds):
        pauses.append(seconds)
        await trio.sleep_forever()

    monkeypatch.setattr("clusterkit.discovery.Surroundings.refresh", refresh)
    node = Node()
    async with name_server("0 0 7022 foo.example.", ttl=ttl) as server:
        await node.run(DnsSrv(RECORD, server=server), lambda: pauses)
    assert pauses == [pause]


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dns.asyncresolver", None)
    with pytest.raises(ConfigError, match=r'pip install "clusterkit\[dns\]"'):
        DnsSrv(RECORD)
