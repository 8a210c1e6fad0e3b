"""A node over HTTP: real requests to a real server on loopback."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import httpx
import msgpack
import pytest
import trio

from clusterkit import web
from clusterkit.errors import ConfigError
from clusterkit.web.application import MOST_BODY
from tests.cluster.nodes import running
from tests.waiting import until

SECRET = "an operator's secret"


@asynccontextmanager
async def served(node, **options):
    """A client of a node's application."""
    application = web.app(node, **options)
    async with trio.open_nursery() as nursery:
        url = await nursery.start(web.serve, application, "127.0.0.1:0")
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            client.refused = application.state.gate.refused
            yield client
        nursery.cancel_scope.cancel()


def bearer(secret=SECRET):
    return {"authorization": f"Bearer {secret}"}


async def test_a_node_that_runs_is_live_started_and_ready():
    async with running("a") as a, served(a) as client:
        for path in ("/livez", "/startupz", "/readyz"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert answer.headers["cache-control"] == "no-store"
            assert (await client.head(path)).status_code == 200
        assert (await client.get("/nothing")).status_code == 404
        wrong = await client.get("/control")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


async def test_a_node_that_misses_a_service_is_not_ready():
    async with running("a") as a, served(a) as client:
        a.services.need("db")
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "error", "error": "no provider of db"}
        assert (await client.get("/livez")).status_code == 200
        a.services.advertise("db")
        assert (await client.get("/readyz")).status_code == 200


async def test_health_names_who_is_online_and_who_is_not():
    async with running("a") as a, running("b") as b, served(a) as client:
        await a.meet(b.address)
        await until(lambda: a.members.all()[1].incarnation)
        assert (await client.get("/health")).json() == {
            "status": "ok",
            "cluster": {"online": ["a", "b"], "offline": []},
        }
        b.set_online(False)
        await until(lambda: a.state.value("b", "_status") == "offline")
        health = (await client.get("/health")).json()
        assert health["cluster"] == {"online": ["a"], "offline": ["b"]}


async def test_who_is_offline_is_for_operators():
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        a.set_online(False)
        assert (await client.get("/list")).json() == {"online": []}
        assert (await client.get("/list", headers=bearer("x" * 20))).status_code == 401
        told = (await client.get("/list", headers=bearer())).json()
        (row,) = told["offline"]
        assert (row["name"], row["status"], row["port"]) == ("a", "offline", a.port)
        assert client.refused == {"/list": 1}


async def test_an_operator_puts_a_node_offline_where_it_stays():
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        for _ in range(2):
            answer = await client.post(
                "/control", headers=bearer(), json={"online": False}
            )
            assert answer.status_code == 200
        ready = await client.get("/readyz")
        assert ready.json() == {"status": "error", "error": "the node is offline"}
        assert not a.is_ready
        await client.post("/control", headers=bearer(), json={"online": True})
        assert (await client.get("/readyz")).status_code == 200
        assert a.state.keys("a") == ()


async def test_an_operator_has_a_node_end():
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        answer = await client.post("/control", headers=bearer(), json={"drain": True})
        assert answer.status_code == 200
        await until(lambda: not a.is_ready)
        assert (await client.get("/readyz")).status_code == 503
        await a.shutdown()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong, and long enough"),
        {"authorization": SECRET},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {SECRET}"},
    ],
    ids=["none", "wrong", "bare", "no secret", "another scheme"],
)
async def test_who_does_not_show_the_secret_is_told_nothing(headers):
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        answer = await client.post("/control", headers=headers, json={"online": False})
        assert answer.status_code == 401
        assert answer.json() == {"error": "unauthorized"}
        assert a.is_ready
        assert client.refused == {"/control": 1}


