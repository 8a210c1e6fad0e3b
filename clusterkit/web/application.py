"""The ASGI application of a node: routes, and what they answer.

Served by itself (`serving`), or mounted in another application that trio runs. What
is answered is `views`; who may ask is `secrets`.
"""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.errors import ConfigError
from clusterkit.logs import log
from clusterkit.web.secrets import Gate
from clusterkit.web.serving import MISSING
from clusterkit.web.views import cluster, why_not_ready

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from clusterkit.cluster.node import ClusterNode

logger = logging.getLogger("clusterkit.web")

MOST_BODY: Final = 64 * 1024
"""Bytes of a request's body that are read."""

BODY_WITHIN: Final = 5.0
"""Seconds within which it must be there."""


def app(node: ClusterNode, *, operator_secret: str | bytes | None = None) -> Starlette:
    """Return the HTTP side of a node, as an ASGI application.

    `GET /livez`, `/readyz`, `/startupz`, `/health`, `/list`; `POST /control`. All
    answer JSON. It can be mounted in a Starlette or FastAPI application that runs on
    trio, under any path, and needs none of its start-up events.

    Args:
        node: The node.
        operator_secret: What an operator shows as `Authorization: Bearer …`, at
            least 16 bytes. None: nobody may change anything, or see who is offline.

    Returns:
        The application; `state.gate.refused` counts who was not let in, by route.

    Raises:
        ConfigError: The secret is too short, or Starlette is not installed.
    """
    try:
        from starlette.applications import Starlette  # noqa: PLC0415 - an extra
        from starlette.routing import Route  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(MISSING) from error
    pages = Pages(node, Gate(operator_secret))
    application = Starlette(
        routes=[
            Route("/livez", pages.live),
            Route("/readyz", pages.ready),
            Route("/startupz", pages.started),
            Route("/health", pages.health),
            Route("/list", pages.members),
            Route("/control", pages.control, methods=["POST"]),
        ]
    )
    application.state.gate = pages.gate
    return application


class Pages:
    """What the routes answer.

    Args:
        node: The node.
        gate: Lets operators in.
    """

    def __init__(self, node: ClusterNode, gate: Gate) -> None:
        self.gate = gate
        self._node = node

    def __repr__(self) -> str:
        return f"<Pages of {self._node.name}>"

    async def live(self, _: Request) -> Response:
        """Say that the event loop runs: who does not answer this is to be restarted."""
        return answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Say whether the node is to be given work."""
        reasons = why_not_ready(self._node)
        if reasons:
            return answer({"status": "error", "error": "; ".join(reasons)}, 503)
        return answer({"status": "ok"})

    async def started(self, _: Request) -> Response:
        """Say whether it has started: this application is there once it has."""
        return answer({"status": "ok"})

    async def health(self, _: Request) -> Response:
        """Say who is online, and by their names who is offline."""
        parts = cluster(self._node)
        named = {part: [row["name"] for row in rows] for part, rows in parts.items()}
        return answer({"status": "ok", "cluster": named})

    async def members(self, request: Request) -> Response:
        """Return the members; those offline to operators only."""
        parts = cluster(self._node)
        if "authorization" not in request.headers:
            return answer({"online": parts["online"]})
        if not self._admits(request, "/list"):
            return refused()
        return answer(parts)

    async def control(self, request: Request) -> Response:
        """Put the node offline or online, or have it end: `online`, or `drain`."""
        if not self._admits(request, "/control"):
            return refused()
        wish = await self._wish(request)
        if wish is None:
            return answer(
                {"error": 'one of {"online": true or false, "drain": true}'}, 400
            )
        name, value = wish
        log(logger, logging.WARNING, "control", **{name: value})
        if name == "online":
            self._node.set_online(value)
        else:
            self._node.drain()
        return answer({"ok": True})

    def _admits(self, request: Request, route: str) -> bool:
        admitted = self.gate.admits(request.headers.get("authorization", ""))
        if not admitted:
            self.gate.refuse(route)  # its path may be any, where it is mounted
        return admitted

    async def _wish(self, request: Request) -> tuple[str, bool] | None:
        """Return what is asked for, None if it is nothing that can be."""
        try:
            wish: Any = json.loads(await read(request))
        except (ValueError, RecursionError):  # the latter if it is nested deeply
            return None
        if not isinstance(wish, dict) or len(wish) != 1:
            return None
        ((name, value),) = wish.items()
        possible = name == "online" or (name == "drain" and value is True)
        return (name, value) if possible and isinstance(value, bool) else None


async def read(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        ValueError: It is too long, or does not come.
    """
    parts, size = [], 0
    with trio.move_on_after(BODY_WITHIN):
        async with aclosing(request.stream()) as stream:
            async for part in stream:
                size += len(part)
                if size > MOST_BODY:
                    raise ValueError(f"a body of more than {MOST_BODY} bytes")
                parts.append(part)
        return b"".join(parts)
    raise ValueError("a body that does not come to its end")


def answer(value: object, status: int = 200) -> Response:
    """Return an answer in JSON that nobody keeps."""
    from starlette.responses import JSONResponse  # noqa: PLC0415 - an extra

    return JSONResponse(value, status, headers={"cache-control": "no-store"})


def refused() -> Response:
    """Return the answer to who is not let in: it says nothing of why."""
    response = answer({"error": "unauthorized"}, 401)
    response.headers["www-authenticate"] = "Bearer"
    return response
