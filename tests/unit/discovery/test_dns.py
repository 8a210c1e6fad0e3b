"""Names in DNS: by the system's resolver, and SRV from a server on loopback."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager

import dns.message
import dns.rrset
import pytest
import trio

from clusterkit.discovery import Dns, DnsSrv
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
