"""Answering other nodes over HTTP: the body of a POST in, a status and a body out.

What is answered is `cluster.reconciling`, who is heard `wire.http_judge`. Nothing here
waits, so a request is answered in whole or not at all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from clusterkit.core.heartbeats import plain_beats, read_beats
from clusterkit.errors import ClusterError
from clusterkit.httpcluster.identity import MOST_NODES
from clusterkit.httpcluster.posting import MAX_GOSSIP, Response
from clusterkit.logs import Seldom, log
from clusterkit.wire.http_judge import Heard
from clusterkit.wire.http_seal import Answer
from clusterkit.wire.stream_values import decode_value, encode_value

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from clusterkit.cluster.reconciling import Answers
    from clusterkit.httpcluster.identity import Identity
    from clusterkit.httpcluster.members import HttpMembers
    from clusterkit.wire.http_judge import Judge, Rejection

logger = logging.getLogger("clusterkit.http")

OVERLOADED: Final = Response(503, b"")
UNAUTHORIZED: Final = Response(401, b"")
NONSENSE: Final = Response(400, b"")
TOO_LONG: Final = Response(413, b"")

_LOUD: Final = frozenset({"forged", "ring", "name_taken", "replayed", "full"})
"""Refusals that are logged; the others are how nodes come to know each other."""


class Answering:
    """Answers, for one node.

    Args:
        identity: Who it is.
        judge: Says which requests are taken.
        members: Whose counters are told, and heard.
        answers: What is answered.
        now: The time, in seconds; only ever goes on.
        refused: Counts, by reason: those of the judge, `body`, `nonsense`.
    """

    def __init__(
        self,
        identity: Identity,
        judge: Judge,
        members: HttpMembers,
        answers: Answers,
        now: Callable[[], float],
        refused: Counter[str],
    ) -> None:
        self._identity = identity
        self._judge = judge
        self._members = members
        self._answers = answers
        self._now = now
        self._refused = refused
        self._seldom = Seldom(now)

    def __repr__(self) -> str:
        return f"<Answering {self._judge!r}>"

    def answer(self, data: bytes, source: str | None = None) -> Response:
        """Return the response to a request.

        Args:
            data: Its body.
            source: Where it came from, for the log.
        """
        if len(data) > MAX_GOSSIP:
            return self._refuse("body", TOO_LONG, source)
        keys = self._identity.keys
        result = self._judge.hear(data, keys, self._now())
        if not isinstance(result, Heard):
            return self._reject(result, source)
        request = result.request
        try:
            body = self._body(request.body, request.sender)
        except (ValueError, ClusterError):
            return self._refuse("nonsense", NONSENSE, source, peer=request.sender)
        answer = Answer(request.nonce, int(self._now() * 1000), body)
        return Response(200, keys.seal_reply(answer, result.key))

    def _reject(self, rejection: Rejection, source: str | None) -> Response:
        reason, statement = rejection.reason, rejection.statement
        if statement is not None:
            self._refused[reason] += 1
            sealed = self._identity.keys.seal_reply(statement, rejection.key)
            return Response(409, sealed)
        told = OVERLOADED if reason == "full" else UNAUTHORIZED
        return self._refuse(reason, told, source)

    def _body(self, body: bytes, peer: str) -> bytes:
        """Return what is answered to what a peer has asked.

        Raises:
            ValueError: It has no meaning.
        """
        value = decode_value(self._identity.codec, body)
        if type(value) is not list or len(value) != 3 or type(value[2]) is not list:
            raise ValueError("a request is an event, counters and arguments")
        event, beats, args = value
        self._members.hear(read_beats(beats, MOST_NODES), peer)
        result = self._result(event, args, peer)
        told = self._members.told(peer) if event == "compare" else {}
        return encode_value(self._identity.codec, [plain_beats(told), result])

    def _result(self, event: object, args: list[Any], peer: str) -> Any:
        match event, args:
            case "compare", [hash]:
                return self._answers.compare(hash)
            case "digest", [numbers]:
                return self._answers.digest(numbers)
            case "exchange", [parts, wants]:
                return self._answers.exchange(parts, wants, peer)
        raise ValueError("that is no question")

    def _refuse(
        self, reason: str, told: Response, source: str | None, **fields: object
    ) -> Response:
        self._refused[reason] += 1
        due = self._seldom.due(reason, source or "") if reason in _LOUD else None
        if due is not None:
            log(
                logger,
                logging.WARNING,
                f"http_{reason}",
                source=source,
                **fields,
                **due,
            )
        return told
