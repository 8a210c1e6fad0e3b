"""The few requests that nodes send over HTTP: for a master list, and as gossip.

httpx, because it runs on trio itself: a request ends when it is cancelled, however
slowly the server drips. urllib3 would need a thread for each, which cannot be
ended. Nothing else knows of it, so another client is one file. The invariants: an
answer is read up to a bound and no further; no redirect is followed, since it
would carry the secret to whoever the server names; and nothing of one answer is in
the next request, so no cookies are kept: one server could set as many as it likes,
and have them sent to the others of its domain, or of its host.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

WITHIN: Final = 10.0
"""Seconds for one request, all of it."""

MAX_BODY: Final = 1024 * 1024
"""Bytes of the longest answer that is read: ten thousand nodes and more."""


_HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class RequestFailed(Exception):
    """There is no answer to use; the text says why."""


@frozen
class Answer:
    """What a server answered."""

    status: int
    """The status code."""

    etag: str | None
    """Which version of the list it is, if the server says so."""

    body: bytes
    """The content."""


class Http:
    """Sends requests to one URL.

    Args:
        client: An `httpx.AsyncClient`.
        url: Where to.
    """

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    async def get(self) -> Answer:
        """Return what is there.

        Raises:
            RequestFailed: No answer in time, or one that is too long.
        """
        return await self._request("GET", {})

    async def put(self, body: bytes, condition: Mapping[str, str]) -> Answer:
        """Replace what is there, if a condition holds.

        Args:
            body: JSON.
            condition: The header with the condition.

        Raises:
            RequestFailed: As for `get`; it may have been replaced all the same.
        """
        headers = {"Content-Type": "application/json", **condition}
        return await self._request("PUT", headers, body)

    async def _request(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        return await send(
            self._client,
            method,
            self._url,
            headers,
            body,
            within=WITHIN,
            most=MAX_BODY,
        )


async def send(
    client: Any,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    within: float,
    most: int,
) -> Answer:
    """Send a request; return its answer.

    Args:
        client: From `open_client`.
        method: What to do.
        url: With what.
        headers: Of this request.
        body: Its content.
        within: Seconds for all of it.
        most: Bytes of the answer that are read.

    Raises:
        RequestFailed: No answer in time, or one that is too long.
    """
    import httpx  # noqa: PLC0415 - an extra

    try:
        with trio.fail_after(within):
            async with client.stream(
                method, url, headers=headers, content=body
            ) as response:
                content = await _read(response, most)
    except trio.TooSlowError as error:
        raise RequestFailed(f"no answer within {within:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise RequestFailed(str(error) or type(error).__name__) from error
    return Answer(response.status_code, response.headers.get("etag"), content)


@asynccontextmanager
async def open_http(url: str, auth: str | None) -> AsyncIterator[Http]:
    """Yield what sends requests to a URL, for the length of the block.

    Args:
        url: Where to.
        auth: What the header `Authorization` says, None for no such header.

    Raises:
        ConfigError: No header can say that, or httpx is not installed.
    """
    check_auth(auth)
    async with open_client({} if auth is None else {"Authorization": auth}) as client:
        yield Http(client, url)


def open_client(headers: Mapping[str, str] | None = None) -> Any:
    """Return an `httpx.AsyncClient`, to be entered, whose requests end in time.

    Args:
        headers: Of all its requests.
    """
    # A compressed answer could be a thousand times as long as what is read of it.
    told = {"Accept-Encoding": "identity", **(headers or {})}
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return require_httpx().AsyncClient(
        headers=told, timeout=WITHIN, follow_redirects=False, cookies=none
    )


def check_auth(auth: object) -> str | None:
    """Return what the header `Authorization` is to say, if it can.

    httpx has what it cannot send in its error, and errors are logged.

    Raises:
        ConfigError: No header can; the text has nothing of it.
    """
    if auth is None:
        return None
    if isinstance(auth, str) and _HEADER.fullmatch(auth):
        return auth
    raise ConfigError(
        "auth has characters that no header may have, or none at all: is there a line's "
        "end at its end?"
    )


def require_httpx() -> Any:
    """Return the module.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import httpx  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            'requests need another package: pip install "clusterkit[http]"'
        ) from error
    return httpx


async def _read(response: Any, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise RequestFailed("the answer is compressed, which was not asked for")
    parts, size = [], 0
    too_long = RequestFailed(f"the answer is longer than {most} bytes")
    try:
        async for part in response.aiter_raw():
            # What is in a buffer already, as ten thousand parts of a byte, comes
            # without one. Shielded, since iterators are not to be left here.
            await trio.lowlevel.cancel_shielded_checkpoint()
            size += len(part)
            if size > most:
                # Closed, its iterators come to their end with an error. One that
                # is left before its end trio finds, and warns of.
                await response.aclose()
            else:
                parts.append(part)
    except Exception as error:  # of what was closed, each layer has its own
        if size > most:
            raise too_long from error
        raise
    if size > most:
        raise too_long
    return b"".join(parts)
