"""`cluster-cli run`: a node in the foreground."""

from __future__ import annotations

import errno
import gc
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.cli.destination import chosen_cookies, chosen_tls
from clusterkit.cli.history import state_folder
from clusterkit.cli.local_commands import DEFAULT_HOST, DEFAULT_PORT
from clusterkit.cli.log_lines import log_to_stderr
from clusterkit.cli.output import OK
from clusterkit.cli.reading import UsageError
from clusterkit.cli.run_actors import actor_error, load_actors, places
from clusterkit.cli.run_sources import chosen_sources
from clusterkit.cluster.creation import create_cluster, not_started
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.options import checked_factors
from clusterkit.cluster.own_names import COMMAND
from clusterkit.cluster.places import chosen_host
from clusterkit.config import DEFAULT_PFACTOR, DEFAULT_WEIGHT
from clusterkit.errors import ClusterError, ConfigError
from clusterkit.names import Address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clusterkit.cli.output import Output
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
    name, named = values["id"], places(values.get("actors", ()))
    options = create_options(values, named, output)
    log_to_stderr()
    try:
        with collapsed_groups():
            async with create_cluster(name, **options) as node:
                await _serve(node, options["ring"], output)
    except Exception as error:
        bind = Address(
            chosen_host(options["host"], options["discover"]), options["port"]
        )
        told = _in_our_words(error, bind, named)
        if told is None:
            raise
        raise told from error
    output.text(f"stopped {name}")
    return OK


def create_options(
    values: Mapping[str, Any], named: Mapping[str, str], output: Output
) -> dict[str, Any]:
    """Return what `create_cluster` is given.

    Args:
        values: The arguments and options of `run`.
        named: Its actors, as `run_actors.places` has them.
        output: Where warnings go.

    Raises:
        ConfigError: A value is impossible.
        ActorRefused: An actor's class is not there, or is none.
    """
    ring = values.get("ring", "ring")
    for name in {COMMAND, ring}.intersection(named):
        raise UsageError(f"an actor cannot be called {name}: that is the node's own")
    rfactor = values.get("rfactor", DEFAULT_WEIGHT)
    found = chosen_cookies(values, output.note)
    factors = checked_factors(rfactor, values.get("pfactor", DEFAULT_PFACTOR))
    sources = chosen_sources(values)
    return {
        # What it listens at by default depends on whether it is to be found.
        "host": values.get("host", None if sources else DEFAULT_HOST),
        "port": values.get("port", DEFAULT_PORT),
        "cookie": found.file or found.cookies,
        "ring": ring,
        "actors": load_actors(named),
        "seeds": values.get("seeds", ()),
        "discover": sources,
        "state": values.get("state") or default_state(ring, values["id"]),
        "advertise": values.get("advertise"),
        "rfactor": factors[0],
        "pfactor": factors[1],
        "tls": chosen_tls(values),
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


def _in_our_words(
    error: Exception, bind: Address, named: Mapping[str, str]
) -> ClusterError | None:
    """Return what is told of an error that the node did not start for.

    None for what nobody foresaw.
    """
    notes = getattr(error, "__notes__", ())
    for name, place in named.items():
        if not_started(name) in notes:
            return actor_error(name, place, error)
    if isinstance(error, OSError) and error.filename == str(bind):
        taken = error.errno in {errno.EADDRINUSE, errno.EACCES}
        option = "--port" if taken else "--host"
        reason = error.strerror or str(error)
        return ClusterError(
            f"cannot listen at {bind}: {reason}; choose another with {option}"
        )
    return None


async def _serve(node: ClusterNode, ring: str, output: Output) -> None:
    async with trio.open_nursery() as nursery:
        # From the moment that `ready` can be read, signals are answered.
        await nursery.start(node.serve_forever)
        # Most of what lives by now lives until the end. Looking through it again
        # and again is a fifth of what a receiver under load would spend. What was
        # garbage before the program ran goes, too.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        output.text(f"ready {node.address} ring={ring}")
