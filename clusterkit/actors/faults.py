"""Errors on their way between nodes: to a code with details, and back."""

from __future__ import annotations

import traceback
from inspect import isbuiltin
from typing import Any, Final

from clusterkit.errors import (
    BadArguments,
    CallError,
    ClusterError,
    NoSuchHandler,
    Rejected,
    RemoteFault,
    subclasses,
)

MAX_TEXT: Final = 4096
"""Characters of an error's text that travel."""

MAX_TRACEBACK: Final = 32_768
"""Characters of a crash's traceback that are logged."""


def text_of(error: object, most: int = MAX_TEXT) -> str:
    """Return the text of an error or of one of its arguments, fit to travel.

    It is a stranger's object: what cannot be read or sent is replaced, and
    what is longer than `most` characters is cut.
    """
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - of the text, not of the actor
        text = f"(its text raised {type(broken).__name__})"
    if len(text) > most:
        text = f"{text[:most]}…"
    return text.encode(errors="backslashreplace").decode()


def describe(error: BaseException) -> str:
    """Return an error as logs and events show it."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def traceback_of(error: BaseException) -> str:
    """Return an error with its traceback, as logs show it: bounded, in UTF-8."""
    return text_of("".join(traceback.format_exception(error)).rstrip(), MAX_TRACEBACK)


def is_an_answer(error: Exception) -> bool:
    """Say whether an error is meant for the caller, not a crash.

    A `Rejected` always is; of the others only those raised about this very
    call, not what a call of the handler's own came back with.
    """
    if isinstance(error, Rejected):
        return True
    return isinstance(error, (NoSuchHandler, BadArguments)) and not error.call_id


def to_fault(error: BaseException, *, most: int | None = None) -> tuple[str, list[Any]]:
    """Return the code and the details that `error` travels as.

    A `Rejected` keeps its own code and arguments, anything else of ours its
    code and text; what a handler did not raise on purpose becomes `fault`
    with the name of its class and its text. Tracebacks stay where they are.

    Args:
        error: The error.
        most: None sends arguments as they are. A number sends them as text,
            and of each text so many characters.
    """
    cut = MAX_TEXT if most is None else most
    if isinstance(error, RemoteFault):
        return RemoteFault.code, [text_of(error.type), text_of(error.message, cut)]
    if isinstance(error, Rejected):
        args = list(error.args)
        if most is not None:
            args = [text_of(arg, most) for arg in args[:most]]
        return Rejected.code, [text_of(error.code), args]
    if isinstance(error, CallError):
        return error.code, [text_of(error.args[0], cut) if error.args else ""]
    return RemoteFault.code, [type(error).__name__, text_of(error, cut)]


def from_fault(code: str, details: list[Any], where: dict[str, Any]) -> ClusterError:
    """Return the error that a Fault means to the caller.

    Args:
        code: What `to_fault` gave, perhaps of a later version.
        details: The same; malformed ones lead to a `RemoteFault`.
        where: `call_id`, `to` and `event` of the call.
    """
    if code == Rejected.code and len(details) >= 2 and isinstance(details[1], list):
        rejection = subclasses(Rejected).get(text_of(details[0]), Rejected)
        error = _built(rejection, details[1], where)
        if error.code != details[0]:
            error.code = text_of(details[0])  # type: ignore[misc]
        return error
    if code == RemoteFault.code:
        name, message = [*map(text_of, details), "", ""][:2]
        return RemoteFault(name, message, **where)
    cls = subclasses(CallError).get(code)
    text = text_of(details[0]) if details else code
    if cls is None or issubclass(cls, (Rejected, RemoteFault)):
        return RemoteFault(code, text, **where)
    return _built(cls, [text], where)


def _built(cls: type[CallError], args: list[Any], where: dict[str, Any]) -> CallError:
    """Build an error without its own constructors.

    Those may be the application's, expect other arguments, and raise.
    """
    makers = (vars(base).get("__new__") for base in cls.__mro__)
    make: Any = next(maker for maker in makers if isbuiltin(maker))
    error: CallError = make(cls, *args)
    CallError.__init__(error, *args, **where)
    return error