async def test_without_a_secret_nobody_is_an_operator():
    async with running("a") as a, served(a) as client:
        for secret in ("None", SECRET):
            answer = await client.post(
                "/control", headers=bearer(secret), json={"online": False}
            )
            assert answer.status_code == 401
        assert a.is_ready


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"online": 1}',
        b'{"drain": false}',
        b'{"online": true, "drain": true}',
        b'{"online": true, "online": false}',
        b'{"drain": false, "drain": true}',
        b'{"other": true}',
        json.dumps({"online": "x" * MOST_BODY}).encode(),
        b"\xff\xfe",
        b"[" * 30_000,
        b'{"a":' * 10_000,
        b'{"online": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_what_is_no_wish_is_refused(body):
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        answer = await client.post("/control", headers=bearer(), content=body)
        assert answer.status_code == 400
        assert a.is_ready


@pytest.mark.parametrize(
    "secret", ["ein längeres Geheimnis", "la volonté et au-delà".encode(), b"\xff" * 20]
)
async def test_a_secret_may_be_any_text_that_a_header_can_have(secret):
    data = secret.encode() if isinstance(secret, str) else secret
    async with running("a") as a, served(a, operator_secret=secret) as client:
        for shown, status in ((data, 200), (data[:-1], 401), (b"?" * len(data), 401)):
            answer = await client.post(
                "/control",
                headers=[(b"authorization", b"Bearer " + shown)],
                json={"online": True},
            )
            assert answer.status_code == status


@pytest.mark.parametrize(
    "secret",
    ["short", b"short", 5, " " * 30, "", "two lines, and so\nno header", b"\0" * 20],
)
async def test_a_secret_is_long_and_fits_a_header(secret):
    async with running("a") as a:
        with pytest.raises(ConfigError, match="operator_secret"):
            web.app(a, operator_secret=secret)


async def test_an_application_may_be_mounted_in_another():
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async with running("a") as a, trio.open_nursery() as nursery:
        outer = Starlette(routes=[Mount("/cluster", web.app(a))])
        url = await nursery.start(web.serve, outer, "127.0.0.1:0")
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/cluster/readyz")).status_code == 200
        nursery.cancel_scope.cancel()


async def test_an_address_in_use_is_told():
    async with running("a") as a, trio.open_nursery() as nursery:
        url = await nursery.start(web.serve, web.app(a), "127.0.0.1:0")
        with pytest.raises(OSError, match="in use"):
            await web.serve(web.app(a), url.removeprefix("http://"))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("status", [None, 5, [], True, "", "of a later version", b"x"])
async def test_who_says_what_nobody_understands_is_offline(status):
    async with running("a") as a, running("b") as b, served(a) as client:
        await a.meet(b.address)
        await until(lambda: a.members.all()[1].incarnation)
        b.state._book.set("_status", status, None)
        await until(lambda: "_status" in a.state.keys("b"))
        health = (await client.get("/health")).json()
        assert health["cluster"] == {"online": ["a"], "offline": ["b"]}


async def test_who_says_what_cannot_be_built_here_is_offline():
    unknown = msgpack.packb(msgpack.ExtType(77, b"of a later version"))
    async with (
        running("a") as a,
        running("b") as b,
        served(a, operator_secret=SECRET) as client,
    ):
        await a.meet(b.address)
        await until(lambda: a.members.all()[1].incarnation)
        b.state._book._write("_status", unknown)
        await until(lambda: "_status" in a.state.keys("b"))
        health = await client.get("/health")
        assert health.json()["cluster"] == {"online": ["a"], "offline": ["b"]}
        told = (await client.get("/list", headers=bearer())).json()
        assert [row["name"] for row in told["offline"]] == ["b"]


async def test_refusals_are_counted_by_route_wherever_it_is_mounted():
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async with running("a") as a, trio.open_nursery() as nursery:
        inner = web.app(a, operator_secret=SECRET)
        outer = Starlette(routes=[Mount("/{tenant}", inner)])
        url = await nursery.start(web.serve, outer, "127.0.0.1:0")
        async with httpx.AsyncClient(base_url=url) as client:
            for n in range(5):
                assert (await client.post(f"/{n}/control")).status_code == 401
                wrong = await client.get(f"/{n}/list", headers=bearer("x" * 20))
                assert wrong.status_code == 401
                assert (await client.get(f"/{n}/no{n}")).status_code == 404
        assert inner.state.gate.refused == {"/control": 5, "/list": 5}
        nursery.cancel_scope.cancel()
