"""References to actors: typed, plain, and able to travel in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from clusterkit.actors.handlers import no_handler

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from clusterkit.actors.handlers import CallHandler, CastHandler
    from clusterkit.actors.runtime import Runtime
    from clusterkit.actors.server import GenServer
    from clusterkit.actors.stream import OpenStream
    from clusterkit.actors.stream_handlers import StreamHandler

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="GenServer")


class ActorRef(Generic[S]):
    """Names one actor of class `S`, here or on another node.

    It is a name, not a handle: the actor may be restarted, stopped, or not
    yet there. Equal when both names are; a reference sent to another node
    works there.

    Attributes:
        name: The actor's name.
        node: The name of its node.
    """

    __slots__ = ("_runtime", "_timeout", "name", "node")

    def __init__(
        self, runtime: Runtime, name: str, node: str, timeout: float | None = None
    ) -> None:
        self._runtime = runtime
        self._timeout = timeout
        self.name = name
        self.node = node

    def __repr__(self) -> str:
        return f"<ActorRef {self}>"

    def __str__(self) -> str:
        return f"{self.name}@{self.node}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ActorRef):
            return NotImplemented
        return (self.name, self.node) == (other.name, other.node)

    def __hash__(self) -> int:
        return hash((self.name, self.node))

    def within(self, timeout: float) -> ActorRef[S]:
        """Return the same reference with another patience.

        Args:
            timeout: Seconds a call may take, `math.inf` for ever. A cancel
                scope around the call counts too: whichever is shorter. The
                scope raises `trio.Cancelled`, this `CallTimeout`. Of a stream,
                how long either end waits with nothing moving.
        """
        return ActorRef(self._runtime, self.name, self.node, timeout)

    # `call` and `cast` hand out the runtime's coroutine instead of awaiting it
    # in one of their own: a tenth of a microsecond each way, on every message.

    def call(
        self, handler: CallHandler[S, P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call a handler and wait for its answer.

            total = await counter.call(Counter.add, 5)

        Args:
            handler: The handler, as an attribute of its class.
            args: Its arguments. Locally they are passed by reference: treat
                them as frozen.
            kwargs: Its keyword arguments; they travel too.

        Returns:
            What the handler returned.

        Raises:
            Rejected: The handler refused on purpose; of its own subclass.
            RemoteFault: The handler crashed.
            NoSuchActor, NoSuchHandler, BadArguments: It did not run.
            MailboxFull, OutboxFull: Too much waits there, or here.
            ActorDown: The actor ended before it came to the call.
            NodeDown: The node is down; `outcome` says whether it was sent.
            NodeUnknown: No address is known for the node.
            CallTimeout: No answer in time.
            EncodeError, MessageTooLarge: The arguments cannot travel.
            CallingSelf: A serial handler called its own actor.
            TypeError: At once: it is no handler, or not marked `@call`.

        Guarantees:
            At most once; FIFO with everything else sent from this node to
            that actor. `NodeDown`, `CallTimeout` and cancellation do not say
            whether the handler ran.

        Cancellation:
            From a scope that is cancelled already nothing is sent. A queued
            call is taken back; a running handler is cancelled only if it is
            declared cancellable.
        """
        try:
            event = handler.event
        except AttributeError:
            raise no_handler(handler, "@call") from None
        return self._runtime.call(
            self.node, self.name, event, args, kwargs, self._timeout
        )

    def stream(
        self, handler: StreamHandler[S, P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> OpenStream[R]:
        """Open a stream to a handler: send to it, and receive, while it runs.

            async with files.stream(Files.read, "/var/log/syslog") as log:
                async for piece in log:
                    ...
                size = await log.result()

        Args:
            handler: The handler, as an attribute of its class, marked `@stream`.
            args: Its arguments after the stream, as for `call`.
            kwargs: Its keyword arguments.

        Returns:
            What opens the stream when its `async with` block is entered. That
            returns when the request is queued here. What `call` may raise is
            raised there, if it is known at once, and otherwise by what is done
            in the block.

        Raises:
            TypeError: At once: it is no handler, or not marked `@stream`.
            ConfigError: The patience of `within` is no number of seconds.

        Guarantees:
            At most once; FIFO with everything else sent from this node to that
            actor, the actor beginning with the handler in its turn. Each
            direction in order, once, also across reconnects. The patience of
            `within`, or `stream_timeout`, is how long either end waits with
            nothing moving; there is none for the whole.

        Cancellation:
            Leaving the block before the handler has returned, however that
            comes, cancels the handler.
        """
        try:
            event = handler.event
        except AttributeError:
            raise no_handler(handler, "@stream") from None
        return self._runtime.stream(
            self.node, self.name, event, args, kwargs, self._timeout
        )

    def cast(
        self, handler: CastHandler[S, P], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, None]:
        """Send to a handler without waiting for it.

        Returns when the message is queued here. Waits while the actor's
        mailbox, or the outbox to its node, is full.

        Args:
            handler: The handler, as an attribute of its class.
            args: Its arguments, as for `call`.
            kwargs: Its keyword arguments.

        Raises:
            MailboxFull: The mailbox stayed full for `busy_wait` seconds, or its
                policy is `raise`.
            OutboxFull: The same of the outbox.
            NodeDown: The link to the node was given up (`LinkGivenUp`).
            NodeUnknown, EncodeError, MessageTooLarge: Nothing was sent.

        Guarantees:
            Exactly once, in order, if both processes live, the link is not
            given up, and no policy is `drop_oldest`; what is refused or
            dropped is reported as an event.

        Cancellation:
            Checked on every call; but it lets other tasks run only at every
            256th cast of a busy sender, or when it has to wait. A cast that
            raises `trio.Cancelled` was not sent.
        """
        try:
            event = handler.event
        except AttributeError:
            raise no_handler(handler, "@cast") from None
        return self._runtime.cast(self.node, self.name, event, args, kwargs)

    def cast_nowait(
        self, handler: CastHandler[S, P], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Send like `cast`, but raise at once where that would wait.

        Raises:
            MailboxFull: The actor's mailbox is full; not with the policy
                `drop_oldest`, unless nothing but calls waits there.
            OutboxFull: The same of the outbox to its node.
            NodeDown: The link to the node was given up (`LinkGivenUp`).
            NodeUnknown, EncodeError, MessageTooLarge: Nothing was sent.
        """
        try:
            event = handler.event
        except AttributeError:
            raise no_handler(handler, "@cast") from None
        self._runtime.cast_nowait(self.node, self.name, event, args, kwargs)


def take_ref(value: object) -> list[Any] | None:
    """Return what a reference travels as, None for anything else."""
    return [value.name, value.node] if isinstance(value, ActorRef) else None
