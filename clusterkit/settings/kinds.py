"""Kinds of settings: how a word of the environment is read, and what a value may be.

A file of TOML and a program have values; a variable has text, which is turned into such
a value first. So each value is checked in one way, wherever it comes from. What is wrong
is a `ConfigError` that does not say where: whoever has read it adds that.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER: Final = re.compile(r"[+-]?(inf|nan|[0-9.]+(e[+-]?[0-9]+)?)", re.IGNORECASE)
_SWITCHES: Final = {"true": True, "false": False}


@frozen
class Kind:
    """A kind of settings.

    Attributes:
        shown: What it is, as errors and the reference say it.
        from_text: Turns the text of a variable into a value.
        check: Returns a value as it is used; raises `ConfigError` if it is none.
    """

    shown: str
    from_text: Callable[[str], object]
    check: Callable[[object], Any]


def _text(value: object) -> str:
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise ConfigError(f"it is text, not {told(value)}")


def _path(value: object) -> str:
    if hasattr(value, "__fspath__"):
        value = value.__fspath__()
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"it is the path of a file, not {told(value)}")
    try:
        return str(Path(value).expanduser())
    except RuntimeError as error:
        raise ConfigError(f"nobody has the home folder of {told(value)}") from error


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ConfigError(f"it is a whole number, not {told(value)}")


def _number(value: object) -> int | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise ConfigError(f"it is a number, not {told(value)}")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigError(f"it is true or false, not {told(value)}")


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ConfigError(f"it is a list of texts, not {told(value)}")


def _places(value: object) -> dict[str, str]:
    """Return names and places, from a table or from `name=place` each."""
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        pairs = [text.partition("=")[::2] for text in value]
        if len({name for name, _ in pairs}) < len(pairs):
            raise ConfigError("two of them have one name")
        value = dict(pairs)
    if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return dict(value)
    raise ConfigError(f"it is a table of names and module:Class, not {told(value)}")


def _read_whole(text: str) -> object:
    return int(text) if _WHOLE.fullmatch(text) else text


def _read_number(text: str) -> object:
    whole = _read_whole(text)
    if whole is not text:
        return whole
    with suppress(ValueError):
        return float(text) if _NUMBER.fullmatch(text) else text
    return text  # which is refused as such


def _read_switch(text: str) -> object:
    return _SWITCHES.get(text.lower(), text)


def _read_list(text: str) -> object:
    return [part.strip() for part in text.split(",") if part.strip()]


def told(value: object) -> str:
    """Return how an error shows a value."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value!r:.100}"


TEXT: Final = Kind("text", str, _text)
PATH: Final = Kind("path", str, _path)
WHOLE: Final = Kind("whole number", _read_whole, _whole)
NUMBER: Final = Kind("number", _read_number, _number)
SWITCH: Final = Kind("true or false", _read_switch, _switch)
TEXTS: Final = Kind("list", _read_list, _texts)
PLACES: Final = Kind("table of module:Class", _read_list, _places)
