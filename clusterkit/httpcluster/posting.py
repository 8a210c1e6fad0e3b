"""How a request reaches a node: by httpx, or by whatever a test puts in its place."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

from clusterkit.discovery.http import RequestFailed, open_client, send
from clusterkit.errors import ClusterError
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WITHIN: Final = 5.0
"""Seconds for one request, all of it."""

MAX_GOSSIP: Final = 256 * 1024
"""Bytes of the longest request or answer."""

OCTETS: Final = {"Content-Type": "application/octet-stream"}


class NoAnswer(ClusterError):
    """A node gave no answer that can be used; the text says why."""

    code = "no_answer"


@frozen
class Response:
    """What came back."""

    status: int
    """The status code."""

    body: bytes
    """The content, up to `MAX_GOSSIP`."""


class Post(Protocol):
    """Sends requests."""

    async def __call__(self, url: str, body: bytes) -> Response:
        """Send one, and return what came back within `WITHIN` seconds.

        Raises:
            NoAnswer: Nothing did, or too much.
        """


@asynccontextmanager
async def httpx_post() -> AsyncIterator[Post]:
    """Yield what sends requests over HTTP, for the length of the block.

    Raises:
        ConfigError: httpx is not installed.
    """
    async with open_client() as client:

        async def post(url: str, body: bytes) -> Response:
            try:
                answer = await send(
                    client, "POST", url, OCTETS, body, within=WITHIN, most=MAX_GOSSIP
                )
            except RequestFailed as error:
                raise NoAnswer(str(error)) from error
            return Response(answer.status, answer.body)

        yield post
