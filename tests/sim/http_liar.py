"""A member of a cluster over HTTP that has the cookie, and lies."""

from __future__ import annotations

from clusterkit.httpcluster.posting import Response
from clusterkit.wire.codec import Codec
from clusterkit.wire.http_judge import Correspondent
from clusterkit.wire.http_seal import Answer, HttpKeys, Statement, read_request
from clusterkit.wire.seal import stretch
from clusterkit.wire.stream_values import decode_value, encode_value

from .http_world import COOKIE, url

LIFE = b"l" * 16


class Liar:
    """Answers and asks as it likes, under a seal that is good.

    Args:
        name: As who.
        answer: Returns what is answered to (event, arguments): `[counters, result]`,
            or the bytes of it.
        at: Where it says that it is.

    Attributes:
        heard: What it was asked: from whom, event, counters, arguments.
        time_ms: What it says that its clock shows.
    """

    def __init__(self, name="liar", answer=lambda event, args: [{}, None], at=None):
        self.name = name
        self.at = url(name) if at is None else at
        self.answer = answer
        self.heard = []
        self.time_ms = 0
        self.statements = 0
        self._keys = HttpKeys([stretch(COOKIE.encode())])
        self._codec = Codec(2**20)
        self._asked = {}
        self._nonces = 0

    def gossip(self, data, source):
        """Answer a request."""
        request = read_request(self._keys.open(data)[0])
        if request.receiver != self.name:
            return self._reply(409, self.statement(request))
        event, beats, args = decode_value(self._codec, request.body)
        self.heard.append((request.sender, event, beats, args))
        told = self.answer(event, args)
        body = told if isinstance(told, bytes) else encode_value(self._codec, told)
        return self._reply(200, Answer(request.nonce, self.time_ms, body))

    def statement(self, request):
        """Say who is here."""
        self.statements += 1
        return Statement(request.nonce, self.time_ms, LIFE, self.name, self.at)

    def _reply(self, status, reply):
        return Response(status, self._keys.seal_reply(reply, 0))

    def ask(self, node, event, beats, *args, now=0.0):
        """Ask a node, as if it came over HTTP; return its response and its answer."""
        return self.send(node, encode_value(self._codec, [event, beats, list(args)]))

    def send(self, node, body, now=0.0):
        """Send a node any body; return its response and what that says."""
        known = self._asked.setdefault(node.name, Correspondent())
        for _ in range(2):
            self._nonces += 1
            nonce = self._nonces.to_bytes(16, "big")
            request = known.request("ring", self.name, nonce, body, now)
            response = node.gossip(self._keys.seal(request), self.name)
            reply = self._keys.open_reply(response.body, nonce)
            if reply is None:
                return response, None
            heard = known.heard(reply, now)
            if heard is not None:
                return response, decode_value(self._codec, heard)
        raise AssertionError("it was not heard")
