"""URLs that nodes are reached at: read, checked, and which of them are dialled.

What a peer says of where it is reached comes from somebody who has the cookie, and
still may not have this node send requests to whatever this node can reach (OWASP:
Server-Side Request Forgery). The invariant is that no URL is dialled but those that
this node was given, and those whose host it was allowed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from clusterkit.discovery.allowed import Allowed
from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.names import check_host, check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_URL: Final = 512
"""Characters of a URL."""

_PORTS: Final = {"http": 80, "https": 443}


def read_url(url: object, what: str = "url") -> str:
    """Return a base URL in its one form: without a slash at its end.

    Args:
        url: `http` or `https`, a host, perhaps a port and a path; nothing else.
        what: How the error calls it.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(url, str) or len(url) > MOST_URL or not _is_plain(url):
        raise ConfigError(
            f"{what} is up to {MOST_URL} printable characters: {url!r:.100}"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{what} {url!r}: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(f"{what} begins with https:// or http:// and a host: {url!r}")
    if "@" in parts.netloc:
        raise ConfigError(f"{what} has no user and no password: it is told to others")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ConfigError(f"{what} ends with its path: {url!r}")
    if {".", ".."} & set(parts.path.split("/")):
        raise ConfigError(f"{what} has no . and .. in its path: clients drop them")
    if port == 0:
        raise ConfigError(f"{what} has no port 0: {url!r}")
    return _written(parts.scheme, parts.hostname, port, parts.path)


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}')


def _written(scheme: str, host: str, port: int | None, path: str) -> str:
    host = check_host(host.lower())
    bracketed = f"[{host}]" if ":" in host else host
    shown = "" if port in (None, _PORTS[scheme]) else f":{port}"
    return f"{scheme}://{bracketed}{shown}{path.rstrip('/')}"


def origin_of(url: str) -> str:
    """Return what comes before the path of a URL that was checked."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


@frozen
class HttpPlace:
    """Where a node is, as a list has it.

    Attributes:
        id: Its name; "" if that is not known.
        url: Its base URL.
    """

    id: str
    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def host(self) -> str:
        """The host of its URL."""
        return urlsplit(self.url).hostname or ""

    def to_json(self) -> dict[str, Any]:
        """Return `{"id": …, "url": …}`."""
        return {"id": self.id, "url": self.url}


def read_place(entry: object) -> HttpPlace:
    """Return what an entry of a list says.

    Args:
        entry: A URL, or an object with `url` and perhaps `id`.

    Raises:
        ConfigError: It is neither.
    """
    if not isinstance(entry, dict):
        return HttpPlace("", read_url(entry))
    name = entry.get("id", "")
    return HttpPlace(name and check_name(name), read_url(entry.get("url")))


class Dialable:
    """Which URLs one node dials.

    Args:
        given: URLs that it was given itself, checked: their servers are dialled,
            whatever else is.
        allow: Networks and host names that others may be at; see `Allowed`. None
            given: nowhere else.

    Raises:
        ConfigError: One of `allow` is nothing of the kind.
    """

    def __init__(self, given: Iterable[str], allow: Iterable[str]) -> None:
        self._origins = {origin_of(url) for url in given}
        self._listed: Counter[str] = Counter()
        self._allowed = Allowed(allow)
        self._is_limited = bool(self._allowed)

    def __repr__(self) -> str:
        return f"<Dialable {sorted(self._origins)} {self._allowed!r}>"

    def add_listed(self, url: str) -> None:
        """Dial what has come to be listed, too."""
        self._listed[origin_of(url)] += 1

    def drop_listed(self, url: str) -> None:
        """Do not dial it any more for that, unless another of its server is listed."""
        origin = origin_of(url)
        self._listed[origin] -= 1
        if not self._listed[origin]:
            del self._listed[origin]

    def admits(self, url: str) -> bool:
        """Say whether a URL, that was checked, may be dialled."""
        origin = origin_of(url)
        if origin in self._origins or origin in self._listed:
            return True
        host = urlsplit(url).hostname or ""
        return self._is_limited and self._allowed.admits(host)
