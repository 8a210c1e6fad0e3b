"""A file with addresses, which somebody else writes and may change at any time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from clusterkit.discovery.allowed import Allowed
from clusterkit.discovery.entries import (
    MOST_ENTRIES,
    check_interval,
    in_turns,
    read_entry,
    tell_all,
)
from clusterkit.errors import ConfigError
from clusterkit.net.disk import read_regular

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from clusterkit.discovery.source import Found, Surroundings
    from clusterkit.names import Address, NodeInfo

MAX_FILE: Final = 1024 * 1024
"""Bytes of the longest file that is read."""


class SeedFile:
    """Find the nodes that a file names: a line each, `name@host:port`.

    Without a name, `host:port`, whoever answers there is met. Empty lines and what
    follows `#` are left out. The file may come later, be changed, and go again: it
    is read every `interval`. A line that is none, or a file that cannot be read, is
    counted and said, and the rest stands. Nodes stay found when their line goes.

    Args:
        path: Of the file.
        interval: Seconds between two looks, about.
        allow: Networks and host names that may be dialled; all, if none is given.

    Raises:
        ConfigError: A value is impossible.
    """

    name: Final = "seed_file"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        interval: float = 5.0,
        allow: Iterable[str] = (),
    ) -> None:
        self._path = _checked_path(path)
        self._interval = check_interval(interval)
        self._allowed = Allowed(allow)

    def __repr__(self) -> str:
        return f"<SeedFile {self._path}>"

    async def run(self, found: Found, node: Surroundings) -> None:
        """Look into the file now and then; see `Source.run`."""
        while True:
            try:
                content, _ = await node.run_blocking(read_regular, self._path, MAX_FILE)
                text = content.decode("utf-8-sig")  # some editors mark it
            except (OSError, ValueError) as error:
                node.count("unreadable")
                node.say("seed_file_unreadable", path=self._path, error=error)
            else:
                addresses = await self._read(text, node)
                await tell_all(addresses, self._allowed, found, node)
            await node.refresh(self._interval)

    async def _read(self, text: str, node: Surroundings) -> list[NodeInfo | Address]:
        """Return the addresses; say which line is the first that has none."""
        addresses: list[NodeInfo | Address] = []
        looked_at = 0
        async for number, line in in_turns(enumerate(text.splitlines(), start=1)):
            entry = line.partition("#")[0].strip()
            looked_at += bool(entry)
            if not entry or looked_at > MOST_ENTRIES:
                continue
            try:
                addresses.append(read_entry(entry))
            except ConfigError as error:
                node.count("invalid_entry")
                node.say("seed_file_line", path=self._path, line=number, error=error)
        if looked_at > MOST_ENTRIES:
            node.count("too_many")
            node.say("seed_file_too_long", path=self._path, read=MOST_ENTRIES)
        return addresses


def _checked_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that there may be one day.

    Raises:
        ConfigError: There cannot be, or it is of a home that nobody has.
    """
    try:
        found = Path(path).expanduser()
    except (TypeError, RuntimeError) as error:
        raise ConfigError(f"{path!r:.200} is no path of a file: {error}") from error
    if "\0" in str(found):
        raise ConfigError(f"{path!r:.200} is no path of a file")
    return found
