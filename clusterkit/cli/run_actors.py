"""The actors of `run`: found by their names, and explained when they fail.

Their code is the user's, and so are most faults in it. What is told names the
actor as it was given, says what its code raised, and shows the lines of that
code and none of ours.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from functools import reduce
from pathlib import Path
from traceback import TracebackException
from typing import TYPE_CHECKING, Any, Final

import clusterkit
from clusterkit.actors.server import GenServer
from clusterkit.cli.reading import Explained, UsageError, did_you_mean
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clusterkit.cluster.creation import ActorFactory

_OURS: Final = (
    str(Path(clusterkit.__file__).parent),
    str(Path(importlib.__file__).parent),
    "<frozen importlib",
    contextlib.__file__,
)
"""Where the frames come from that a user has no use for."""


class ActorRefused(Explained, ConfigError):
    """An actor that cannot be one: its code has to be corrected."""


class ActorFailed(Explained):
    """An actor that could not start; perhaps the next time it can."""


def places(specs: Iterable[str]) -> dict[str, str]:
    """Return `module:Class` of each actor by its name, from `name=module:Class`.

    Raises:
        UsageError: A text has another form, or two have one name.
        ConfigError: A name is not valid.
    """
    found: dict[str, str] = {}
    for spec in specs:
        name, _, place = spec.partition("=")
        module, _, path = place.partition(":")
        if not all(map(str.isidentifier, [*module.split("."), *path.split(".")])):
            raise UsageError(f"--actor: {spec!r} is not name=module:Class")
        if check_name(name, "actor name") in found:
            raise UsageError(f"two actors are called {name}")
        found[name] = place
    return found


def load_actors(named: Mapping[str, str]) -> dict[str, ActorFactory]:
    """Return what builds each actor.

    Modules are looked for in the current folder first, as a script's are.

    Args:
        named: What `places` returned.

    Raises:
        ActorRefused: There is no such module or class, importing it failed, or
            it cannot be an actor.
    """
    if sys.path[0] not in {"", str(Path.cwd())}:
        sys.path.insert(0, "")
    return {name: _load(name, place) for name, place in named.items()}


def actor_error(name: str, place: str, error: BaseException) -> Explained:
    """Return what is told of an error that an actor's code has raised.

    Args:
        name: The actor's.
        place: Its class, as `module:Class`.
        error: What was raised.
    """
    refused = isinstance(error, ConfigError) or not isinstance(error, Exception)
    kind = ActorRefused if refused else ActorFailed
    text = str(error) if isinstance(error, ClusterError) else _headline(error)
    return kind(f"actor {name} ({place}): {text}", "\n".join(_lines(error)))


def _load(name: str, place: str) -> ActorFactory:
    try:
        factory = _find(*place.split(":"))
        _check(factory)
    except ConfigError as error:
        raise actor_error(name, place, error) from error
    except SystemExit as error:
        raise _refusal(name, place, error, "the module ends the program: ") from error
    except Exception as error:  # what a module does when it is imported
        raise _refusal(name, place, error) from error
    made: ActorFactory = factory
    return made


def _refusal(
    name: str, place: str, error: BaseException, before: str = ""
) -> ActorRefused:
    text = f"actor {name} ({place}): {before}{_headline(error)}"
    return ActorRefused(text, "\n".join(_lines(error)))


def _find(module: str, path: str) -> Any:
    """Return what is called `path` in a module.

    Raises:
        ConfigError: There is no such module, or nothing of that name in it.
        BaseException: Whatever the module raised.
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or f"{module}.".startswith(f"{error.name}."):
            raise ConfigError(f"there is no module {module}") from None
        raise  # one that it imports itself
    try:
        return reduce(getattr, path.split("."), found)
    except AttributeError:
        near = did_you_mean(path, vars(found))
        raise ConfigError(f"module {module} has no {path}{near}") from None


def _check(factory: Any) -> None:
    """Check that a factory can be expected to build an actor.

    Raises:
        ConfigError: It is something else, or needs arguments.
    """
    if isinstance(factory, GenServer):
        return
    is_class = isinstance(factory, type)
    if not callable(factory) or (is_class and not issubclass(factory, GenServer)):
        raise ConfigError(
            "it is no GenServer; let the class inherit from clusterkit.GenServer"
        )
    try:
        signature = inspect.signature(factory)
    except ValueError:  # of one that is written in C, nothing is known
        return
    try:
        signature.bind()
    except TypeError as error:
        wants = str(error).removeprefix("missing a required argument: ")
        raise ConfigError(
            f"its constructor needs an argument: {wants}; name a function that "
            "builds it instead"
        ) from None


def _headline(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):  # its text repeats the place
        text = f"{type(error).__name__}: {error.msg}"
    return text


def _lines(error: BaseException) -> Iterator[str]:
    """Yield the lines of code that an error came from, ours left out."""
    told = TracebackException.from_exception(error)
    for frame in told.stack:
        if not frame.filename.startswith(_OURS):
            yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
            yield f"    {frame.line}"
    if isinstance(error, SyntaxError):
        yield from "".join(told.format_exception_only()).splitlines()[:-1]
    reason = error.__cause__ or (
        None if error.__suppress_context__ else error.__context__
    )
    if reason is not None:
        yield f"because of {_headline(reason)}"
        yield from _lines(reason)
