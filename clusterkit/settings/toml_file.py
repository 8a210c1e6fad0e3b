"""A file of settings: its keys, and the line that each stands in.

`tomllib` reads the file and says no lines. But a statement of TOML, a key with its value
or the head of a table, is a document by itself, so the lines are found by reading them
one after the other until they are one. Which keys there should be is `table`'s.
"""

from __future__ import annotations

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


_ENDS: Final = ("]", "}", '"""', "'''")
"""One of these ends a value of several lines. To try at others would take the square of
their number."""


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
        raise ConfigError(f"cannot read {path}: {reason}") from error
    try:
        text = data.decode()
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
            names = (table,)
        else:
            names = tuple((*table, *name) for name in names)
        found += ((name, line) for name in names)
    # Of one that stands in several lines the first counts, which comes last.
    yield from reversed(found)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield statements, with the line that each begins in, and what each says alone."""
    begun, lines = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not lines:
            begun = number
        ends = not lines or any(end in line for end in _ENDS)
        lines += f"{line}\n"
        if not ends:
            continue
        try:
            values = tomllib.loads(lines)
        except tomllib.TOMLDecodeError:
            continue  # it goes on in the next line
        if values:
            yield begun, lines, values
        lines = ""


def _names(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the names that lead to each value, and to the tables on the way."""
    for name, value in values.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in _names(value))
