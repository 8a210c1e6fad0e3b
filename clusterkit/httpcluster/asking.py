"""Asking other nodes over HTTP: to whom, under which seal, and what came back.

What is asked is `cluster.reconciling`; the other side is `answering`. The invariant is
that nothing is taken from an answer but what was sealed for this very request.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from clusterkit.core.heartbeats import plain_beats, read_beats
from clusterkit.errors import ConfigError
from clusterkit.httpcluster.identity import MOST_NODES
from clusterkit.httpcluster.posting import NoAnswer
from clusterkit.httpcluster.urls import read_url
from clusterkit.wire.http_judge import Correspondent
from clusterkit.wire.http_seal import NONCE_BYTES
from clusterkit.wire.stream_values import decode_value, encode_value

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from random import Random

    from clusterkit.httpcluster.identity import Identity
    from clusterkit.httpcluster.members import HttpMembers
    from clusterkit.httpcluster.posting import Post

ROUTE: Final = "/gossip"
"""What follows a node's URL."""

TRIES: Final = 3
"""Requests until a node has heard one that it takes: it may have to say who it is, and
have restarted meanwhile."""

MOST_KNOWN: Final = 2_000
"""URLs of which it is known who answers there, and nodes of which it is known where they
answered; of more, the one asked least lately is forgotten."""

_MEANS: Final = {
    **dict.fromkeys(
        (301, 302, 307, 308), ": it has moved, and its new URL is to be given"
    ),
    401: ": it has another cookie or ring, or this node's name",
    404: ": no node's pages are there",
    503: ": it has too much to do, or has ended",
}


class OwnAnswer(NoAnswer):
    """The node itself answered."""


