"""What a command is: the columns of the command table.

Only the shape is here; the rows are in `commands`. Nothing in it runs: the
server answers commands, the command line reads and renders them.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Literal, cast as typed

from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Kind(StrEnum):
    """What a word on the command line stands for: how it is read and completed."""

    NODE = "id"
    RING = "ring"
    HOST = "host"
    PORT = "port"
    ANY_PORT = "port|0"
    WEIGHT = "weight"
    COUNT = "n"
    WHOLE = "n|0"
    SECONDS = "seconds"
    KEY = "key"
    TARGET = "name[@node]"
    EVENT = "event"
    JSON = "json"
    COMMAND = "command"
    WORD = "word"
    COOKIE = "cookie"
    ADVERTISED = "host[:port]"
    PATH = "path"
    ADDRESS = "id@host:port"
    CLASS = "name=module:Class"
    TRIPLE = "id host port"
    URL = "url"
    BIND = "host:port"


_NUMBERS = (int, float)
_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.PORT: (int,),
    Kind.COUNT: (int,),
    Kind.WEIGHT: _NUMBERS,
    Kind.JSON: (list,),
    Kind.TRIPLE: (list,),
}


class Where(Enum):
    """Who carries a command out."""

    NODE = "the node spoken to"
    HERE = "the command line itself"
    SHELL = "the command line itself, but not from its prompt"
    BOTH = "the command line itself, some of it with the node; not from its prompt"

    @property
    def at_prompt(self) -> bool:
        """Whether it may be typed there, too."""
        return self in (Where.NODE, Where.HERE)


class View(Enum):
    """How a result is shown to a person; a machine always gets the JSON."""

    DONE = "ok"
    VALUE = "the JSON value"
    WORD = "the word alone"
    TREE = "a summary and a table of nodes"
    NODES = "a table of nodes"
    NODE = "one node"
    OWNERS = "the ids, most preferred first"
    WEIGHTS = "a table of weights"
    LINKS = "a table of links"
    ACTORS = "a table of actors"
    COOKIES = "a table of fingerprints"
    MEMBERS = "a table of members"
    WHY = "a line for each thing that was seen"
    STATE = "a table of keys"
    RING = "a picture of the ring, and a table of shares"
    EVENTS = "a line for each event"
    BENCH = "a table, and how the round trips are spread"
    SETTINGS = "a table of settings"
    HELP = "a help page"
    STORY = "a story, and then a prompt"


@frozen(kw_only=True)
class Argument:
    """A word, or several, that a command takes by position.

    Attributes:
        name: What it is called in the request.
        kind: What it stands for, and how usage lines show it.
        help: What it means.
        times: How often it comes: exactly once, perhaps, any number of
            times, or at least once.
        words: The only words it may be; empty for any.
    """

    name: str
    kind: Kind
    help: str
    times: Literal["once", "perhaps", "any", "some"] = "once"
    words: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """What stands for it in a usage line."""
        return "|".join(self.words) or " ".join(f"<{w}>" for w in self.kind.split())

    @property
    def usage(self) -> str:
        """How a usage line shows it, and how often it comes."""
        shown = self.shown
        return {
            "once": shown,
            "perhaps": f"[{shown}]",
            "any": f"[{shown} …]",
            "some": f"{shown} …",
        }[self.times]


@frozen(kw_only=True)
class Option:
    """A flag, with a value or without.

    Attributes:
        flags: Its spellings, short before long.
        name: What it is called in the request.
        help: What it means.
        kind: What its value stands for; None for a switch.
        default: Its value when it is absent, as help shows it.
        repeats: Whether it may come more than once.
        for_view: Whether it is about the picture only and not sent.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    kind: Kind | None = None
    default: str | int | float | None = None
    repeats: bool = False
    for_view: bool = False

    @property
    def usage(self) -> str:
        """How a usage line shows it."""
        value = "" if self.kind is None else f" <{self.kind}>"
        shown = f"[{'|'.join(self.flags)}{value}]"
        return f"{shown} …" if self.repeats else shown


@frozen(kw_only=True)
class Command:
    """One row of the command table.

    Attributes:
        name: What is typed, and what the command server calls it.
        help: One sentence.
        example: What is typed, and what comes of it.
        arguments: By position; only the last may come more than once.
        options: Its own, beside those that all commands have.
        details: More sentences, for its help page.
        changes: What it changes; "" for nothing.
        data: What its result is as JSON, in words.
        view: How its result is shown to a person.
        beside: Queries whose results the picture for a person needs, too.
        for_people: Fields of the rows of its result that its JSON leaves out:
            they are for its picture, or for completion.
        unchanged: What a person is told when the result is false; JSON has null.
        timed: Whether the node is told how long it may take.
        where: Who carries it out.
    """

    name: str
    help: str
    example: tuple[str, str]
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    details: str = ""
    changes: str = ""
    data: str = "`null`"
    view: View = View.VALUE
    beside: tuple[str, ...] = ()
    for_people: tuple[str, ...] = ()
    unchanged: str = ""
    timed: bool = False
    where: Where = Where.NODE

    def check(self, args: Collection[object], values: Mapping[str, object]) -> None:
        """Check the types of a request that came over the wire.

        Raises:
            ConfigError: It has arguments without names, or one of another type.
        """
        if args:
            raise ConfigError(f"the arguments of {self.name} have names")
        if self.timed and not isinstance(values.get("timeout"), _NUMBERS):
            raise ConfigError(f"{self.name} needs a timeout in seconds")
        for argument in self.arguments:
            value = values.get(argument.name)
            fits = isinstance(value, _TYPES.get(argument.kind, (str,)))
            if argument.kind is Kind.TRIPLE:
                fits = fits and all(map(_is_triple, typed("list[object]", value)))
            if not fits and (argument.times != "perhaps" or value is not None):
                raise ConfigError(f"{self.name}: {value!r} is no {argument.kind}")

    @property
    def summary(self) -> str:
        """The usage line with its options left out."""
        options = ["[options]"] if self.options else []
        return " ".join([self.name, *options, *(a.usage for a in self.arguments)])

    @property
    def usage(self) -> str:
        """The usage line, without the program's name."""
        return " ".join(self.usage_parts)

    @property
    def usage_parts(self) -> list[str]:
        """What the usage line consists of, none of which is to be broken."""
        parts = [option.usage for option in self.options]
        parts += [argument.usage for argument in self.arguments]
        return [self.name, *parts]


def _is_triple(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 3
