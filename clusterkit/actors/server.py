"""GenServer: what people subclass. The loop that runs it is in `process`.

    class Counter(GenServer):
        def __init__(self, start: int = 0) -> None:
            self.value = start

        @call
        async def add(self, n: int) -> int:
            self.value += n
            return self.value

State is on `self`; that is safe because one handler runs at a time. The
behaviour is Erlang's gen_server, except that a handler per message replaces
the one `handle_call` with a pattern per clause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast as typed

from clusterkit.actors.handlers import Handler, Marked, event_name
from clusterkit.actors.settings import check_settings
from clusterkit.actors.unhandled import unknown_handler
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from typing import Self

    from clusterkit.actors.here import Origin
    from clusterkit.actors.process import Process
    from clusterkit.actors.ref import ActorRef
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.config import Policy

H = TypeVar("H", bound=Callable[..., Awaitable[object]])

concurrent_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


class Caller:
    """Who called, and the way to answer later.

    Attributes:
        node: Name of the caller's node.
        origin: The link or client it came over.
        answered: Whether `reply` was used.
    """

    __slots__ = ("_record", "_runtime", "answered", "node", "origin")

    def __init__(self, runtime: Runtime, origin: Origin, record: list[Any]) -> None:
        self._runtime = runtime
        self.origin = origin
        self._record = record
        self.node: str = origin.name
        self.answered = False

    def __repr__(self) -> str:
        return f"<Caller on {self.node}{' answered' if self.answered else ''}>"

    def reply(self, value: object) -> None:
        """Answer the call, from any task of the node's thread, once.

        A caller that has given up meanwhile gets nothing; that is counted.

        Args:
            value: The answer.

        Raises:
            RuntimeError: It was answered already, or it was a cast.
            EncodeError, MessageTooLarge: The value cannot travel; the caller
                is told.
        """
        if self._record[m.KIND] == m.OPEN:
            raise RuntimeError("a stream's handler answers by what it returns")
        if self._record[m.KIND] != m.CALL:
            raise RuntimeError("a cast has no caller that waits for an answer")
        if self.answered:
            raise RuntimeError("this call has been answered already")
        self._runtime.thread.require()
        self.answered = True
        try:
            self._runtime.reply(self.origin, self._record, value)
        finally:
            self.origin.flush()
            self._runtime.look_again(self._record[m.ACTOR])


class _NotYet:
    """Stands for an actor's process until there is one."""

    def __get__(self, server: GenServer | None, owner: type) -> Any:
        raise AttributeError(
            f"{owner.__name__} has a node, a name and a caller when it runs, not in "
            "__init__ yet; use it in init() or later"
        )


