"""The ASGI application of a node: routes, and what they answer.

Served by itself (`serving`), or mounted in another application that trio runs. What
is answered is `views`; who may ask is `secrets`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from clusterkit.httpcluster.cluster import HttpCluster
from clusterkit.logs import log
from clusterkit.web.gossip import gossip_page
from clusterkit.web.reading import read
from clusterkit.web.secrets import Gate
from clusterkit.web.serving import require_web
from clusterkit.web.views import cluster, phase, why_not_ready

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from clusterkit.web.views import Hosted

logger = logging.getLogger("clusterkit.web")

MOST_BODY: Final = 64 * 1024
"""Bytes of a request's body that are read."""

_AT_IT: Final = ("drain", "ending")
"""A wish that is fulfilled already, and when."""


def app(node: Hosted, *, operator_secret: str | bytes | None = None) -> Starlette:
    """Return the HTTP side of a node, as an ASGI application.

    `GET /livez`, `/readyz`, `/startupz`, `/health`, `/list`; `POST /control`. All
    answer JSON. Of an `HttpCluster` also `POST /gossip`. It can be mounted in a
    Starlette or FastAPI application that runs on trio, under any path, and needs none
    of its start-up events.

    Args:
        node: A `ClusterNode`, or an `HttpCluster`.
        operator_secret: What an operator shows as `Authorization: Bearer …`, at
            least 16 bytes. None: nobody may change anything, or see who is offline.

    Returns:
        The application; `state.gate.refused` counts who was not let in, by route.

    Raises:
        ConfigError: The secret is too short, or Starlette is not installed.
    """
    require_web()
    from starlette.applications import Starlette  # noqa: PLC0415 - an extra
    from starlette.routing import Route  # noqa: PLC0415

    pages = Pages(node, Gate(operator_secret))
    routes = [
        Route("/livez", pages.live),
        Route("/readyz", pages.ready),
        Route("/startupz", pages.started),
        Route("/health", pages.health),
        Route("/list", pages.members),
        Route("/control", pages.control, methods=["POST"]),
    ]
    if isinstance(node, HttpCluster):
        routes.append(Route("/gossip", gossip_page(node), methods=["POST"]))
    application = Starlette(routes=routes)
    # To who asks for `/control/` it would say where else to send the secret.
    application.router.redirect_slashes = False
    application.state.gate = pages.gate
    return application


class Pages:
    """What the routes answer.

    Args:
        node: The node.
        gate: Lets operators in.
    """

    def __init__(self, node: Hosted, gate: Gate) -> None:
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
        return unable("; ".join(reasons)) if reasons else answer({"status": "ok"})

    async def started(self, _: Request) -> Response:
        """Say whether it has started, and has not ended."""
        if self._node.phase in {"starting", "ended"}:
            return unable(phase(self._node))
        return answer({"status": "ok"})

    async def health(self, _: Request) -> Response:
        """Say who is online, and by their names who is offline."""
        if self._node.phase == "ended":
            return unable(phase(self._node))
        parts = cluster(self._node)
        named = {part: [row["name"] for row in rows] for part, rows in parts.items()}
        return answer({"status": "ok", "cluster": named})

    async def members(self, request: Request) -> Response:
        """Return the members; those offline to operators only."""
        tells_all = "authorization" in request.headers
        if tells_all and not self._admits(request, "/list"):
            return refused()
        if self._node.phase == "ended":
            return unable(phase(self._node))
        parts = cluster(self._node)
        return answer(parts if tells_all else {"online": parts["online"]})

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
        if self._node.phase != "running" and (name, self._node.phase) != _AT_IT:
            return unable(phase(self._node))
        log(logger, logging.WARNING, "control", **{name: value})
        if name == "online":
            self._node.set_online(value)
        else:
            self._node.drain()
        return answer({"ok": True})

    def _admits(self, request: Request, route: str) -> bool:
        given = request.headers.getlist("authorization")
        admitted = len(given) == 1 and self.gate.admits(given[0])
        if not admitted:
            self.gate.refuse(route)  # its path may be any, where it is mounted
        return admitted

    async def _wish(self, request: Request) -> tuple[str, bool] | None:
        """Return what is asked for, None if it is nothing that can be."""
        try:
            wish: Any = json.loads(
                await read(request, MOST_BODY), object_pairs_hook=_once_each
            )
        except (ValueError, RecursionError):  # the latter if it is nested deeply
            return None
        if not isinstance(wish, dict) or len(wish) != 1:
            return None
        ((name, value),) = wish.items()
        possible = name == "online" or (name == "drain" and value is True)
        return (name, value) if possible and isinstance(value, bool) else None


def answer(value: object, status: int = 200) -> Response:
    """Return an answer in JSON that nobody keeps."""
    from starlette.responses import JSONResponse  # noqa: PLC0415 - an extra

    return JSONResponse(value, status, headers={"cache-control": "no-store"})


def unable(why: str) -> Response:
    """Return the answer of a node that is not in a state for what is asked."""
    return answer({"status": "error", "error": why}, 503)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, unless it says something twice.

    Raises:
        ValueError: It does.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


def refused() -> Response:
    """Return the answer to who is not let in: it says nothing of why."""
    response = answer({"error": "unauthorized"}, 401)
    response.headers["www-authenticate"] = "Bearer"
    return response
