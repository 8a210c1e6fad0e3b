"""A typed line, as words: quotes as in a shell, but JSON needs none around it.

A shell has done this before a one-shot command starts; at the prompt nobody
has. So that `call counter add {"by": 5}` means what it says there, a word that
begins like JSON ends where the JSON does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.reading import UsageError
from clusterkit.cluster.command_spec import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands_of(text: str) -> Iterator[str]:
    """Yield the commands of a text that was typed or pasted, one for each line.

    What is not closed at the end of its line goes on in the next.
    """
    begun = ""
    for line in text.splitlines():
        begun = f"{begun}\n{line}" if begun else line
        if _is_whole(begun):
            if begun.strip():
                yield begun
            begun = ""
    if begun:
        yield begun  # whoever runs it will say what is not closed


def _is_whole(text: str) -> bool:
    if text.lstrip().startswith("#"):
        return True
    try:
        split(text)
    except UsageError:
        return False
    return True


def split(line: str) -> list[str]:
    """Return the words of a line.

    Objects and lists are one word as they stand. Text in double quotes is read
    as JSON has it, and kept as it stands where the command takes JSON; in
    single quotes it is taken as it is.

    Raises:
        UsageError: A quote or a bracket is not closed.
    """
    words: list[str] = []
    at = 0
    while (at := _skip_blanks(line, at)) < len(line):
        word, at = _word(line, at, as_json=_takes_json(words))
        words.append(word)
    return words


def _skip_blanks(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _takes_json(words: list[str]) -> bool:
    """Say whether the next word is an argument that the command reads as JSON."""
    command = COMMANDS.get(words[0]) if words else None
    if command is None or not command.arguments:
        return False
    before = len(command.arguments) - 1
    return command.arguments[-1].kind is Kind.JSON and len(words) > before


def _word(line: str, at: int, *, as_json: bool) -> tuple[str, int]:
    """Return the word that begins at `at`, and where it ends."""
    first = line[at]
    if first == "'":
        end = line.find("'", at + 1)
        if end < 0:
            raise UsageError("a quote ' is not closed")
        return line[at + 1 : end], end + 1
    if first in '{["':
        try:
            value, end = json.JSONDecoder().raw_decode(line, at)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{line[at:]} is not JSON: {error}") from None
        kept = as_json or first != '"'
        return line[at:end] if kept else value, end
    end = at
    while end < len(line) and not line[end].isspace():
        end += 1
    return line[at:end], end
