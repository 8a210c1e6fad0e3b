"""Help, from the command table: as pages for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.local_commands import CONNECTION_OPTIONS, OUTPUT_OPTIONS
from clusterkit.cli.parser import PROGRAM, usage
from clusterkit.cluster.command_spec import Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clusterkit.cluster.command_spec import Command, Option

STATUSES: Final = {
    0: "it was done",
    1: "it was refused, or its result cannot be written",
    2: "the command line, or a setting, is wrong",
    3: "the node cannot be reached, or the connection was lost",
    4: "the cookie is wrong",
    5: "no answer in time; a change may still take effect",
    130: "Ctrl-C",
}
"""What the process ends with."""


def overview(*, at_prompt: bool = False) -> str:
    """Return the page about all commands.

    Args:
        at_prompt: Whether it is shown at the prompt, where no options lead to
            a node any more.
    """
    rows = [(c.summary, c.help) for c in commands(at_prompt=at_prompt)]
    if at_prompt:
        return "\n".join(columns(rows, 36))
    lines = [f"usage: {PROGRAM} [options] [command …]"]
    lines += ["", "Without a command: a prompt, or the commands on standard input."]
    lines += ["", "commands:", *columns(rows, 36)]
    lines += ["", "options, before or after the command:"]
    lines += columns(map(option_row, (*CONNECTION_OPTIONS, *OUTPUT_OPTIONS)))
    lines += ["  --version", "  -h, --help", "", "exit status:"]
    lines += columns((str(status), text) for status, text in STATUSES.items())
    return "\n".join(lines)


def page(command: Command, *, at_prompt: bool = False) -> str:
    """Return the page about one command.

    Args:
        command: The row of the table.
        at_prompt: Whether it is shown there, where nothing stands before it.
    """
    lines = [usage(command, "" if at_prompt else PROGRAM), "", command.help]
    if command.details:
        lines.append(command.details)
    if command.changes:
        lines.append(f"Changes {command.changes}.")
    if command.arguments:
        rows = [(a.shown, a.help) for a in command.arguments]
        lines += ["", "arguments:", *columns(rows)]
    if command.options:
        lines += ["", "options:", *columns(map(option_row, command.options))]
    typed, shown = command.example
    lines += ["", "example:", f"  {typed}", f"  → {shown}" if shown else ""]
    return "\n".join(lines).rstrip()


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
        if not (at_prompt and command.where is Where.SHELL)
    ]


def option_row(option: Option) -> tuple[str, str]:
    """Return how an option is written, and what it means."""
    value = "" if option.kind is None else f" <{option.kind}>"
    default = "" if option.default is None else f" Default: {option.default}."
    return f"{', '.join(option.flags)}{value}", f"{option.help}{default}"


def columns(rows: Iterable[Sequence[str]], width: int = 24) -> list[str]:
    """Return rows as lines: what is typed, then what it means.

    Args:
        rows: Both, for each line.
        width: Of the left column; what is longer gets a line of its own.
    """
    lines = []
    for left, right in rows:
        if len(left) > width:
            lines += [f"  {left}", f"{'':{width + 4}}{right}"]
        else:
            lines.append(f"  {left:<{width}}  {right}".rstrip())
    return lines