class GenServer:
    """An actor: private state, a mailbox, one handler at a time.

    Subclass it and mark methods with `@call` and `@cast`; or, in a script,
    use a plain `GenServer()` with `on_call` and `on_cast`. A subclass need
    not call `super().__init__()`.

    Class attributes:
        restart: `permanent` is restarted after a crash and after `exit`;
            `transient` after a crash only; `temporary` never.
        intensity: `(n, seconds)`: more than n restarts within that time, and
            the actor is given up: its name is free, `ActorGaveUp` is emitted.
        mailbox: Messages at which senders are made to wait; at twice that
            they are refused. Concurrent handlers that run count, too.
        mailbox_policy: What a cast meets at a full mailbox. `wait`: its
            sender waits. `raise`: it raises `MailboxFull` at once.
            `drop_oldest`: the oldest cast there goes for it. None: what the
            node's `Config.mailbox_policy` says.

    Guarantees:
        Messages from one node arrive in the order they were sent there. A
        handler that crashes never takes the node down.
    """

    restart: ClassVar[Literal["permanent", "transient", "temporary"]] = "permanent"
    intensity: ClassVar[tuple[int, float]] = (3, 5.0)
    mailbox: ClassVar[int] = 8192
    mailbox_policy: ClassVar[Policy | None] = None

    _handlers: ClassVar[dict[str, Handler]] = {}
    _has_concurrent: ClassVar[bool] = False
    _lingers: ClassVar[bool] = True  # whether its end waits for what it owes
    # Set by whoever runs the actor; until then, whatever asks for it is told so.
    _process: Process = typed("Process", _NotYet())

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_settings(cls, cls)
        table: dict[str, Handler] = {}
        for base in reversed(cls.__mro__):
            for name, member in vars(base).items():
                if isinstance(member, Marked):
                    table[name] = member.handler
                elif name in table:
                    del table[name]  # overridden by something unmarked
        cls._handlers = table
        cls._has_concurrent = any(handler.concurrent for handler in table.values())

    @property
    def node(self) -> ClusterNode:
        """The `ClusterNode` this actor runs on."""
        return self._process.runtime.node

    @property
    def name(self) -> str:
        """The name this actor is registered under."""
        return self._process.name

    @property
    def ref(self) -> ActorRef[Self]:
        """A reference to this actor, that others can call and that can travel."""
        return typed("ActorRef[Self]", self._process.ref)

    @property
    def caller(self) -> Caller:
        """Who sent the message that is being handled."""
        return concurrent_caller.get() or self._process.caller()

    async def init(self) -> None:
        """Prepare; `start` returns when this has. An error here is its error.

        Cancellation:
            Cancelled when `start` is, and when the node ends meanwhile.
        """

    async def terminate(self, reason: str) -> None:
        """Clean up: after the last message, before the name is free.

        Args:
            reason: `normal` after `exit`, `shutdown` after `stop` or at the
                end of the node, else the name of the exception that crashed
                the actor. A crash calls this on the broken instance.

        Guarantees:
            Called once in each life whose `init` has returned, unless the
            process dies, or the node ends while a handler hangs.

        Cancellation:
            Cancelled when the time is up that the node takes to end.
        """

    async def handle_call(
        self, event: str, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Answer a call for which there is no handler; refuse by default.

        Args:
            event: What the caller named.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            The answer, or `later()`.

        Raises:
            NoSuchHandler: By default. The caller gets it; the actor lives on.

        Cancellation:
            Like a serial handler it is not cancelled for its caller's sake.
        """
        raise unknown_handler(self, event, "call")

    async def handle_cast(
        self, event: str, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """Take a cast for which there is no handler; count and log it by default.

        Args:
            event: What the sender named.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Cancellation:
            As for `handle_call`.
        """
        error = unknown_handler(self, event, "cast")
        self._process.drop_cast(event, self.caller.node, error)

    async def handle_info(self, message: Any) -> None:
        """Take what is neither call nor cast; do nothing with it by default.

        Args:
            message: A `Down`, or what `send_after` was given.

        Cancellation:
            As for `handle_call`.
        """

    def exit(self) -> None:
        """End after this message, normally; a `permanent` actor begins anew.

        Concurrent handlers come to their ends first, for up to
        `drain_timeout`; meanwhile calls are refused. Answers promised with
        `later()` are not waited for: their callers get `ActorDown`.
        """
        self._process.runtime.thread.require()
        self._process.exit()

    def send_after(self, seconds: float, message: Any) -> Callable[[], None]:
        """Have `handle_info(message)` called later.

        Args:
            seconds: From now.
            message: Anything; it does not leave the process.

        Returns:
            A function that takes it back, if it has not come yet.
        """
        return self._process.send_after(seconds, message)

    def monitor(self, target: str | ActorRef[Any]) -> int:
        """Ask to be told when an actor ends: `handle_info(Down(...))`.

        Args:
            target: `name`, `name@node`, `name@node@host:port`, or a reference.

        Returns:
            A number that the `Down` carries. It comes at once if there is no
            such actor, and when its node is down; then with the reason
            `noconnection`, and the actor may live.

        Raises:
            ConfigError: It is no target, or the node is known at another
                address.

        Guarantees:
            Fires once, a restart being an end, too; after everything that the
            actor's life has sent to this node, except for `noconnection`.
            Goes with the life of the actor that asked.
        """
        return self._process.runtime.monitors.add(self._process, str(target))

    def monitor_node(self, name: str) -> int:
        """Ask to be told when a node ends: `handle_info(Down(...))`.

        The link to it is kept up meanwhile. That a node is there again comes
        as `LinkUp`, by `node.events`.

        Args:
            name: The node, as `name` or `name@host:port`. This very node is
                never down.

        Returns:
            A number that the `Down` carries; its target is `@name`, its
            reason `noconnection` (no session for `down_after`, or there is no
            such node; it may live), or `restarted` (it is there again, as
            another process).

        Raises:
            ConfigError: It is no name, or is known at another address.

        Guarantees:
            Fires once. With `restarted`, it is handled after everything from
            the former process, and before anything from the new one. Goes
            with the life of the actor that asked.
        """
        return self._process.runtime.monitors.add_node(self._process, name)

    def demonitor(self, monitor: int) -> None:
        """Take back a monitor of this actor, or do nothing if it has fired.

        Args:
            monitor: Its number. A `Down` that waits in the mailbox already
                still comes.
        """
        self._process.runtime.monitors.remove(self._process, monitor)

    def on_call(self, event: str, /) -> Callable[[H], H]:
        """Mark a function as the handler of a call to this very instance.

            server = GenServer()


            @server.on_call("hello")
            async def hello(name: str) -> str:
                return f"hello {name}"

        Args:
            event: What callers name it.

        Raises:
            ConfigError: It is private, or the actor's own.
        """
        return self._add_handler(event, is_call=True)

    def on_cast(self, event: str, /) -> Callable[[H], H]:
        """Mark a function as the handler of a cast to this very instance.

        Args:
            event: What senders name it.

        Raises:
            ConfigError: It is private, or the actor's own.
        """
        return self._add_handler(event, is_call=False)

    def _add_handler(self, event: str, *, is_call: bool) -> Callable[[H], H]:
        event_name(event)

        def add(function: H) -> H:
            handler = Handler(function, event, is_call=is_call, bound=True)
            self._own_handlers()[event] = handler
            return function

        return add

    def _own_handlers(self) -> dict[str, Handler]:
        """Return this instance's table; the class's is shared by all."""
        if "_handlers" not in vars(self):
            self._handlers = dict(self._handlers)  # type: ignore[misc]
        return self._handlers


def _reserved(name: str) -> Callable[[GenServer, object], None]:
    def refuse(server: GenServer, _: object) -> None:
        raise AttributeError(
            f"{type(server).__name__}.{name} is the actor's own; call yours otherwise"
        )

    return refuse


# Here and not in the class, where a type checker would take them for settable.
for _own in ("node", "name", "ref", "caller"):
    setattr(GenServer, _own, vars(GenServer)[_own].setter(_reserved(_own)))
