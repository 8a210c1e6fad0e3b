"""A master list beside gossip over HTTP: a real list, real nodes, on loopback."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import trio
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from clusterkit import web
from clusterkit.discovery import MasterList
from tests.waiting import until

from .test_http_cluster import alive, served


class ListServer:
    """Keeps one document, by version."""

    def __init__(self, *entries):
        self.body = json.dumps({"nodes": list(entries)}).encode()
        self.version = 1
        self.reads = 0

    @property
    def urls(self):
        nodes = json.loads(self.body)["nodes"]
        return sorted(row["url"] for row in nodes if isinstance(row, dict))

    async def answer(self, request):
        if request.method == "GET":
            self.reads += 1
            return Response(self.body, headers={"ETag": f'"{self.version}"'})
        if request.headers["if-match"] != f'"{self.version}"':
            return Response(status_code=412)
        self.body = await request.body()
        self.version += 1
        return Response()


@asynccontextmanager
async def listing(*entries):
    server = ListServer(*entries)
    routes = [Route("/list", server.answer, methods=["GET", "PUT"])]
    async with trio.open_nursery() as nursery:
        url = await nursery.start(web.serve, Starlette(routes=routes), "127.0.0.1:0")
        server.url = url + "/list"
        yield server
        nursery.cancel_scope.cancel()


async def test_nodes_find_each_other_by_a_list_that_they_keep():
    async with listing() as server:

        def kept():
            options = {"upload": True, "upload_on_end": True, "interval": 0.1}
            return MasterList(server.url, **options)

        async with served("a", allow=(), master_list=kept()) as a:
            await until(lambda: server.urls == [a.url])
            async with served("b", allow=(), master_list=kept()) as b:
                await until(lambda: alive(a) == alive(b) == ["a", "b"])
                await until(lambda: server.urls == sorted([a.url, b.url]))
                b.drain()
                await until(lambda: server.urls == [a.url])


async def test_what_is_no_entry_is_counted_and_the_rest_is_taken():
    async with served("b", allow=()) as b:
        entries = (5, "x y", {"url": "ftp://a"}, {"id": "?", "url": b.url}, b.url)
        async with (
            listing(*entries) as server,
            served("a", allow=(), master_list=MasterList(server.url)) as a,
        ):
            await until(lambda: alive(a) == ["a", "b"])
            assert a.refused["invalid_entry"] == 4


async def test_what_the_list_may_not_name_is_not_dialled():
    async with served("b", allow=()) as b, listing(b.url) as server:
        only = MasterList(server.url, allow=["10.0.0.0/8"], interval=0.05)
        async with served("a", allow=(), master_list=only) as a:
            await until(lambda: a.refused["not_allowed"] >= 5)
            assert server.reads >= 5
            assert b.refused == {}
