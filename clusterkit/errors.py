"""Every error clusterkit raises: who is to blame, and what to do about it.

One tree in one file. Each class carries two stable values: `code`, which
travels on the wire and in `--json` output, and `exit_status`, which
`cluster-cli` ends with. The docstring of each class names cause and remedy.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar


class ClusterError(Exception):
    """Anything clusterkit raises on purpose; the root of the tree."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1


class ConfigError(ClusterError, ValueError):
    """A setting is missing or impossible; correct it and start again."""

    code = "config"
    exit_status = 2


class EncodeError(ClusterError):
    """A value cannot travel; the message names the path to it.

    Send plain data, a registered dataclass, or one of the extension types.
    Nothing was sent.
    """

    code = "encode"


class DecodeError(ClusterError):
    """A value came that cannot be built here; register its class, as there."""

    code = "decode"


class MessageTooLarge(ClusterError):
    """A message is over the limit the peer announced; send it in pieces."""

    code = "too_large"


class RingError(ClusterError):
    """A ring operation is impossible: the message says which rule it breaks."""

    code = "ring"


class AlreadyInRing(ClusterError):
    """The node belongs to a ring already; leave it first."""

    code = "already_in_ring"


class NotInRing(ClusterError):
    """The id is not in the ring, or this node has left it; meet or insert."""

    code = "not_in_ring"


class NameTaken(ClusterError):
    """The name is in use, here or by a live node elsewhere; choose another."""

    code = "name_taken"


class StateInUse(ClusterError):
    """Another process holds the state file; stop it or use another path."""

    code = "state_in_use"


class StateError(ClusterError):
    """The state file cannot be kept or read, is too old, or of another ring.

    The message says which, and what to do. Nothing was overwritten.
    """

    code = "state"


class OutboxFull(ClusterError):
    """More waits to be sent to a peer than the outbox holds; send slower."""

    code = "outbox_full"


class NotAllReached(ClusterError):
    """An `abcast` failed at some nodes; the others have it, so do not repeat it.

    Attributes:
        failures: What kept the cast from each node that failed, by the name
            that was given.
    """

    code = "not_all_reached"

    def __init__(self, text: str, failures: dict[str, ClusterError]) -> None:
        super().__init__(text)
        self.failures = failures


class LinkError(ClusterError):
    """The link to a peer cannot do what was asked."""

    code = "link"


class NodeDown(LinkError):
    """The node is not reachable, or ended before it answered.

    Attributes:
        outcome: `"not sent"` when the message never left this process,
            `"unknown"` when the handler may have run.
    """

    code = "nodedown"
    exit_status = 3

    def __init__(self, message: str, outcome: str = "unknown") -> None:
        super().__init__(message)
        self.outcome = outcome


class NodeUnknown(LinkError):
    """No address is known for the node; meet it, or give name@host:port."""

    code = "nonode"
    exit_status = 3


class WrongCookie(LinkError):
    """The peer holds another cookie; give both nodes the same one."""

    code = "cookie"
    exit_status = 4


class TlsRefused(LinkError):
    """One end has no TLS, or no certificate that the other takes.

    Give both TLS, with certificates that are valid and signed by one CA.
    """

    code = "tls"
    exit_status = 4


class WrongRing(LinkError):
    """The peer serves another ring; the message names both."""

    code = "wrong_ring"


class WrongNode(LinkError):
    """Another node answers at the address; the message names it."""

    code = "wrong_node"


class VersionRefused(LinkError):
    """The peers share no protocol version; the message has both ranges."""

    code = "version"


class ProtocolError(LinkError):
    """The peer broke the protocol; its link was closed.

    Attributes:
        reason: Why the frame was refused: `seal`, `size`, `protocol`, ….
    """

    code = "protocol"

    def __init__(self, message: str, reason: str = "protocol") -> None:
        super().__init__(message)
        self.reason = reason


class CallError(ClusterError):
    """A call did not return a value; the subclass says why.

    Attributes:
        call_id: Number of the call on the calling node, 0 before it had one.
        to: The actor called, as `name@node`.
        event: The event called.
    """

    code = "call"

    def __init__(
        self, *args: object, call_id: int = 0, to: str = "", event: str = ""
    ) -> None:
        super().__init__(*args)
        self.call_id = call_id
        self.to = to
        self.event = event

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.to} {self.event}: {text}" if self.to else text


class CallTimeout(CallError, TimeoutError):
    """No answer in time; the handler may have run.

    Not a `trio.TooSlowError`, so a caller's own `move_on_after` cannot
    swallow it.
    """

    code = "timeout"
    exit_status = 5


class NoSuchActor(CallError):
    """No actor of that name runs on the node; check name and node."""

    code = "noproc"


class NoSuchHandler(CallError):
    """The actor has no handler for the event; check the event's name."""

    code = "badcall"


class BadArguments(CallError):
    """The arguments do not fit the handler's signature; it did not run."""

    code = "badarg"


class MailboxFull(CallError):
    """The actor has more messages than it may hold; send slower."""

    code = "busy"


class ActorDown(CallError):
    """The actor ended or crashed before it answered; try again.

    The handler has not run, unless it answers later or beside others.
    """

    code = "down"


class CallingSelf(CallError):
    """A serial handler called its own actor and would wait for ever."""

    code = "calling_self"


class Rejected(CallError):
    """A handler refuses a call on purpose; the actor lives on.

    Raise it, or a subclass with a `code` of its own, in a handler: the
    caller gets the same class if it has one of that code, with the same
    arguments.

        class Overdrawn(Rejected):
            code = "overdrawn"
    """

    code = "rejected"


class RemoteFault(CallError):
    """The handler crashed; the traceback is in the log of its node.

    Attributes:
        type: Name of the exception class that was raised there.
        message: Its text.
    """

    code = "fault"

    def __init__(self, type: str, message: str = "", **where: Any) -> None:
        super().__init__(f"{type}: {message}" if message else type, **where)
        self.type = type
        self.message = message


class StreamError(CallError):
    """A stream ended before its end; the subclass, or the message, says why.

    In a handler, let it pass: the stream has ended, the actor lives on.
    """

    code = "stream"


class StreamTimeout(StreamError, TimeoutError):
    """Nothing moved on a stream for as long as one end may wait for the other.

    Wait longer with `ref.within(seconds)` or `stream_timeout`, for ever with
    `math.inf`; or have the other end send, take, or return sooner.
    """

    code = "stream_timeout"
    exit_status = 5


class StreamClosed(StreamError):
    """The other end takes nothing more: its handler has returned, or it has left.

    `result()` has what the handler returned.
    """

    code = "stream_closed"


class StreamTooLong(StreamError):
    """More came than `collect` may keep; raise its limit, or take it in pieces."""

    code = "stream_too_long"


class StreamOverrun(StreamError):
    """The other end sent more than it had credit for, which no clusterkit does."""

    code = "stream_overrun"


class BadMessage(StreamError):
    """One message of a stream cannot be built here; those after it still come.

    Its class is not registered on this node, or differs, or refuses the
    fields; the text says which.
    """

    code = "bad_message"


T = TypeVar("T", bound=ClusterError)


def subclasses(root: type[T]) -> dict[str, type[T]]:
    """Return the classes below `root` by code, `root` included.

    Where two share a code (a user's `Rejected` without one of its own), the
    class nearest the root stands.
    """
    found: dict[str, type[T]] = {}
    level = [root]
    while level:
        for cls in level:
            found.setdefault(cls.code, cls)
        level = [sub for cls in level for sub in cls.__subclasses__()]
    return found
