"""Asking other nodes over HTTP: to whom, under which seal, and what came back.

What is asked is `cluster.reconciling`; the other side is `answering`. The invariant is
that nothing is taken from an answer but what was sealed for this very request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.core.heartbeats import plain_beats, read_beats
from clusterkit.errors import ConfigError
from clusterkit.httpcluster.posting import NoAnswer
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
"""URLs of which it is known who answers there; of more, the one asked least lately is
asked for that again."""


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

    async def meet(self, url: str) -> str:
        """Return the name of who is at a URL; have it asked there from now on.

        Raises:
            NoAnswer: Nobody who has the cookie is.
        """
        if not self.who(url):
            await self._ask(url, "", ())
        name = self.who(url)
        self._met[name] = url
        return name

    async def ask(self, peer: str, event: str, *args: Any) -> Any:
        """Return what a peer answers; see `reconciling.Ask`.

        Raises:
            NoAnswer: None came that can be used, or it may not be dialled.
        """
        url = self._met.get(peer) or self._members.url(peer)
        if url is None:
            raise NoAnswer(f"it is not known where {peer} may be reached")
        answer = await self._ask(url, event, args)
        if self.who(url) != peer:
            raise NoAnswer(f"{self.who(url)} answered for {peer}")
        return answer

    async def _ask(self, url: str, event: str, args: tuple[Any, ...]) -> Any:
        """Send a request until it is taken.

        Args:
            url: Where to.
            event: What is asked; "" only asks who is there.
            args: For it.
        """
        for _ in range(TRIES):
            known = self._correspondent(url)
            body = self._body(known.name, event, args)
            answered = await self._send(url, known, body)
            if answered is not None:
                return self._read(answered, known.name)
            self._refuse_own_name(known)
            if not event:
                return None
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
            raise NoAnswer(f"status {response.status}")
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
            beats = read_beats(value[0], self._identity.most_nodes)
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

    def _refuse_own_name(self, known: Correspondent) -> None:
        """Raise NoAnswer if it is this node, or another that has its name."""
        if known.name != self._identity.name:
            return
        if known.life == self._identity.life:
            raise NoAnswer("this node itself is there")
        self._refused["name_taken"] += 1
        raise NoAnswer(f"another node is called {known.name}, too")

    def _bad(self, reason: str) -> NoAnswer:
        self._refused["answer"] += 1
        return NoAnswer(reason)
