"""Clusters over HTTP alone, for real: Hypercorn, httpx, loopback, processes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from starlette.applications import Starlette

from clusterkit import web
from clusterkit.errors import ConfigError
from clusterkit.events import MemberDown
from clusterkit.httpcluster.posting import MAX_GOSSIP
from clusterkit.web import gossip as gossip_module, reading
from tests.sim.rings import listening
from tests.waiting import until

from .http_node import COOKIE

SECRET = "an operator's secret"
FAST = 0.05
PATIENT = 0.5  # where a process may stand still for a while


@asynccontextmanager
async def served(name, seeds=(), *, path="/cluster", **options):
    """A node that is served, under a path of another application."""
    options = {"cookie": COOKIE, "interval": FAST, "allow": ["127.0.0.1"], **options}
    outer = Starlette()
    async with trio.open_nursery() as nursery:
        url = await nursery.start(web.serve, outer, "127.0.0.1:0")
        async with web.create_http_cluster(
            name, url + path, seeds=seeds, **options
        ) as cluster:
            outer.mount(path, web.app(cluster, operator_secret=SECRET))
            yield cluster
        nursery.cancel_scope.cancel()


def alive(cluster):
    return sorted(cluster.members.alive())


async def test_three_nodes_know_each_other_and_what_each_says():
    async with (
        served("a") as a,
        served("b", [a.url]) as b,
        served("c", [a.url + "/"], path="/deeper/down", monitor=True) as c,
    ):
        for node in (a, b, c):
            node.state.set("x", [node.name, b"\x00", 1.5])
        await until(
            lambda: all(
                node.state.value(name, "x") == [name, b"\x00", 1.5]
                for node in (a, b, c)
                for name in "abc"
            )
        )
        rows = {member.id: member for member in b.members.all()}
        assert {name: row.url for name, row in rows.items()} == {
            "a": a.url,
            "b": b.url,
            "c": c.url,
        }
        assert [name for name, row in rows.items() if row.monitor] == ["c"]


async def test_the_pages_are_those_of_a_node_with_links():
    async with (
        served("a") as a,
        served("b", [a.url]) as b,
        httpx.AsyncClient(timeout=20) as client,
    ):
        await until(lambda: alive(a) == ["a", "b"])
        operator = {"authorization": f"Bearer {SECRET}"}
        for page in ("/livez", "/readyz", "/startupz"):
            assert (await client.get(a.url + page)).json() == {"status": "ok"}
        await client.post(b.url + "/control", headers=operator, json={"online": False})
        await until(lambda: a.state.value("b", "_status") == "offline")
        health = await client.get(a.url + "/health")
        assert health.json() == {
            "status": "ok",
            "cluster": {"online": ["a"], "offline": ["b"]},
        }
        assert (await client.get(b.url + "/readyz")).status_code == 503
        (online,) = (await client.get(a.url + "/list")).json()["online"]
        assert (online["name"], online["url"], online["monitor"]) == ("a", a.url, False)
        told = (await client.get(a.url + "/list", headers=operator)).json()
        assert [row["status"] for row in told["offline"]] == ["offline"]
        wrong = {"authorization": "Bearer wrong, and long enough"}
        assert (await client.get(a.url + "/list", headers=wrong)).status_code == 401
        await client.post(b.url + "/control", headers=operator, json={"drain": True})
        await until(lambda: a.members.state("b") == "left")


@pytest.mark.parametrize("body", [b"", b"x", b"ckh\x01" + b"\0" * 200, b"\xff" * 9999])
async def test_who_has_no_cookie_is_told_nothing(body):
    async with served("a") as a, httpx.AsyncClient(timeout=20) as client:
        answer = await client.post(a.url + "/gossip", content=body)
        assert (answer.status_code, answer.content) == (401, b"")
        assert a.refused == {"forged": 1}
        for method in ("GET", "PUT", "DELETE"):
            answer = await client.request(method, a.url + "/gossip")
            assert answer.status_code == 405


async def test_a_wrong_cookie_is_of_no_use():
    async with served("a") as a, served("b", [a.url], cookie="wrong") as b:
        await until(lambda: a.refused["forged"] >= 3 and b.refused["failed"] >= 3)
        assert (alive(a), alive(b)) == (["a"], ["b"])


async def test_a_request_that_was_captured_is_of_no_use():
    captured = []

    def keep(cluster):
        answer = cluster._answering.answer

        def answering(body, source):
            response = answer(body, source)
            captured.append((body, response.status))
            return response

        cluster._answering.answer = answering

    async with served("a") as a:
        keep(a)
        async with served("b", [a.url]), httpx.AsyncClient(timeout=20) as client:
            await until(lambda: [s for _, s in captured].count(200) >= 3)
            taken = [body for body, status in captured if status == 200]
            for body in taken[:3]:
                answer = await client.post(a.url + "/gossip", content=body)
                assert (answer.status_code, answer.content) == (401, b"")
            assert a.refused["replayed"] == 3


async def test_a_member_is_not_dialled_where_it_may_not_be():
    async with trio.open_nursery() as nursery:
        reached = []

        async def victim(stream):
            reached.append(await stream.receive_some(100))

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, victim, [listener])
        port = listener.socket.getsockname()[1]
        async with served("a", allow=()) as a:
            async with web.create_http_cluster(
                "evil",
                f"http://127.0.0.1:{port}",
                cookie=COOKIE,
                seeds=[a.url],
                interval=FAST,
            ) as evil:
                await until(lambda: "evil" in alive(a) and a.refused["not_allowed"])
                for number in range(20):  # as many intervals, at least
                    evil.state.set("x", number)
                    await until(lambda n=number: a.state.value("evil", "x") == n)
                await until(lambda: "evil" in alive(a))  # it is still heard
        assert reached == []
        nursery.cancel_scope.cancel()


async def test_a_body_that_is_too_long_or_does_not_come_is_refused(monkeypatch):
    monkeypatch.setattr(reading, "BODY_WITHIN", 0.2)
    async with served("a") as a, httpx.AsyncClient(timeout=20) as client:
        long = await client.post(a.url + "/gossip", content=b"x" * (MAX_GOSSIP + 1))
        assert long.status_code == 413

        async def slow():
            yield b"ckh"
            await trio.sleep(1)

        late = await client.post(a.url + "/gossip", content=slow())
        assert late.status_code == 413
        assert a.refused == {"body": 2}


async def test_many_slow_bodies_keep_nobody_out(monkeypatch):
    monkeypatch.setattr(gossip_module, "MOST_AT_ONCE", 4)
    monkeypatch.setattr(reading, "BODY_WITHIN", 600)
    told = []
    async with served("a") as a, trio.open_nursery() as nursery:
        server = httpx.URL(a.url)

        async def post():
            stream = await trio.open_tcp_stream(server.host, server.port)
            async with stream:
                head = "POST /cluster/gossip HTTP/1.1\r\nhost: x\r\n"
                await stream.send_all(f"{head}content-length: 99\r\n\r\nckh".encode())
                told.append(await stream.receive_some())

        for _ in range(9):
            nursery.start_soon(post)
        await until(lambda: len(told) == 5)
        async with served("b", [a.url]) as b:
            await until(lambda: alive(a) == alive(b) == ["a", "b"])
        assert all(answer.startswith(b"HTTP/1.1 503") for answer in told)
        assert all(b"retry-after: 1" in answer for answer in told)
        assert a.refused["overloaded"] >= len(told) >= 5
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def process(name, *seeds):
    """A node in a process of its own, and its URL."""
    command = [sys.executable, "-m", "tests.web.http_node", name, str(PATIENT), *seeds]
    child = await trio.lowlevel.open_process(
        command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        with trio.fail_after(60):
            line = b""
            while not line.endswith(b"\n"):
                line += await child.stdout.receive_some()
        yield child, line.decode().strip()
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_a_process_that_is_killed_is_seen_and_its_restart_comes_back():
    async with served("a", interval=PATIENT) as a:
        async with process("b", a.url) as (b, url):
            await until(lambda: a.state.value("b", "life"), 60)
            before = a.state.value("b", "life")
            assert a.members.all()[1].url == url
            async with listening(a, MemberDown) as heard:
                b.kill()
                await until(lambda: a.members.state("b") == "dead", 60)
            assert heard == [MemberDown("b")]
        async with process("b", a.url) as (b, url):
            await until(lambda: alive(a) == ["a", "b"], 60)
            await until(lambda: a.state.value("b", "life") > before, 60)
            b.terminate()
            await until(lambda: a.members.state("b") == "left", 60)
            assert await b.wait() == 0


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://a"},
        {"url": "a.example"},
        {"url": "http://user:pass@a"},
        {"url": "http://a/?b"},
        {"url": "http://a/#b"},
        {"url": "http://a:0"},
        {"url": "http://a:99999"},
        {"url": "http://" + "a" * 600},
        {"url": "http://a b"},
        {"url": "http://a\n"},
        {"url": 5},
        {"seeds": "http://a"},
        {"seeds": ["a"]},
        {"allow": "10.0.0.0/8"},
        {"allow": ["10.0.0.0/99"]},
        {"interval": 0},
        {"interval": float("nan")},
        {"interval": "1"},
        {"cookie": ""},
        {"config": {"forget_after": 5}},
        {"name": "a b"},
        {"ring": ""},
    ],
    ids=str,
)
async def test_options_that_cannot_be_are_told(options):
    options = {"name": "a", "url": "http://a", "cookie": COOKIE, **options}
    with pytest.raises(ConfigError):
        async with web.create_http_cluster(**options):
            pass


async def test_one_that_has_ended_may_be_told_to_end_again():
    async with served("a") as a:
        a.drain()
        await until(lambda: a.phase == "ended")
        a.drain()
    a.drain()
    await a.shutdown()
    assert a.phase == "ended"
