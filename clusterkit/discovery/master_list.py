"""A list of nodes on a web server, which the nodes may keep themselves.

What is on the server is untrusted: each entry is checked, and dialled under the
cookie. The invariant is that no upload overwrites what this node has not read: an
upload says which version it follows, and another one in between has it read again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.discovery.allowed import Allowed
from clusterkit.discovery.entries import (
    MOST_ENTRIES,
    check_interval,
    in_turns,
    tell_all,
)
from clusterkit.discovery.http import (
    MAX_BODY,
    RequestFailed,
    check_auth,
    open_http,
    require_httpx,
)
from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.names import check_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clusterkit.discovery.http import Http
    from clusterkit.discovery.source import Keeper, Place

UPLOADS: Final = 5
"""How often an upload is tried that others are ahead of, before the next round."""

UPLOAD_PAUSE: Final = 0.5
"""Seconds before the second try, at most; they double."""

KEPT: Final = 86_400
"""Seconds for which a node stays on the list that nobody has seen since."""

SEEN_AGAIN: Final = 3_600
"""Seconds after which it is noted anew that a node was seen."""

END_WITHIN: Final = 5.0
"""Seconds for the upload at the end; the node's shutdown may leave less."""

_CONFLICTS = {409, 412}
_BETWEEN = ",\n"


class MasterList:
    """Find the nodes of a JSON list at a URL, and keep it up to date if asked to.

        {"nodes": [{"id": "foo", "host": "10.0.0.1", "port": 7022}, "10.0.0.2:7022"]}

    It is read at the start and then every `interval`. A server that does not
    answer, or answers with something else, is counted and said, and asked again
    next time. Needs `clusterkit[http]`.

    Args:
        url: Of the list, `https://…` or `http://…`.
        auth: What the header `Authorization` says, as `Bearer …`; never logged.
        interval: Seconds between two rounds, a tenth more or less.
        upload: Whether to put this node and the members that it knows on the list,
            with PUT and `If-Match`; the server has to give ETags.
        upload_on_end: Whether to take this node off the list when it ends.
        allow: Networks and host names that may be dialled; all, if none is given.

    Raises:
        ConfigError: A value is impossible, or httpx is not installed.
    """

    name: Final = "master_list"

    def __init__(
        self,
        url: str,
        *,
        auth: str | None = None,
        interval: float = 600.0,
        upload: bool = False,
        upload_on_end: bool = False,
        allow: Iterable[str] = (),
    ) -> None:
        require_httpx()
        self._url = check_url(url)
        self._auth = check_auth(auth)
        self._interval = check_interval(interval)
        self._upload = upload
        self._upload_on_end = upload_on_end
        self._allowed = Allowed(allow)

    def __repr__(self) -> str:
        return f"<MasterList {self._url} upload={self._upload}>"

    async def run(self, found: Callable[[Any], None], node: Keeper) -> None:
        """Read the list now and then; see `Source.run`."""
        async with open_http(self._url, self._auth) as http:
            try:
                while True:
                    await self._round(http, found, node)
                    await node.refresh(self._interval)
            finally:
                if self._upload_on_end:
                    seconds = min(END_WITHIN, node.left())
                    with trio.move_on_after(seconds, shield=True):
                        await self._end(http, node)

    async def _round(
        self, http: Http, found: Callable[[Any], None], node: Keeper
    ) -> None:
        try:
            listing = await _download(http)
            await self._tell(listing, found, node)
            if self._upload and node.ring():
                await self._put(http, node, listing)
        except RequestFailed as error:
            self._failed(error, node)

    async def _end(self, http: Http, node: Keeper) -> None:
        try:
            await self._put(http, node, await _download(http), without=node.info())
        except RequestFailed as error:
            self._failed(error, node)

    def _failed(self, error: RequestFailed, node: Keeper) -> None:
        node.count("list_failed")
        node.say("master_list_failed", url=self._url, error=error)

    async def _tell(
        self, listing: _Listing, found: Callable[[Any], None], node: Keeper
    ) -> None:
        addresses: list[Any] = []
        async for entry in in_turns(listing.entries):
            try:
                addresses.append(node.read(entry))
            except ConfigError as error:
                node.count("invalid_entry")
                node.say("master_list_entry", url=self._url, error=error)
        await tell_all(addresses, self._allowed, found, node)

    async def _put(
        self,
        http: Http,
        node: Keeper,
        listing: _Listing,
        without: Place | None = None,
    ) -> None:
        """Upload what is known, until nobody was faster, or it is there already.

        Raises:
            RequestFailed: It was not possible.
        """
        for number in range(UPLOADS):
            wanted = merged(listing.entries, node, without)
            if wanted is None:
                return
            answer = await http.put(_written(wanted), listing.condition)
            if 200 <= answer.status < 300:
                return
            if answer.status not in _CONFLICTS:
                raise RequestFailed(f"PUT was answered with status {answer.status}")
            node.count("list_conflict")
            await trio.sleep(node.rng.uniform(0, UPLOAD_PAUSE * 2**number))
            listing = await _download(http)
        raise RequestFailed(f"others were faster {UPLOADS} times")


