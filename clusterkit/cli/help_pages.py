"""Help, from the command table: as pages for people and as JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.local_commands import CONNECTION_OPTIONS, OUTPUT_OPTIONS
from clusterkit.cli.parser import PROGRAM, usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clusterkit.cluster.command_spec import Command, Option

STATUSES: Final = {
    0: "it was done",
    1: "it was refused, or its result cannot be written",
    2: "the command line, or a setting, is wrong",
    3: "the node cannot be reached, or the connection was lost",
    4: "the cookie is wrong, or TLS is",
    5: "no answer in time; a change may still take effect",
    130: "Ctrl-C",
}
"""What the process ends with."""

_LEAST_RIGHT: Final = 30
"""Columns beside what is typed, with fewer of which the meaning stands below."""


def overview(*, at_prompt: bool = False, width: int = 0) -> str:
    """Return the page about all commands.

    Args:
        at_prompt: Whether it is shown at the prompt, where no options lead to
            a node any more.
        width: Columns of the terminal; 0 for as many as it needs.
    """
    rows = [(c.summary, c.help) for c in commands(at_prompt=at_prompt)]
    if at_prompt:
        return "\n".join(columns(rows, 36, width))
    lines = [f"usage: {PROGRAM} [options] [command …]"]
    about = "Without a command: a prompt, or the commands on standard input."
    lines += ["", *wrapped(about, width), "", "commands:", *columns(rows, 36, width)]
    options = map(option_row, (*CONNECTION_OPTIONS, *OUTPUT_OPTIONS))
    lines += ["", "options, before or after the command:"]
    lines += columns(options, width=width)
    lines += ["  --version", "  -h, --help", "", "exit status:"]
    statuses = [(str(status), text) for status, text in STATUSES.items()]
    return "\n".join([*lines, *columns(statuses, width=width)])


def page(command: Command, *, at_prompt: bool = False, width: int = 0) -> str:
    """Return the page about one command.

    Args:
        command: The row of the table.
        at_prompt: Whether it is shown there, where nothing stands before it.
        width: Columns of the terminal; 0 for as many as it needs.
    """
    lines = [usage(command, "" if at_prompt else PROGRAM, width), ""]
    lines += wrapped(command.help, width)
    if command.details:
        lines += wrapped(command.details, width)
    if command.changes:
        lines += wrapped(f"Changes {command.changes}.", width)
    if command.arguments:
        rows = [(a.shown, a.help) for a in command.arguments]
        lines += ["", "arguments:", *columns(rows, width=width)]
    if command.options:
        rows = [option_row(option) for option in command.options]
        lines += ["", "options:", *columns(rows, width=width)]
    typed, shown = command.example
    lines += ["", "example:", *wrapped(f"  {typed}", width)]
    return "\n".join(
        [*lines, *wrapped(f"  → {shown}" if shown else "", width)]
    ).rstrip()


def overview_json(*, at_prompt: bool = False) -> list[dict[str, Any]]:
    """Return all commands, for a program."""
    return [
        {"name": c.name, "usage": c.usage, "help": c.help}
        for c in commands(at_prompt=at_prompt)
    ]


def page_json(command: Command) -> dict[str, Any]:
    """Return one command, for a program."""
    return {
        "name": command.name,
        "usage": command.usage,
        "help": command.help,
        "changes": command.changes,
        "arguments": [{"name": a.shown, "help": a.help} for a in command.arguments],
        "options": [
            {"flags": list(o.flags), "help": o.help, "default": o.default}
            for o in command.options
        ],
        "example": command.example[0],
    }


def commands(*, at_prompt: bool = False) -> list[Command]:
    """Return the commands there are, at the prompt or in the shell."""
    return [
        command
        for command in COMMANDS.values()
        if command.where.at_prompt or not at_prompt
    ]


def option_row(option: Option) -> tuple[str, str]:
    """Return how an option is written, and what it means."""
    value = "" if option.kind is None else f" <{option.kind}>"
    default = "" if option.default is None else f" Default: {option.default}."
    return f"{', '.join(option.flags)}{value}", f"{option.help}{default}"


def columns(rows: Iterable[Sequence[str]], left: int = 24, width: int = 0) -> list[str]:
    """Return rows as lines: what is typed, then what it means.

    Args:
        rows: Both, for each line.
        left: Width of the left column; what is longer gets a line of its own.
        width: Columns of the terminal; 0 for as many as the right column needs.
    """
    lines = []
    below = bool(width) and width < left + _LEAST_RIGHT
    indent = " " * (6 if below else left + 4)
    for typed, meaning in rows:
        told = wrapped(meaning, width, indent)
        if below or len(typed) > left:
            lines += [*wrapped(f"  {typed}", width), *told]
        else:
            first = told[0].removeprefix(indent) if told else ""
            lines += [f"  {typed:<{left}}  {first}".rstrip(), *told[1:]]
    return lines


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return text as lines no wider than `width`, if that is not 0.

    A word that is longer stays whole: somebody will copy it.
    """
    if not width:
        return [f"{indent}{text}"]
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent or " " * (len(text) - len(text.lstrip())),
        break_long_words=False,
        break_on_hyphens=False,
    )
