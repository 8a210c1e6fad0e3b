"""Handlers: the methods of an actor that others may reach.

`@call` and `@cast` mark them. The decorated name is a descriptor: on the class
it is the handler, which `ref.call(Counter.add, 5)` names with full types; on an
instance it is the bound method, so that a plain unit test can await it. Nothing
else of an actor can be reached from outside: no hook, no private name.
"""

from __future__ import annotations

import inspect
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    Never,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from clusterkit.errors import BadArguments, ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Coroutine

    from clusterkit.actors.server import GenServer

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S", bound="GenServer")
S_contra = TypeVar("S_contra", bound="GenServer", contravariant=True)

LIFECYCLE = frozenset(
    {"init", "terminate", "handle_call", "handle_cast", "handle_info"}
    | {"node", "name", "ref", "caller", "on_call", "on_cast", "exit", "monitor"}
    | {"monitor_node", "demonitor", "send_after", "restart", "intensity", "mailbox"}
    | {"mailbox_policy"}
)
"""Names a handler cannot have: they are the actor's own."""

_NEVER: Final[frozenset[int]] = frozenset()


class Handler:
    """One reachable function, with what the loop needs to run it.

    Attributes:
        function: The function, the actor being its first argument (or not,
            if `bound` is true).
        event: What callers name it.
        is_call: Whether it answers.
        is_stream: Whether it gets a `Stream` before its arguments.
        concurrent: Whether it runs beside others, in the actor's nursery.
        cancellable: Whether a caller's Cancel ends it while it runs.
        calls: With how many positional arguments, and no others, the loop may
            answer a call by it without a second look. Empty: with none.
        casts: The same for casts.
    """

    __slots__ = (
        "_signature",
        "bound",
        "calls",
        "cancellable",
        "casts",
        "concurrent",
        "event",
        "function",
        "is_call",
        "is_stream",
    )

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        event: str,
        *,
        is_call: bool,
        concurrent: bool = False,
        cancellable: bool = False,
        bound: bool = False,
        is_stream: bool = False,
    ) -> None:
        if not inspect.iscoroutinefunction(function):
            raise ConfigError(f"handler {event!r} must be an async function")
        self.function = function
        self.event = event
        self.is_call = is_call
        self.concurrent = concurrent
        self.cancellable = cancellable or concurrent
        self.bound = bound
        self.is_stream = is_stream
        self._signature = inspect.signature(function)
        counts = _NEVER if self.cancellable or bound else _counts(self._signature)
        self.calls: Container[int] = counts if is_call else _NEVER
        self.casts: Container[int] = _NEVER if is_call else counts

    def __repr__(self) -> str:
        return f"<{self.mark} {self.event}>"

    @property
    def mark(self) -> str:
        """What it is marked with: `call`, `cast` or `stream`."""
        if self.is_stream:
            return "stream"
        return "call" if self.is_call else "cast"

    async def run(
        self, server: GenServer, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Run the function on an actor."""
        if self.bound:
            return await self.function(*args, **kwargs)
        return await self.function(server, *args, **kwargs)

    def check(self, args: list[Any], kwargs: dict[str, Any] | None) -> None:
        """Check the arguments against the signature.

        Raises:
            BadArguments: They do not fit; says how.
        """
        before = (None,) * ((not self.bound) + self.is_stream)
        try:
            self._signature.bind(*before, *args, **(kwargs or {}))
        except TypeError as error:
            raise BadArguments(str(error)) from None


def _counts(signature: inspect.Signature) -> Container[int]:
    """Return the numbers of positional arguments that will do, `self` aside.

    When a keyword-only parameter has no default, none will. Mostly it is a set,
    in which a number is found faster than in a range.
    """
    parameters = list(signature.parameters.values())[1:]
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return _NEVER
    plain = [
        p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    least = sum(p.default is p.empty for p in plain)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return range(least, sys.maxsize)
    return frozenset(range(least, len(plain) + 1))


class Marked:
    """A method with a mark: on the class the handler, on an instance the method.

    Which of the two, each kind says by itself, with its own types, and without
    asking here: `ref.call(Counter.add, …)` looks it up for every message.

    Attributes:
        handler: What runs it.
        event: What others name it by.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.event = handler.event
        self.__doc__ = handler.function.__doc__

    def __repr__(self) -> str:
        return repr(self.handler)

    def _method_of(self, instance: object) -> Any:
        """Return the method, as one of an actor."""
        return self.handler.function.__get__(instance)


class CallHandler(Marked, Generic[S_contra, P, R_co]):
    """A method marked with `@call`; see `call`."""

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], Awaitable[R_co]],
        *,
        concurrent: bool = False,
        cancellable: bool = False,
    ) -> None:
        handler = Handler(
            function,
            event_of(function),
            is_call=True,
            concurrent=concurrent,
            cancellable=cancellable,
        )
        super().__init__(handler)

    @overload
    def __get__(
        self, instance: None, owner: type[Any]
    ) -> CallHandler[S_contra, P, R_co]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[Any]
    ) -> Callable[P, Coroutine[Any, Any, R_co]]: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> Any:
        """Return the handler on the class, the bound method on an instance."""
        return self if instance is None else self._method_of(instance)


