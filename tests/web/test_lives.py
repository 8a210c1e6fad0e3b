"""What is answered for a node that has not started, ends, or has ended; and serving."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio

from clusterkit import GenServer, web
from clusterkit.errors import ConfigError
from tests.cluster.nodes import running
from tests.waiting import until
from tests.web.test_health import SECRET, bearer, served

ROUTES = ("/livez", "/startupz", "/readyz", "/health", "/list")


async def answers(client):
    """Return the status of each route, and what is said where it is not 200."""
    told = {path: await client.get(path) for path in ROUTES}
    said = {answer.json().get("error") for answer in told.values()} - {None}
    return [answer.status_code for answer in told.values()], said


async def control(client, **wish):
    answer = await client.post("/control", headers=bearer(), json=wish)
    return answer.status_code, answer.json().get("error")


async def asked(node, online):
    """Return the phase of a node, its answers, and what it says to two orders."""
    async with served(node, operator_secret=SECRET) as client:
        orders = [
            await control(client, online=online),
            await control(client, drain=True),
        ]
        return node.phase, *await answers(client), orders


async def test_a_node_that_starts_has_not_started_and_takes_no_orders():
    told = []

    class Asks(GenServer):
        async def init(self):
            told.append(await asked(self.node, online=False))

    async with running("a", actors={"asks": Asks}) as a:
        assert (a.phase, a.is_ready) == ("running", True)
    said = "the node is starting"
    statuses = [200, 503, 503, 200, 200]
    assert told == [("starting", statuses, {said}, [(503, said)] * 2)]


async def test_a_node_that_ends_is_not_put_online():
    told = []

    class Asks(GenServer):
        async def terminate(self, reason):
            told.append(await asked(self.node, online=True))

    async with running("a", actors={"asks": Asks}) as a:
        pass
    said = "the node is ending"
    statuses = [200, 200, 503, 200, 200]
    assert told == [("ending", statuses, {said}, [(503, said), (200, None)])]
    assert a.phase == "ended"


@pytest.mark.parametrize("how", ["shutdown", "left", "cut"])
async def test_a_node_that_has_ended_says_so_and_nothing_else(how):
    async with running("a") as a:
        if how == "shutdown":
            await a.shutdown()
        elif how == "cut":
            a._ending.cut()
        if how != "left":
            await said_of_an_end(a)
    await said_of_an_end(a)


async def said_of_an_end(node):
    ended = "the node has ended"
    async with served(node, operator_secret=SECRET) as client:
        assert await answers(client) == ([200, 503, 503, 503, 503], {ended})
        for wish in ({"online": True}, {"online": False}, {"drain": True}):
            assert await control(client, **wish) == (503, ended)
        answer = await client.get("/list", headers=bearer())
        assert (answer.status_code, answer.json()["error"]) == (503, ended)
        assert (await client.get("/list", headers=bearer("x"))).status_code == 401
        assert (await client.post("/control", json={})).status_code == 401


async def test_who_goes_in_the_middle_of_a_body_is_no_fault_of_ours(caplog):
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        told = []
        for rest in (
            b"content-length: 99\r\n\r\n",
            b"transfer-encoding: chunked\r\n\r\n10\r\n",
        ):
            stream = await trio.open_tcp_stream("127.0.0.1", client.base_url.port)
            head = f"POST /control HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
            await stream.send_all(head.encode() + rest + b'{"online":false}')
            await trio.testing.wait_all_tasks_blocked(0.05)
            await stream.aclose()
        for _ in range(5):
            told.append((await client.get("/livez")).status_code)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert a.is_ready
    assert set(told) == {200}
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_a_secret_that_is_shown_beside_another_is_none():
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        for other in ("Bearer x", f"Bearer {SECRET}"):
            both = [("authorization", f"Bearer {SECRET}"), ("authorization", other)]
            answer = await client.post("/control", headers=both, json={"online": False})
            assert answer.status_code == 401
        assert a.is_ready


async def test_nobody_is_sent_elsewhere_with_a_secret():
    async with running("a") as a, served(a, operator_secret=SECRET) as client:
        headers = bearer() | {"host": "evil.example"}
        for path in ("/control/", "/list/", "//control"):
            answer = await client.post(path, headers=headers, json={"online": False})
            assert (answer.status_code, answer.headers.get("location")) == (404, None)
        assert a.is_ready


# Serving


@asynccontextmanager
async def outer(marks, begun, goes_on):
    """An application with a route that waits, and a life of its own."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def slow(_):
        begun.set()
        await goes_on.wait()
        return PlainTextResponse("done")

    @asynccontextmanager
    async def life(_):
        marks.append("up")
        yield
        await trio.lowlevel.checkpoint()
        marks.append("down")

    async with running("a") as a:
        routes = [Route("/slow", slow), Mount("/cluster", web.app(a))]
        yield Starlette(routes=routes, lifespan=life)


