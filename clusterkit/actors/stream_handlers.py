"""`@stream`: the mark of a handler that sends and receives while it runs.

Beside `@call` and `@cast` of `handlers`, and like them: on the class it is the
handler, on an instance the bound method.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    overload,
)

from clusterkit.actors.handlers import Handler, Marked, event_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from clusterkit.actors.server import GenServer
    from clusterkit.actors.stream import Stream

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S", bound="GenServer")
S_contra = TypeVar("S_contra", bound="GenServer", contravariant=True)


class StreamHandler(Marked, Generic[S_contra, P, R_co]):
    """A method marked with `@stream`; see `stream`."""

    def __init__(
        self, function: Callable[Concatenate[Any, Stream, P], Awaitable[R_co]]
    ) -> None:
        event = event_of(function)
        super().__init__(
            Handler(function, event, is_call=True, concurrent=True, is_stream=True)
        )

    @overload
    def __get__(
        self, instance: None, owner: type[Any]
    ) -> StreamHandler[S_contra, P, R_co]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[Any]
    ) -> Callable[Concatenate[Stream, P], Coroutine[Any, Any, R_co]]: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> Any:
        """Return the handler on the class, the bound method on an instance."""
        return self if instance is None else self._method_of(instance)


def stream(
    function: Callable[Concatenate[S, Stream, P], Coroutine[Any, Any, R]], /
) -> StreamHandler[S, P, R]:
    """Mark an async method as a handler that gets a `Stream` before its arguments.

        class Files(GenServer):
            @stream
            async def read(self, out: Stream, path: str) -> int:
                async with await trio.open_file(path, "rb") as file:
                    while piece := await file.read(32_768):
                        await out.send(piece)
                    return await file.tell()

    It runs beside the actor's other handlers, as `@call(concurrent=True)` does,
    so it may last. What it returns is the stream's result; an error is one for
    who opened it, and a crash of the actor unless it is a `Rejected`, or came
    out of the stream itself.

    Args:
        function: The method; its name is the event.

    Raises:
        ConfigError: The method is not async, or has a lifecycle name or a
            private one.
    """
    return StreamHandler(function)
