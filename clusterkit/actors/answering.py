"""What becomes of the calls that a node has taken in, until they are answered.

A call is open from its arrival on, in its origin's `open_calls`. It ends there
exactly once: by a value, by an error, or because nobody waits for it any more.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.actors.faults import from_fault, to_fault
from clusterkit.actors.here import Here, Origin
from clusterkit.actors.registry import Registry
from clusterkit.actors.serving import SERVED
from clusterkit.errors import ActorDown, EncodeError, MessageTooLarge, RemoteFault
from clusterkit.wire import messages as m
from clusterkit.wire.bulk import MOST_WHOLE
from clusterkit.wire.frame import array_header
from clusterkit.wire.streams import ASKED, about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clusterkit.actors.accounts import Accounts
    from clusterkit.actors.calls import Calls
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.peer import Peer


class Answering:
    """The part of a `Runtime` that answers who has called.

    Args:
        name: The node's.
        copy_local: Send what stays on the node through the codec, too.

    Attributes:
        name: As given.
        here: The origin of local calls.
        registry: The node's actors.
        calls: Those of this node that wait for an answer, also from itself.
        kernel: The node's links; see `attach`.
        copies: As `copy_local`.
        accounts: What was dropped and refused.
    """

    accounts: Accounts
    calls: Calls
    kernel: Kernel

    def __init__(self, name: str, *, copy_local: bool) -> None:
        self.name = name
        self.here = Here(name)
        self.registry = Registry()
        self.copies = copy_local
        self._scopes: dict[int, trio.CancelScope] = {}

    def attach(self, kernel: Kernel) -> None:
        """Send by `kernel` from now on; before that, nothing can be sent."""
        self.kernel = kernel
        # These two serve every message.
        self.link_to = kernel.route
        self.encode = kernel.codec.encode

    def reply(self, origin: Origin, record: list[Any], value: Any) -> None:
        """Answer a call, if its caller still waits; send nothing yet.

        Raises:
            EncodeError, MessageTooLarge: The value cannot travel. The caller
                has been told; it is a fault of the handler.
        """
        call_id = record[m.CALL_ID]
        if origin.open_calls.get(call_id) is not record:
            self.say_late(origin)
            return
        if isinstance(origin, Here):
            if self.copies:
                value = self.localise([m.REPLY, call_id, value])[m.VALUE]
            del origin.open_calls[call_id]
            self.calls.resolve(call_id, origin, value)
            return
        try:
            data = self.encode([m.REPLY, call_id, value], origin.max_message)
        except (EncodeError, MessageTooLarge) as error:
            self.fault(origin, record, error)
            raise
        del origin.open_calls[call_id]
        outbox = origin.outbox
        if outbox.bulk is None and len(data) <= MOST_WHOLE:  # `append` in line
            outbox.queue.append((data, m.REPLY, call_id))
            outbox.bytes += len(data)
        else:
            # Of a stream it stays behind the chunks; see `wire/streams.py`.
            outbox.append(data, m.REPLY, call_id, about(call_id, ASKED))

    def say_late(self, origin: Origin) -> None:
        """Count an answer that nobody waits for any more."""
        self.accounts.drop("late_reply", peer=origin.name)

    def localise(self, record: list[Any]) -> list[Any]:
        """Return a record that stays on this node as its receiver gets it.

        Itself; a copy through the codec if this runtime was told so.

        Raises:
            EncodeError, MessageTooLarge: It could not travel to another node.
        """
        if not self.copies:
            return record
        body = array_header(1) + self.encode(record)
        copy: list[Any] = self.kernel.codec.decode(body)[0]
        return copy

    def fault(self, origin: Origin, record: list[Any], error: BaseException) -> None:
        """Answer a call with an error, if its caller still waits."""
        call_id = record[m.CALL_ID]
        if origin.open_calls.get(call_id) is not record:
            self.say_late(origin)
            return
        del origin.open_calls[call_id]
        self._send_fault(origin, call_id, error)

    def refuse_call(self, peer: Peer, record: list[Any], error: BaseException) -> None:
        """Answer a call that was never taken in, if the peer reads answers."""
        if peer.swamped:
            return
        self._send_fault(peer, record[m.CALL_ID], error)
        peer.wake()

    def _send_fault(self, origin: Origin, call_id: int, error: BaseException) -> None:
        """Send an error; if it cannot travel, less of it; in the end, that there is one.

        Never raises: that would be in the middle of what a peer has sent. The
        last form fits into the least that a peer may accept.
        """
        for most in (None, 256, 0):
            try:
                self._send_details(origin, call_id, *to_fault(error, most=most))
            except (EncodeError, MessageTooLarge):
                continue  # with less of it
            return
        self._send_details(origin, call_id, RemoteFault.code, ["Unsendable", ""])

    def _send_details(
        self, origin: Origin, call_id: int, code: str, details: list[Any]
    ) -> None:
        record = [m.FAULT, call_id, code, details]
        if isinstance(origin, Here):
            details = self.localise(record)[m.DETAILS]
            pending = self.calls.pending.get(call_id)
            where = pending.where() if pending is not None else {}
            self.calls.fail(call_id, origin, from_fault(code, details, where))
        else:
            data = self.encode(record, origin.max_message)
            origin.outbox.append(data, m.FAULT, call_id, about(call_id, ASKED))

    def expire(self, origin: Origin, record: list[Any]) -> None:
        """Forget a call that its caller has timed out on."""
        origin.open_calls.pop(record[m.CALL_ID], None)

    def cancel(self, origin: Origin, call_id: int) -> None:
        """A caller gave up: forget its call, end its handler if that may be."""
        record = origin.open_calls.pop(call_id, None)
        if record is None:
            return  # answered already
        scope = self._scopes.get(id(record))
        if scope is not None:
            scope.cancel()
        elif (process := self.registry.get(record[m.ACTOR])) is not None:
            process.mailbox.abandoned += 1
            process.look_again()
        if record[m.KIND] == m.OPEN:
            record[SERVED].forsake()

    @contextmanager
    def cancellable(self, record: list[Any]) -> Iterator[trio.CancelScope]:
        """Yield a scope that is cancelled when the caller gives up."""
        scope = self._scopes[id(record)] = trio.CancelScope()
        try:
            yield scope
        finally:
            del self._scopes[id(record)]

    def _origins(self) -> list[Origin]:
        return [self.here, *self.kernel.everybody()]

    def has_calls_to(self, actor: str) -> bool:
        """Say whether anybody waits for an answer of an actor of this node."""
        return any(
            record[m.ACTOR] == actor
            for origin in self._origins()
            for record in origin.open_calls.values()
        )

    def look_again(self, actor: str) -> None:
        """A call to an actor of this node is over; its end may have waited for it."""
        process = self.registry.get(actor)
        if process is not None and process.settling:
            process.look_again()

    def fail_calls_to(self, actor: str, reason: str) -> None:
        """Answer every open call to an actor that has ended."""
        error = ActorDown(f"it ended ({reason}) before it answered")
        for origin in self._origins():
            records = [r for r in origin.open_calls.values() if r[m.ACTOR] == actor]
            for record in records:
                self.fault(origin, record, error)
            if records:
                origin.wake()

    def abandon_calls_of(self, origin: Origin) -> None:
        """An origin is gone: treat each of its open calls as given up."""
        for call_id in list(origin.open_calls):
            self.cancel(origin, call_id)
