"""Health checks over HTTP beside the node that `cluster-cli run` runs."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clusterkit.cluster.node import ClusterNode
    from clusterkit.settings.values import Settings


def operator_secret(settings: Settings) -> bytes | None:
    """Return the secret of operators, None if nobody is one.

    Raises:
        ConfigError: Its file cannot be read, others can read it, or nothing is
            served, or what serves is not installed.
    """
    if settings["http"] is not None:
        from clusterkit.web.serving import require_web

        require_web()  # before anything is bound
    secret = settings.operator_secret
    if secret is not None and settings["http"] is None:
        raise ConfigError(
            "a secret of operators is of use with http only: say where to serve it, "
            "with --http or CLUSTERKIT_HTTP"
        )
    return secret


@asynccontextmanager
async def served(
    node: ClusterNode, bind: str | None, secret: bytes | None
) -> AsyncIterator[str | None]:
    """Serve a node's pages for the length of the block; yield their URL.

    Args:
        node: The node.
        bind: Where, as `host:port`; None for nowhere.
        secret: Of operators.

    Raises:
        ConfigError: A package is not installed, or the secret too short.
        ClusterError: The address cannot be had.
    """
    if bind is None:
        yield None
        return
    from clusterkit import web

    application = web.app(node, operator_secret=secret)
    async with trio.open_nursery() as nursery:
        yield await _start(nursery, application, bind)
        nursery.cancel_scope.cancel()


async def _start(nursery: trio.Nursery, application: Any, bind: str) -> str:
    from clusterkit import web

    try:
        # When it ends the node has, and a second signal would find nobody.
        serve = partial(web.serve, application, bind, grace=0.0)
        url: str = await nursery.start(serve)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ClusterError(
            f"cannot serve HTTP at {bind}: {reason}; choose another with --http"
        ) from error
    return url
