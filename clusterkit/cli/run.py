"""`cluster-cli run`: a node in the foreground."""

from __future__ import annotations

import sys
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.cli.destination import chosen_cookies
from clusterkit.cli.history import state_folder
from clusterkit.cli.log_lines import log_to_stderr
from clusterkit.cli.output import OK
from clusterkit.cli.reading import UsageError
from clusterkit.cluster.creation import create_cluster
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.local_commands import DEFAULT_HOST, DEFAULT_PORT
from clusterkit.cluster.options import checked_factors
from clusterkit.config import DEFAULT_PFACTOR, DEFAULT_WEIGHT
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.names import Address, check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clusterkit.cli.output import Output
    from clusterkit.cluster.creation import ActorFactory
    from clusterkit.cluster.node import ClusterNode


async def run_node(values: Mapping[str, Any], output: Output) -> int:
    """Run a node until a signal; return the exit status.

    Args:
        values: The arguments and options of `run`.
        output: Where it says that it is ready, and that it has stopped.

    Raises:
        ClusterError: It could not be started, or another node has its name.
        SystemExit: A second signal came.
    """
    name = values["id"]
    options = create_options(values, output)
    log_to_stderr()
    try:
        with collapsed_groups():
            async with create_cluster(name, **options) as node:
                await _serve(node, options["ring"], output)
    except OSError as error:
        where = Address(options["host"], options["port"])
        raise ClusterError(
            f"cannot run {name} at {where}: {error.strerror or error}"
        ) from error
    output.text(f"stopped {name}")
    return OK


def create_options(values: Mapping[str, Any], output: Output) -> dict[str, Any]:
    """Return what `create_cluster` is given.

    Raises:
        ConfigError: A value is impossible, or an actor's class is not there.
    """
    ring = values.get("ring", "ring")
    rfactor = values.get("rfactor", DEFAULT_WEIGHT)
    factors = checked_factors(rfactor, values.get("pfactor", DEFAULT_PFACTOR))
    return {
        "host": values.get("host", DEFAULT_HOST),
        "port": values.get("port", DEFAULT_PORT),
        "cookie": chosen_cookies(values, output.note),
        "ring": ring,
        "actors": load_actors(values.get("actors", ())),
        "seeds": values.get("seeds", ()),
        "state": values.get("state") or default_state(ring, values["id"]),
        "advertise": values.get("advertise"),
        "rfactor": factors[0],
        "pfactor": factors[1],
    }


def default_state(ring: str, name: str) -> Path:
    """Return the file that keeps a node's membership; its folder is made."""
    folder = state_folder() / ring
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {folder}: {error.strerror}; choose a file with --state"
        ) from error
    return folder / f"{name}.state"


def load_actors(specs: Iterable[str]) -> dict[str, ActorFactory]:
    """Return what builds each actor, from texts `name=module:Class`.

    Modules are looked for in the current folder first, as a script's are.

    Raises:
        UsageError: A text has another form, or two have one name.
        ConfigError: There is no such module, or nothing of that name in it.
    """
    if sys.path[0] not in {"", str(Path.cwd())}:
        sys.path.insert(0, "")
    found: dict[str, ActorFactory] = {}
    for spec in specs:
        name, equals, place = spec.partition("=")
        module, colon, path = place.partition(":")
        if not (equals and colon and module and path):
            raise UsageError(f"{spec!r} is not name=module:Class")
        if check_name(name, "actor name") in found:
            raise UsageError(f"two actors are called {name}")
        found[name] = _load(module, path)
    return found


def _load(module: str, path: str) -> ActorFactory:
    try:
        factory = reduce(getattr, path.split("."), import_module(module))
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot load {module}:{path}: {error}") from error
    if not callable(factory):
        raise ConfigError(f"{module}:{path} is no class, and cannot be called")
    made: ActorFactory = factory
    return made


async def _serve(node: ClusterNode, ring: str, output: Output) -> None:
    async with trio.open_nursery() as nursery:
        # From the moment that `ready` can be read, signals are answered.
        await nursery.start(node.serve_forever)
        output.text(f"ready {node.address} ring={ring}")