@frozen
class _Listing:
    """A version of the list."""

    entries: list[Any]
    etag: str | None
    exists: bool

    @property
    def condition(self) -> Mapping[str, str]:
        """The header by which an upload follows this version only.

        Raises:
            RequestFailed: The server names no versions.
        """
        if not self.exists:
            return {"If-None-Match": "*"}
        if self.etag is None or self.etag.startswith("W/"):
            raise RequestFailed(
                "the server gives no strong ETag, so an upload could undo another's; "
                "let it give one, or do without upload="
            )
        return {"If-Match": self.etag}


def merged(entries: list[Any], node: Keeper, without: Place | None) -> list[Any] | None:
    """Return the list as it should be, None if it is so already.

    What others have put there stays until it has not been seen for a day: it may be
    of another part of the network. A member has one entry. What does not fit into
    what a node reads is left out, that of others first.

    Args:
        entries: As they are.
        node: Whose members are on the list.
        without: A node to take off it.
    """
    now = int(node.wall_clock())
    alive = {member.id: member for member in (node.info(), *node.members())}
    gone = None if without is None else without.id
    kept, said = [], {gone}
    for entry in entries:
        name = _id(entry)
        if name in alive:
            if name not in said and _is_current(entry, alive[name], now):
                said.add(name)
                kept.append(entry)
        elif now - _seen(entry, now) < KEPT:
            kept.append(_with_a_likely_time(entry, now))
    new = [member for member in alive.values() if member.id not in said]
    wanted = [{**member.to_json(), "seen": now} for member in new] + kept
    fitting = _fitting(wanted)
    if len(fitting) < len(wanted):
        node.count("list_full")
        node.say("master_list_full", entries=len(wanted), written=len(fitting))
    return None if fitting == entries else fitting


def _with_a_likely_time(entry: Any, now: int) -> Any:
    """Return an entry that will be too old one day, whatever time it names."""
    return {**entry, "seen": now} if _seen(entry, now) > now + KEPT else entry


def _fitting(entries: list[Any]) -> list[Any]:
    """Return as many of the first as a node reads again."""
    size = len(_written([]))
    for number, entry in enumerate(entries):
        size += len(_line(entry)) + len(_BETWEEN)
        if size > MAX_BODY or number == MOST_ENTRIES:
            return entries[:number]
    return entries


def _is_current(entry: Any, member: Place, now: int) -> bool:
    same = all(entry.get(key) == value for key, value in member.to_json().items())
    return same and 0 <= now - _seen(entry, 0) < SEEN_AGAIN


def _id(entry: Any) -> Any:
    name = entry.get("id") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def _seen(entry: Any, default: int) -> int:
    seen = entry.get("seen") if isinstance(entry, dict) else None
    return seen if type(seen) is int else default


def _line(entry: Any) -> str:
    return json.dumps(entry)


def _written(entries: list[Any]) -> bytes:
    return f'{{"nodes": [\n{_BETWEEN.join(map(_line, entries))}\n]}}\n'.encode()


async def _download(http: Http) -> _Listing:
    """Return the list as it is; an empty one where there is none.

    Raises:
        RequestFailed: There is something else.
    """
    answer = await http.get()
    if answer.status == 404:
        return _Listing([], None, exists=False)
    if answer.status != 200:
        raise RequestFailed(f"GET was answered with status {answer.status}")
    return _Listing(_entries(answer.body), answer.etag, exists=True)


def _entries(body: bytes) -> list[Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestFailed(f"it is not JSON: {error}") from error
    entries = content.get("nodes") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise RequestFailed('it is JSON, but neither a list nor {"nodes": […]}')
    if len(entries) > MOST_ENTRIES:
        raise RequestFailed(f"it has {len(entries)} entries, more than {MOST_ENTRIES}")
    return entries
