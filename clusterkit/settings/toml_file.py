"""A file of settings: its keys, and the line that each stands in.

`tomllib` reads the file and says no lines. But a statement of TOML, a key with its value
or the head of a table, is a document by itself, so the lines are found by reading one
after the other. Which keys there should be is `table`'s.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.net.disk import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 256 * 1024
"""Bytes of the largest file of settings; more is another file, given by mistake."""

MOST_PARTS: Final = 32
"""Parts of a key, with dots between them. No setting has more than two; to read one of
thousands, the parser takes the square of their number, in time and in memory."""

_MARK: Final = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}|"(?:[^"\\\n]|\\[^\n])*+"|'''
    r"""'''(?:[^']|'(?!''))*+'{3,5}|'[^'\n]*'|#[^\n]*|[][{}=,.\n]""",
    re.DOTALL,
)
"""Strings and comments, in which nothing means anything; and what means something."""


@frozen
class TomlFile:
    """What stands in a file.

    Attributes:
        path: The file, as it was named.
        values: Its content.
        lines: The first line of each key and each table, by their names from the top.
    """

    path: str
    values: dict[str, Any]
    lines: dict[tuple[str, ...], int]

    def place(self, *names: str) -> str:
        """Return where a key or a table stands, as `file:line`."""
        line = self.lines.get(names)
        return self.path if line is None else f"{self.path}:{line}"

    @property
    def folder(self) -> Path:
        """The folder that relative paths in it start from."""
        return Path(self.path).expanduser().absolute().parent


def read_toml(path: str) -> TomlFile:
    """Read a file.

    Args:
        path: Its path; `~` stands for the home folder.

    Raises:
        ConfigError: It is not there, cannot be read, or is no TOML; the text names it,
            and the line.
    """
    try:
        data, _ = read_regular(Path(path).expanduser(), MOST_BYTES)
    except (OSError, ValueError, RuntimeError) as error:  # the last: no such home
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot read {path or repr(path)}: {reason}") from error
    try:
        text = data.decode("utf-8-sig")  # some editors begin a file with a mark
        _check_keys(text)
        return TomlFile(path, tomllib.loads(text), dict(_lines(text)))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: it is no text in UTF-8") from error
    except ValueError as error:  # no TOML, or a number of too many digits
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: it is nested too deeply") from error


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the names of every key and table, from the last to the first."""
    found: list[tuple[tuple[str, ...], int]] = []
    table: tuple[str, ...] = ()
    for line, statement, values in _statements(text):
        names = tuple(_names(values))
        if statement.lstrip().startswith("["):
            table = max(names, key=len)
        else:
            names = tuple((*table, *name) for name in names)
        found += ((name, line) for name in names)
    # Of one that stands in several lines the first counts, which comes last.
    yield from reversed(found)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield statements, with the line that each begins in, and what each says alone."""
    line, start, begun, open_ones = 1, 0, 1, 0
    for found in _MARK.finditer(f"{text}\n"):
        mark = found[0]
        line += mark.count("\n")
        open_ones += (mark in {"[", "{"}) - (mark in {"]", "}"})
        if mark == "\n" and not open_ones:
            statement = text[start : found.end()]
            values = tomllib.loads(statement)
            if values:
                yield begun, statement, values
            start, begun = found.end(), line


def _check_keys(text: str) -> None:
    """Refuse a key that the parser should not be given.

    Raises:
        ValueError: It has too many parts.
    """
    line, dots = 1, 0
    for found in _MARK.finditer(text):
        mark = found[0]
        line += mark.count("\n")
        if mark == ".":
            dots += 1
        elif len(mark) == 1:
            dots = 0
        if dots >= MOST_PARTS:
            raise ValueError(f"a key of over {MOST_PARTS} parts (at line {line})")


def _names(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the names that lead to each value, and to the tables on the way."""
    for name, value in values.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in _names(value))