class CastHandler(Marked, Generic[S_contra, P]):
    """A method marked with `@cast`; see `cast`."""

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], Awaitable[None]],
        *,
        concurrent: bool = False,
    ) -> None:
        event = event_of(function)
        super().__init__(Handler(function, event, is_call=False, concurrent=concurrent))

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> CastHandler[S_contra, P]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[Any]
    ) -> Callable[P, Coroutine[Any, Any, None]]: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> Any:
        """Return the handler on the class, the bound method on an instance."""
        return self if instance is None else self._method_of(instance)


class _CallDecorator(Protocol):
    def __call__(
        self, function: Callable[Concatenate[S_contra, P], Coroutine[Any, Any, R]], /
    ) -> CallHandler[S_contra, P, R]: ...


class _CastDecorator(Protocol):
    def __call__(
        self, function: Callable[Concatenate[S_contra, P], Coroutine[Any, Any, None]], /
    ) -> CastHandler[S_contra, P]: ...


@overload
def call(
    function: Callable[Concatenate[S, P], Coroutine[Any, Any, R]], /
) -> CallHandler[S, P, R]: ...
@overload
def call(*, concurrent: bool = False, cancellable: bool = False) -> _CallDecorator: ...
def call(
    function: Any = None, /, *, concurrent: bool = False, cancellable: bool = False
) -> Any:
    """Mark an async method as a handler that answers.

    One handler of an actor runs at a time, in the order of arrival, unless
    it says otherwise here.

    Args:
        function: The method; its name is the event.
        concurrent: Run beside other handlers, as a task of the actor's own
            nursery; while it runs it counts as a message in the mailbox. It
            is cancelled when its caller gives up, when the actor crashes, and
            `drain_timeout` after the actor was told to stop.
        cancellable: Cancel it when its caller gives up (is cancelled, or
            times out) while it runs. A plain handler runs to its end: a
            stranger's impatience must not tear an actor's state.

    Raises:
        ConfigError: The method is not async, or has a lifecycle name or a
            private one.
    """
    if function is None:
        return lambda function: CallHandler(
            function, concurrent=concurrent, cancellable=cancellable
        )
    return CallHandler(function)


@overload
def cast(
    function: Callable[Concatenate[S, P], Coroutine[Any, Any, None]], /
) -> CastHandler[S, P]: ...
@overload
def cast(*, concurrent: bool = False) -> _CastDecorator: ...
def cast(function: Any = None, /, *, concurrent: bool = False) -> Any:
    """Mark an async method as a handler that does not answer.

    Args:
        function: The method; its name is the event.
        concurrent: Run beside other handlers, as those of `call` may.

    Raises:
        ConfigError: The method is not async, or has a lifecycle name or a
            private one.
    """
    if function is None:
        return lambda function: CastHandler(function, concurrent=concurrent)
    return CastHandler(function)


class _Later:
    """What `later()` returns, known by identity."""

    def __repr__(self) -> str:
        return "<later>"


LATER = _Later()


def later() -> Never:
    """Return this from a `@call` handler to answer later.

        caller = self.caller
        self.waiting.append(caller)
        return later()

    and, some time afterwards, `caller.reply(value)`. Typed `Never`, so it
    may be returned whatever the handler's result type is.
    """
    return LATER  # type: ignore[misc]


def no_handler(thing: object, mark: str) -> TypeError:
    """Return the error for what a reference was given in place of a handler.

    Args:
        thing: What it was given.
        mark: What a handler would have been marked with.
    """
    if isinstance(thing, str):
        return TypeError(
            f"a reference takes a handler, like Counter.add, not the name {thing!r}; "
            "node.call(target, event, …) and node.cast take names"
        )
    name = getattr(thing, "__qualname__", repr(thing))
    return TypeError(f"{name} is not marked {mark}")


def event_name(event: str) -> str:
    """Return `event` if a handler may have that name.

    Raises:
        ConfigError: It is private, or the actor's own.
    """
    if event.startswith("_") or event in LIFECYCLE or not event:
        raise ConfigError(
            f"a handler cannot be called {event!r}: that is the actor's own"
        )
    return event


def event_of(function: Callable[..., Any]) -> str:
    """Return the event that a decorated method handles: its name."""
    return event_name(getattr(function, "__name__", ""))


def no_event(thing: object) -> TypeError:
    """Return the error for what was given in place of the name of an event.

    Args:
        thing: What was given.
    """
    handler = getattr(thing, "handler", None)
    if isinstance(handler, Handler):
        return TypeError(
            f"here an event is given by the name of its handler, {handler.event!r}; "
            "references take the handler itself"
        )
    return TypeError(f"an event is given by the name of its handler, not {thing!r}")


def handler_names(server: GenServer) -> tuple[list[str], list[str]]:
    """Return what an actor handles by name: calls, and casts."""
    names: tuple[list[str], list[str]] = ([], [])
    for name, handler in server._handlers.items():  # noqa: SLF001
        if not handler.is_stream:
            names[not handler.is_call].append(name)
    return names
