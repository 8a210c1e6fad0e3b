"""A command line, as a request: which command, with which values.

argparse does the splitting, from the command table. It is told not to guess:
no abbreviated options, each name its own place, options anywhere among the
arguments. Sub-parsers would break all three, so the command is found first.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from contextlib import contextmanager
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.local_commands import (
    CONNECTION_OPTIONS,
    OUTPUT_OPTIONS,
    TIME_OPTIONS,
)
from clusterkit.cli.reading import UsageError, did_you_mean, read
from clusterkit.cluster.command_spec import Argument, Command, Kind, Option, Where
from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.names import NodeInfo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

PROGRAM: Final = "cluster-cli"
_SHELL_OPTIONS = (*CONNECTION_OPTIONS, *OUTPUT_OPTIONS)
# At the prompt the time of the shell's command line is the default.
_PROMPT_OPTIONS = (
    *OUTPUT_OPTIONS,
    *(replace(option, default=None) for option in TIME_OPTIONS),
)
_ARITIES = {"once": None, "perhaps": "?", "any": "*", "some": "+"}
_HELP = frozenset({"-h", "--help"})
_NUMBERS = frozenset({Kind.COUNT, Kind.WHOLE, Kind.WEIGHT})
"""Kinds whose errors do not say what the number is of."""
_SEE = f"see {PROGRAM} --help"
_SEE_HELP = f"usage: {PROGRAM} [options] [command …]\n{_SEE}"
_OTHER_WORDS = {"quit": "exit", "q": "exit", "bye": "exit", "?": "help", "h": "help"}
"""What other programs call it."""

_NO_VALUE: Final = re.compile(r"argument (?:.*/)?(.+): expected one argument")
"""What argparse says of an option without its value."""

_WIDTH: Final = 79
"""Columns that a usage line may take: a terminal's usual ones."""


@frozen(kw_only=True)
class Request:
    """What was asked for.

    Attributes:
        command: The row of the table; None for a prompt.
        values: Its arguments and options that were given, by name.
        view: Its options that are about the picture.
        options: Those that all commands have, defaults included.
        page: The page to show instead: `help` or `version`, or "".
    """

    command: Command | None
    values: dict[str, Any]
    view: dict[str, Any]
    options: dict[str, Any]
    page: str = ""


def parse(words: Sequence[str]) -> Request:
    """Read the words after the program's name.

    Raises:
        UsageError: They are no command; the message says what would be.
    """
    at = _find_command(words)
    if "--version" in words[:at]:
        return Request(command=None, values={}, view={}, options={}, page="version")
    command = None if at is None else _look_up(words[at], COMMANDS)
    rest = [word for index, word in enumerate(words) if index != at]
    return _parse(command, rest, _SHELL_OPTIONS, PROGRAM)


def parse_line(words: Sequence[str]) -> Request:
    """Read the words typed at the prompt, at least one.

    Raises:
        UsageError: As for `parse`.
    """
    known = {n: c for n, c in COMMANDS.items() if c.where.at_prompt}
    if words[0].startswith("-"):
        flag = words[0].partition("=")[0]
        leads = any(flag in option.flags for option in CONNECTION_OPTIONS)
        where = f": leave the prompt and type {PROGRAM} {flag} …" if leads else ""
        raise UsageError(
            f"a command comes first, not {flag}{where}", command_list(known)
        )
    if words[0] in COMMANDS and words[0] not in known:
        raise UsageError(f"{words[0]} is for the shell: {PROGRAM} {words[0]} …")
    return _parse(_look_up(words[0], known), words[1:], _PROMPT_OPTIONS, "")


def command_list(names: Iterable[str]) -> str:
    """Return all commands, for whoever typed something else."""
    text = f"commands: {' '.join(names)}"
    return textwrap.fill(text, _WIDTH, subsequent_indent=" " * 10)