class Asking:
    """Asks, for one node.

    Args:
        identity: Who it is.
        members: Whose counters are told, and heard; knows where they are.
        post: Sends requests.
        now: The time, in seconds; only ever goes on.
        rng: Makes nonces.
        refused: Counts, by reason: `answer`, `name_taken`.
    """

    def __init__(
        self,
        identity: Identity,
        members: HttpMembers,
        post: Post,
        now: Callable[[], float],
        rng: Random,
        refused: Counter[str],
    ) -> None:
        self._identity = identity
        self._members = members
        self._post = post
        self._now = now
        self._rng = rng
        self._refused = refused
        self._known: dict[str, Correspondent] = {}
        self._met: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Asking {len(self._known)} known>"

    def who(self, url: str) -> str:
        """Return the name of who answered at a URL last, "" if nobody did."""
        known = self._known.get(url)
        return "" if known is None else known.name

    def is_shared(self, url: str) -> bool:
        """Say whether who answered at a URL last is elsewhere, as it says itself.

        So is everybody behind a balancer.
        """
        known = self._known.get(url)
        return known is not None and known.url != url

    async def meet(self, url: str) -> str:
        """Return the name of who is at a URL; have it asked from now on.

        It is asked where it says that it is reached, if that may be dialled: at this
        URL the next request may come to another.

        Raises:
            NoAnswer: Nobody who has the cookie is.
        """
        if self.is_shared(url) or self.who(url) == self._identity.name:
            del self._known[url]
        name = self.who(url) or await self._introduce(url)
        place = self._place(url)
        if place != url and await self._is_at(place, name):
            url = place
        self._met.pop(name, None)
        if len(self._met) >= MOST_KNOWN:
            del self._met[next(iter(self._met))]
        self._met[name] = url
        return name

    async def _introduce(self, url: str) -> str:
        """Return the name of who says that it is at a URL."""
        known = self._correspondent(url)
        if await self._send(url, known, b"") is not None:
            raise self._bad("an answer, and nothing was asked")
        self._refuse_own_name(url, known)
        return known.name

    def _place(self, url: str) -> str:
        """Return where to ask who has answered at a URL."""
        known = self._known.get(url)
        with suppress(ConfigError):  # what it says may be anything
            place = url if known is None else read_url(known.url)
            return place if self._members.may_dial(place) else url
        return url

    async def _is_at(self, url: str, name: str) -> bool:
        """Say whether a node is where it says."""
        with suppress(NoAnswer):
            return (self.who(url) or await self._introduce(url)) == name
        return False

    async def ask(self, peer: str, event: str, *args: Any) -> Any:
        """Return what a peer answers; see `reconciling.Ask`.

        Raises:
            NoAnswer: None came that can be used, or it may not be dialled.
        """
        url = self._met.get(peer) or self._members.url(peer)
        if url is None:
            raise NoAnswer(f"it is not known where {peer} may be reached")
        try:
            return await self._ask(url, peer, event, args)
        except NoAnswer:
            self._met.pop(peer, None)  # it may be elsewhere by now
            raise

    async def _ask(self, url: str, peer: str, event: str, args: tuple[Any, ...]) -> Any:
        """Ask a peer at a URL, until it has taken a request or is not there."""
        for _ in range(TRIES):
            known = self._correspondent(url)
            if known.name not in ("", peer):
                raise NoAnswer(f"{known.name} is there, and not {peer}")
            asked = known.name
            answered = await self._send(url, known, self._body(asked, event, args))
            if answered is not None and asked:
                return self._read(answered, peer)
            if answered is not None:
                raise self._bad("an answer, and nothing was asked")
            self._refuse_own_name(url, known)
        raise NoAnswer(f"it took none of {TRIES} requests")

    async def _send(self, url: str, known: Correspondent, body: bytes) -> bytes | None:
        """Return the body of the answer, None if the request has to be repeated."""
        keys, me = self._identity.keys, self._identity
        nonce = self._rng.randbytes(NONCE_BYTES)
        request = known.request(me.ring, me.name, nonce, body, self._now())
        response = await self._post(url + ROUTE, keys.seal(request))
        try:
            reply = keys.open_reply(response.body, nonce)
        except ConfigError as error:
            raise self._bad(f"a reply that is none: {error}") from error
        if reply is None and response.status in (200, 409):
            raise self._bad("a reply without the seal of this cluster")
        if reply is None:
            raise NoAnswer(f"status {response.status}{_MEANS.get(response.status, '')}")
        return known.heard(reply, self._now())

    def _body(self, to: str, event: str, args: tuple[Any, ...]) -> bytes:
        if not to:
            return b""  # of which nobody would take anything
        beats = self._members.told(to) if event == "compare" else {}
        told = [event, plain_beats(beats), list(args)]
        return encode_value(self._identity.codec, told)

    def _read(self, body: bytes, by: str) -> Any:
        value = decode_value(self._identity.codec, body)
        if type(value) is not list or len(value) != 2:
            raise self._bad("an answer of another shape")
        try:
            beats = read_beats(value[0], MOST_NODES)
        except ValueError as error:
            raise self._bad(str(error)) from error
        self._members.hear(beats, by)
        return value[1]

    def _correspondent(self, url: str) -> Correspondent:
        known = self._known.pop(url, None) or Correspondent()
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[url] = known
        return known

    def _refuse_own_name(self, url: str, known: Correspondent) -> None:
        """Raise NoAnswer if it is this node, or one that has its name; warn of its URL.

        But for this node at its own URL it is forgotten that it was: by way of a
        balancer another will be there, and a namesake gets another name.
        """
        if known.name != self._identity.name:
            self._members.compare_place(known.name, known.url)
            return
        is_itself = known.life == self._identity.life
        if not is_itself or known.url != url:
            self._known.pop(url, None)
        if is_itself:
            raise OwnAnswer("this node itself is there")
        self._refused["name_taken"] += 1
        raise NoAnswer(f"another node is called {known.name}, too")

    def _bad(self, reason: str) -> NoAnswer:
        self._refused["answer"] += 1
        return NoAnswer(reason)
