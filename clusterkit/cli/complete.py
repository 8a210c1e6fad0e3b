"""What Tab offers: commands, their options, and names the cluster has.

Completion runs in the thread of the prompt. So it reads a snapshot that does
not change, made beforehand, and never asks the node.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from clusterkit.cli.command_table import COMMANDS
from clusterkit.cli.local_commands import OUTPUT_OPTIONS, TIME_OPTIONS
from clusterkit.cluster.command_spec import Argument, Command, Kind
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@frozen(kw_only=True)
class Snapshot:
    """Names that were in the cluster a moment ago.

    Attributes:
        nodes: Host and port of each member, by id.
        actors: The actors of the node spoken to, with the names of their
            handlers for each command that sends to them.
        node: The node spoken to.
    """

    nodes: Mapping[str, tuple[str, int]]
    actors: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    node: str = ""

    @classmethod
    def of(
        cls, node: str, nodes: list[dict[str, Any]], actors: list[dict[str, Any]]
    ) -> Snapshot:
        """Return what the answers of a node to `nodes` and `actors` say."""
        return cls(
            nodes={row["id"]: (row["host"], row["port"]) for row in nodes},
            actors={
                row["name"]: {by: tuple(row.get(by, ())) for by in ("call", "cast")}
                for row in actors
            },
            node=node,
        )


NOTHING_KNOWN = Snapshot(nodes={})


@frozen
class Offer:
    """One word that may stand where the cursor is.

    Attributes:
        word: All of it.
        typed: The part of it that is there already.
        help: What it means, in a few words.
    """

    word: str
    typed: str
    help: str = ""


def offers(line: str, known: Snapshot) -> list[Offer]:
    """Return what may complete the last word of `line`.

    Args:
        line: The text before the cursor.
        known: Names in the cluster.
    """
    words = line.split()
    typed = "" if not words or line[-1].isspace() else words.pop()
    return [
        Offer(word, typed, meaning)
        for word, meaning in _candidates(words, typed, known)
        if word.startswith(typed)
    ]


def _candidates(
    words: Sequence[str], typed: str, known: Snapshot
) -> Iterator[tuple[str, str]]:
    if not words:
        yield from _commands()
        return
    command = COMMANDS.get(words[0])
    if command is None:
        return
    if typed.startswith("-"):
        for option in (*command.options, *OUTPUT_OPTIONS, *TIME_OPTIONS):
            for flag in option.flags:
                yield flag, option.help
        return
    places = _positionals(command, words[1:])
    argument = _argument_at(command, len(places))
    if argument is None:
        return
    if argument.kind is Kind.EVENT:
        yield from _handlers(command.name, places[0], known)
    else:
        yield from _values(argument, places, typed, known)


def _commands() -> Iterator[tuple[str, str]]:
    for command in COMMANDS.values():
        if command.where.at_prompt:
            yield command.name, command.help


def _positionals(command: Command, words: Sequence[str]) -> list[str]:
    """Return the words that are no options and no values of options."""
    valued = {
        flag
        for option in (*command.options, *TIME_OPTIONS)
        if option.kind is not None
        for flag in option.flags
    }
    found, skip = [], False
    for word in words:
        if skip or word in valued:
            skip = not skip
        elif not word.startswith("-"):
            found.append(word)
    return found


def _argument_at(command: Command, place: int) -> Argument | None:
    """Return which argument stands at a place, None beyond the last."""
    if place < len(command.arguments):
        return command.arguments[place]
    last = command.arguments[-1] if command.arguments else None
    return last if last is not None and last.times in {"any", "some"} else None


def _values(
    argument: Argument, before: Sequence[str], typed: str, known: Snapshot
) -> Iterator[tuple[str, str]]:
    match argument.kind:
        case Kind.COMMAND:
            yield from _commands()
        case Kind.TARGET:
            yield from _targets(typed, known)
        case Kind.TRIPLE:
            yield from _node_part(before[len(before) // 3 * 3 :], known)
        case Kind.NODE | Kind.HOST | Kind.PORT:
            yield from _node_part(before, known)


def _node_part(before: Sequence[str], known: Snapshot) -> Iterator[tuple[str, str]]:
    """Offer an id, or the host or the port of the one that stands before."""
    if not before:
        for name, (host, port) in known.nodes.items():
            yield name, f"{host}:{port}"
    elif (address := known.nodes.get(before[0])) is not None and len(before) <= 2:
        yield str(address[len(before) - 1]), ""


def _handlers(by: str, target: str, known: Snapshot) -> Iterator[tuple[str, str]]:
    """Offer the handlers of an actor, if it is of the node spoken to."""
    actor, _, node = target.partition("@")
    if node in {"", known.node}:
        for name in known.actors.get(actor, {}).get(by, ()):
            yield name, ""


def _targets(typed: str, known: Snapshot) -> Iterator[tuple[str, str]]:
    actor, at, _ = typed.partition("@")
    if at:
        for node in known.nodes:
            yield f"{actor}@{node}", ""
    else:
        for name in known.actors:
            yield name, ""
