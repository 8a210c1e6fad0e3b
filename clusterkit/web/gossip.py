"""The page that other nodes of a cluster over HTTP post to.

What is answered is `httpcluster.answering`. Here are bounds only: a body, and the
bodies that are read beside each other. Of more the one that takes longest gives way:
who has the cookie sends its body at once, so strangers keep nobody out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from clusterkit.httpcluster.posting import MAX_GOSSIP
from clusterkit.web.reading import read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from clusterkit.httpcluster.cluster import HttpCluster

MOST_AT_ONCE: Final = 64
"""Requests whose bodies are read beside each other; of more the oldest is refused."""


def gossip_page(cluster: HttpCluster) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers `POST /gossip` for a node."""
    under_way: list[trio.CancelScope] = []

    async def gossip(request: Request) -> Response:
        if cluster.phase == "ended":
            return _response(503, b"")
        if len(under_way) >= MOST_AT_ONCE:
            under_way.pop(0).cancel()
            cluster.refused["overloaded"] += 1
        with trio.CancelScope() as scope:
            under_way.append(scope)
            try:
                body = await read(request, MAX_GOSSIP)
            except ValueError:
                cluster.refused["body"] += 1
                return _response(413, b"")
            finally:
                if scope in under_way:
                    under_way.remove(scope)
            source = None if request.client is None else request.client.host
            response = cluster.gossip(body, source)
            return _response(response.status, response.body)
        return _response(503, b"")

    return gossip


def _response(status: int, body: bytes) -> Response:
    from starlette.responses import Response  # noqa: PLC0415 - an extra

    headers = {"cache-control": "no-store"}
    if status == 503:
        headers["retry-after"] = "1"
    return Response(body, status, headers, media_type="application/octet-stream")
