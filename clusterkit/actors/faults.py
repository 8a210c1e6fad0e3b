"""Errors on their way between nodes: to a code with details, and back."""

from __future__ import annotations

from typing import Any

from clusterkit.errors import (
    CallError,
    ClusterError,
    Rejected,
    RemoteFault,
    subclasses,
)

_PLAIN = (type(None), bool, int, float, str, bytes)


def to_fault(error: BaseException) -> tuple[str, list[Any]]:
    """Return the code and the details that `error` travels as.

    A `Rejected` keeps its own code and arguments, anything else of ours its
    code and text; what a handler did not raise on purpose becomes `fault`
    with the name of its class and its text. Tracebacks stay where they are.
    """
    if isinstance(error, RemoteFault):
        return RemoteFault.code, [error.type, error.message]
    if isinstance(error, Rejected):
        args = [arg if isinstance(arg, _PLAIN) else str(arg) for arg in error.args]
        return Rejected.code, [error.code, args]
    if isinstance(error, CallError):
        return error.code, [str(error.args[0]) if error.args else ""]
    return RemoteFault.code, [type(error).__name__, str(error)]


def from_fault(code: str, details: list[Any], where: dict[str, Any]) -> ClusterError:
    """Return the error that a Fault means to the caller.

    Args:
        code: What `to_fault` gave, perhaps of a later version.
        details: The same; malformed ones lead to a `RemoteFault`.
        where: `call_id`, `to` and `event` of the call.
    """
    if code == Rejected.code and len(details) >= 2 and isinstance(details[1], list):
        return _rejection(str(details[0]), details[1], where)
    if code == RemoteFault.code:
        name, message = [*map(str, details), "", ""][:2]
        return RemoteFault(name, message, **where)
    cls = subclasses(CallError).get(code)
    text = str(details[0]) if details else code
    if cls is None or issubclass(cls, (Rejected, RemoteFault)):
        return RemoteFault(code, text, **where)
    return cls(text, **where)


def _rejection(code: str, args: list[Any], where: dict[str, Any]) -> Rejected:
    """Rebuild a `Rejected`, without its constructor: that is the user's."""
    cls = subclasses(Rejected).get(code, Rejected)
    error = cls.__new__(cls, *args)
    CallError.__init__(error, *args, **where)
    if error.code != code:
        error.code = code  # type: ignore[misc]
    return error