async def test_what_is_under_way_when_serving_ends_comes_to_its_end():
    marks, begun, goes_on, got = [], trio.Event(), trio.Event(), []

    async def ask(url):
        async with httpx.AsyncClient(base_url=url) as client:
            got.append((await client.get("/slow")).text)

    async with outer(marks, begun, goes_on) as application:
        async with trio.open_nursery() as asking, trio.open_nursery() as serving:
            url = await serving.start(web.serve, application, "127.0.0.1:0")
            asking.start_soon(ask, url)
            await begun.wait()
            serving.cancel_scope.cancel()
            goes_on.set()
        assert (got, marks) == (["done"], ["up", "down"])


@pytest.mark.parametrize(("grace", "ended"), [(0.5, ["up", "down"]), (0, ["up"])])
async def test_what_does_not_come_to_its_end_is_cut(grace, ended):
    marks, begun = [], trio.Event()

    async def ask(url):
        async with httpx.AsyncClient(base_url=url) as client:
            with pytest.raises(httpx.HTTPError):
                await client.get("/slow")

    async with outer(marks, begun, trio.Event()) as application:
        async with trio.open_nursery() as asking, trio.open_nursery() as serving:
            serve = partial(web.serve, application, "127.0.0.1:0", grace=grace)
            url = await serving.start(serve)
            asking.start_soon(ask, url)
            await begun.wait()
            serving.cancel_scope.cancel()
        assert marks == ended


@pytest.mark.parametrize("grace", [-1, float("nan"), "2"])
async def test_a_grace_is_a_number_of_seconds(grace):
    async with running("a") as a:
        with pytest.raises(ConfigError, match="number of seconds"):
            await web.serve(web.app(a), "127.0.0.1:0", grace=grace)


async def test_where_it_serves_is_logged_as_all_is(caplog):
    with caplog.at_level(logging.INFO):
        async with running("a") as a, served(a) as client:
            url = str(client.base_url)
    lines = [r.getMessage() for r in caplog.records if "web" in r.name]
    assert lines == [f"http_serving url={url}"]


async def test_a_start_that_hangs_can_be_cancelled():
    from starlette.applications import Starlette

    hangs = trio.Event()

    @asynccontextmanager
    async def life(_):
        hangs.set()
        await trio.sleep_forever()
        yield

    async with trio.open_nursery() as nursery:
        nursery.start_soon(web.serve, Starlette(lifespan=life), "127.0.0.1:0")
        await hangs.wait()
        nursery.cancel_scope.cancel()


async def test_two_applications_of_one_node_each_have_their_gate():
    async with running("a") as a, trio.open_nursery() as nursery:
        apps = [web.app(a, operator_secret=SECRET), web.app(a)]
        urls = [await nursery.start(web.serve, app, "[::1]:0") for app in apps]
        assert all(url.startswith("http://[::1]:") for url in urls)
        async with httpx.AsyncClient(headers=bearer()) as client:
            wish = {"online": False}
            told = [await client.post(f"{url}/control", json=wish) for url in urls]
        assert [answer.status_code for answer in told] == [200, 401]
        assert [app.state.gate.refused.total() for app in apps] == [0, 1]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "bind",
    [
        "127.0.0.1",
        ":0",
        "::1:0",
        "[::1:0",
        "h:80:0",
        "h:-1",
        "h:\uff10",
        "h:99999",
        "a b:0",
    ],
)
async def test_what_is_no_place_to_serve_at_is_refused(bind):
    async with running("a") as a:
        with pytest.raises(ConfigError):
            await web.serve(web.app(a), bind)


async def test_a_cancelled_request_leaves_nothing_behind():
    async with running("a") as a, served(a) as client:
        for _ in range(20):
            with trio.move_on_after(0) as scope:
                await client.get("/health")
            assert scope.cancelled_caught
        await until(lambda: a.is_ready)
        assert (await client.get("/health")).status_code == 200
