"""`cluster-cli run`: a node in the foreground."""

from __future__ import annotations

import errno
import gc
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.cli.destination import chosen_cookies
from clusterkit.cli.log_lines import log_to_stderr
from clusterkit.cli.output import OK
from clusterkit.cli.reading import UsageError
from clusterkit.cli.run_actors import actor_error, load_actors
from clusterkit.cli.run_http import operator_secret, served
from clusterkit.cli.run_settings import default_state, made_folder, run_settings
from clusterkit.cluster.creation import create_cluster, not_started
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.own_names import COMMAND
from clusterkit.cluster.places import chosen_host
from clusterkit.errors import ClusterError
from clusterkit.names import Address
from clusterkit.settings.reading import require_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clusterkit.cli.output import Output
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.settings.values import Settings


async def run_node(values: Mapping[str, Any], output: Output) -> int:
    """Run a node until a signal; return the exit status.

    Args:
        values: The arguments and options of `run`.
        output: Where it says that it is ready, and that it has stopped.

    Raises:
        ClusterError: It could not be started, or another node has its name.
        SystemExit: A second signal came.
    """
    settings = run_settings(values, output.note)
    name = require_name(settings)
    options = create_options(settings, values.get("key"), output)
    secret = operator_secret(settings)
    log_to_stderr()
    try:
        with collapsed_groups():
            async with (
                create_cluster(**options) as node,
                served(node, settings["http"], secret) as url,
            ):
                await _serve(node, options["ring"], url, output)
    except Exception as error:
        host = chosen_host(options["host"], options.get("discover", ()))
        bind = Address(host, options["port"])
        told = _in_our_words(error, bind, settings["actors"])
        if told is None:
            raise
        raise told from error
    output.text(f"stopped {name}")
    return OK


def create_options(
    settings: Settings, key: str | None, output: Output
) -> dict[str, Any]:
    """Return what `create_cluster` is given.

    Args:
        settings: What `run` is told.
        key: The cookie itself, of the command line.
        output: Where warnings go.

    Raises:
        ConfigError: A value is impossible.
        ActorRefused: An actor's class is not there, or is none.
    """
    ring, named = settings["ring"], settings["actors"]
    for name in {COMMAND, ring}.intersection(named):
        raise UsageError(f"an actor cannot be called {name}: that is the node's own")
    return settings.plain_options | {
        "host": settings["host"],
        "port": settings["port"],
        "cookie": _cookie(settings, key, output),
        "ring": ring,
        "actors": load_actors(named),
        "state": settings["state"] or made_folder(default_state(settings)),
    }


def _cookie(
    settings: Settings, key: str | None, output: Output
) -> bytes | Path | list[bytes]:
    said = settings.cookie if key is None else None
    if isinstance(said, bytes):
        return said
    found = chosen_cookies({"key": key, "cookie_file": said}, output.note)
    return found.file or found.cookies


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


async def _serve(node: ClusterNode, ring: str, url: str | None, output: Output) -> None:
    async with trio.open_nursery() as nursery:
        # From the moment that `ready` can be read, signals are answered.
        await nursery.start(node.serve_forever)
        # Most of what lives by now lives until the end. Looking through it again
        # and again is a fifth of what a receiver under load would spend. What was
        # garbage before the program ran goes, too.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        http = "" if url is None else f" http={url}"
        output.text(f"ready {node.address} ring={ring}{http}")