def usage(command: Command, program: str = "", width: int = 0) -> str:
    """Return a command's usage, on as many lines as it needs.

    Args:
        command: The row of the table.
        program: What comes before it; nothing at the prompt.
        width: Columns of the terminal, if it is known.
    """
    widest = min(width or _WIDTH, _WIDTH)
    lines = [" ".join(["usage:", *([program] if program else [])])]
    for part in command.usage_parts:
        if len(lines[-1]) + 1 + len(part) > widest:
            lines.append("      ")
        lines[-1] += f" {part}"
    return "\n".join(lines)


def unknown_command(word: str, known: Collection[str]) -> UsageError:
    """Return what is said of a word that is no command.

    What changes the cluster is no guess to offer.
    """
    changing = {name for name in known if COMMANDS[name].changes}
    other = _OTHER_WORDS.get(word)
    near = f"; did you mean {other}?" if other else did_you_mean(word, known, changing)
    return UsageError(f"unknown command {word!r}{near}", command_list(known))


def _find_command(words: Sequence[str]) -> int | None:
    """Return where the command stands: the first word that is no option's."""
    options = {flag: option for option in _SHELL_OPTIONS for flag in option.flags}
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("-") or word == "-":
            return index
        if word == "--":
            return index + 1 if index + 1 < len(words) else None
        option = options.get(word)
        if option is not None:
            index += 1 if option.kind is None else 2
        elif word.partition("=")[0] in options or word[:2] in options:
            index += 1  # with its value in the same word
        elif word in _HELP or word == "--version":
            index += 1
        else:
            raise _unknown_option(word.partition("=")[0], options)
    return None


def _unknown_option(flag: str, known: Iterable[str]) -> UsageError:
    near = did_you_mean(flag, known)
    options = [option for c in COMMANDS.values() for option in c.options]
    if not near and any(flag in option.flags for option in options):
        return UsageError(f"option {flag} comes after its command", _SEE_HELP)
    return UsageError(f"unknown option {flag}{near}", _SEE_HELP)


def _look_up(word: str, known: dict[str, Command]) -> Command:
    command = known.get(word)
    if command is None:
        raise unknown_command(word, known)
    return command


def _parse(
    command: Command | None,
    words: Sequence[str],
    common: tuple[Option, ...],
    program: str,
) -> Request:
    end = words.index("--") if "--" in words else len(words)
    if _HELP & set(words[:end]):
        return Request(command=command, values={}, view={}, options={}, page="help")
    own = () if command is None else command.options
    arguments = () if command is None else command.arguments
    if command is not None and command.where is Where.SHELL:
        common = OUTPUT_OPTIONS
    hint = _SEE_HELP if command is None else usage(command, program)
    about_options = hint if command is None or not program else f"{hint}\n{_SEE}"
    parser = _Parser(hint, about_options, _apart(command, words))
    for option in (*common, *own):
        parser.add(option)
    for argument in arguments:
        parser.add_positional(argument)
    found = vars(parser.parse_intermixed_args(list(words)))
    with _hinting(about_options):
        options = {o.name: _option_value(o, found, o.default) for o in common}
    with _hinting(hint):
        return Request(
            command=command,
            values=_given(arguments, [o for o in own if not o.for_view], found),
            view=_given((), [o for o in own if o.for_view], found),
            options=options,
        )


@contextmanager
def _hinting(hint: str) -> Iterator[None]:
    """Add `hint` to an error that has none."""
    try:
        yield
    except UsageError as error:
        error.hint = error.hint or hint
        raise


def _apart(command: Command | None, words: Sequence[str]) -> str:
    """Return what to say of a node that is written as elsewhere, in one word.

    Nothing unless the words are `id@host:port`, or `id host:port`.
    """
    if command is None or Kind.HOST not in {a.kind for a in command.arguments}:
        return ""
    try:
        name, host, port = astuple(NodeInfo.parse("@".join(words)))
    except ConfigError:
        return ""
    return (
        "; an id, a host and a port are words of their own: "
        f"{command.name} {name} {host} {port}"
    )


