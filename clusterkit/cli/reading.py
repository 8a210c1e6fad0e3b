"""Words of a command line as values: one reader per kind.

A word that cannot be what it stands for is a `UsageError`.
"""

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final

from clusterkit.cluster.command_spec import Kind
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.names import (
    NodeInfo,
    check_actor_name,
    check_host,
    check_name,
    check_port,
    split_target,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_BEGINS_JSON: Final = '{["'


class Explained(ClusterError):
    """An error with more to say to a person than its message.

    Attributes:
        hint: Lines for a person, below the message.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(Explained):
    """What was typed is no command; the message says what would be.

    The hint is a usage line, or all commands.
    """

    code: ClassVar[str] = "usage"
    exit_status: ClassVar[int] = 2


def read(kind: Kind, word: str) -> Any:
    """Return what `word` stands for.

    Raises:
        UsageError: It cannot be a `kind`.
    """
    reader = _READERS.get(kind)
    if reader is None:
        return word
    try:
        return reader(word)
    except (ConfigError, ValueError) as error:
        raise UsageError(str(error)) from error


def did_you_mean(word: str, known: Iterable[str], exactly: Collection[str] = ()) -> str:
    """Return a hint to add to an error message; "" when nothing is near.

    Args:
        word: What was typed.
        known: What could have been.
        exactly: Those of them that are not guessed unless one slip of a finger
            tells them from the word: what they do cannot be taken back.
    """
    from difflib import get_close_matches

    for near in get_close_matches(word, list(known), n=3):
        if near not in exactly or _one_slip(word, near):
            return f"; did you mean {near}?"
    return ""


def _one_slip(typed: str, meant: str) -> bool:
    """Say whether one letter is wrong, missing, too many, or has changed places."""
    longer, shorter = sorted((typed, meant), key=len, reverse=True)
    if len(longer) - len(shorter) == 1:
        return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    wrong = [i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b]
    if len(longer) != len(shorter) or len(wrong) > 2:
        return False
    first, last = (wrong or [0])[0], (wrong or [0])[-1]
    swapped = last - first == 1 and typed[first] == meant[last]
    return len(wrong) < 2 or (swapped and typed[last] == meant[first])


def _node(word: str) -> str:
    return check_name(word, "node id")


def _ring(word: str) -> str:
    return check_name(word, "ring name")


def _host(word: str) -> str:
    return check_host(word.removeprefix("[").removesuffix("]"))


def _port(word: str, lowest: int = 1) -> int:
    return check_port(int(word) if _is_whole(word) else word, lowest=lowest)


def _any_port(word: str) -> int:
    return _port(word, lowest=0)


def _count(word: str, lowest: int = 1) -> int:
    if _is_whole(word) and int(word) >= lowest:
        return int(word)
    raise ConfigError(f"{word!r} is not a whole number from {lowest}")


def _whole(word: str) -> int:
    return _count(word, lowest=0)


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:
        raise ConfigError(f"{word!r} is not a number of seconds above 0")
    return seconds


def _target(word: str) -> str:
    name, node = split_target(word)
    check_actor_name(name)
    if node is not None and "@" not in node:
        check_name(node, "node id")
    elif node is not None:
        NodeInfo.parse(node)
    return word


def _address(word: str) -> str:
    return str(NodeInfo.parse(word))


def _json(word: str) -> Any:
    """Read JSON; what cannot have been meant as such is text."""
    try:
        return json.loads(word, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if word[:1] and word[0] in _BEGINS_JSON:
            raise ConfigError(f"{word} is not JSON: {error}") from None
        return word


def _no_constant(word: str) -> None:
    raise ValueError(f"JSON has no {word}")


def _is_whole(word: str) -> bool:
    return word.isascii() and word.isdigit()


_READERS: Final[dict[Kind, Callable[[str], Any]]] = {
    Kind.NODE: _node,
    Kind.RING: _ring,
    Kind.HOST: _host,
    Kind.PORT: _port,
    Kind.ANY_PORT: _any_port,
    Kind.WEIGHT: _count,
    Kind.COUNT: _count,
    Kind.WHOLE: _whole,
    Kind.SECONDS: _seconds,
    Kind.TARGET: _target,
    Kind.ADDRESS: _address,
    Kind.JSON: _json,
}