def _given(
    arguments: Iterable[Argument], options: Iterable[Option], found: dict[str, Any]
) -> dict[str, Any]:
    """Return the values that were given, by name."""
    values: dict[str, Any] = {}
    for option in options:
        value = _option_value(option, found, None)
        if value is not None and value is not False:  # 0 is a value
            values[option.name] = value
    for argument in arguments:
        value = _argument_value(argument, found[f"argument {argument.name}"])
        if value is None:
            continue
        if argument.name in values:
            raise UsageError(f"{argument.name} is given twice")
        values[argument.name] = value
    return values


def _option_value(option: Option, found: dict[str, Any], default: Any) -> Any:
    value = found[f"option {option.name}"]
    if option.kind is None:
        return value
    if value is None:
        return default
    try:
        if option.repeats:
            return [read(option.kind, word) for word in value]
        return read(option.kind, value)
    except UsageError as error:
        # The option says what the word is to be; its error need not, too.
        told = re.sub(r"^[a-z ]+ (?=')", "", str(error))
        raise UsageError(f"{option.flags[-1]}: {told}") from error


def _argument_value(argument: Argument, value: Any) -> Any:
    if argument.kind is Kind.TRIPLE:
        return _triples(value)
    if isinstance(value, list):
        return [read(argument.kind, word) for word in value]
    if value is None:
        return None
    if argument.kind in _NUMBERS:
        return _number(argument, value)
    if argument.words and value not in argument.words:
        expected = " or ".join(argument.words)
        raise UsageError(
            f"expected {expected}, not {value!r}{did_you_mean(value, argument.words)}"
        )
    return read(argument.kind, value)


def _number(argument: Argument, word: str) -> Any:
    try:
        return read(argument.kind, word)
    except UsageError as error:
        raise UsageError(f"{argument.name}: {error}") from error


def _triples(words: list[str]) -> list[list[Any]]:
    """Return `[[id, host, port], …]`.

    Raises:
        UsageError: The last one is not complete.
    """
    left = len(words) % 3
    if left:
        raise UsageError(
            f"each node is an id, a host and a port; {' '.join(words[-left:])!r} "
            "is not complete"
        )
    kinds = (Kind.NODE, Kind.HOST, Kind.PORT)
    read_words = [read(kinds[i % 3], word) for i, word in enumerate(words)]
    return [read_words[i : i + 3] for i in range(0, len(words), 3)]


class _Parser(argparse.ArgumentParser):
    """argparse without its guesses, its exits and its prints.

    Args:
        hint: What follows a complaint.
        about_options: What follows one about an option.
        apart: What is said where arguments are missing.
    """

    def __init__(self, hint: str, about_options: str, apart: str) -> None:
        super().__init__(prog=PROGRAM, add_help=False, allow_abbrev=False)
        self._hint = hint
        self._about_options = about_options
        self._apart = apart
        self._flags: list[str] = []

    def add(self, option: Option) -> None:
        self._flags += option.flags
        action = "append" if option.repeats else "store"
        self.add_argument(
            *option.flags,
            dest=f"option {option.name}",
            action="store_true" if option.kind is None else action,
        )

    def add_positional(self, argument: Argument) -> None:
        # With a default, argparse does not call `any` number of them required.
        extra: dict[str, Any] = {"default": []} if argument.times == "any" else {}
        self.add_argument(
            f"argument {argument.name}",
            metavar=argument.shown,
            nargs=_ARITIES[argument.times],
            **extra,
        )

    def error(self, message: str) -> NoReturn:
        wrong = message.removeprefix("unrecognized arguments: ")
        if wrong.startswith("-") and wrong != message:
            near = did_you_mean(wrong.split()[0], self._flags)
            raise UsageError(f"unknown option {wrong}{near}", self._about_options)
        if wrong != message:
            raise UsageError(f"too many words: {wrong}", self._hint)
        valueless = _NO_VALUE.fullmatch(message)
        if valueless is not None:
            raise UsageError(f"{valueless[1]} needs a value", self._about_options)
        missing = message.removeprefix("the following arguments are required:")
        if missing != message:
            message = f"missing{missing}{self._apart}"
        raise UsageError(message, self._hint)
