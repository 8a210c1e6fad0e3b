"""Serves an ASGI application by Hypercorn, on trio, beside a node."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import ConfigError
from clusterkit.names import check_host, check_port

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MISSING: Final = 'this needs other packages: pip install "clusterkit[web]"'
"""What is said where one of them is not there."""

BACKLOG: Final = 100
"""Connections that wait to be accepted."""

GRACE: Final = 2.0
"""Seconds that requests under way have when serving is cancelled."""


async def serve(
    application: ASGIApp,
    bind: str = "127.0.0.1:8022",
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application until cancelled; for `nursery.start`.

        url = await nursery.start(web.serve, web.app(node), "127.0.0.1:8022")

    Signals are left alone.

    Args:
        application: What to serve: `web.app(node)`, or one that it is mounted in.
        bind: Where, as `host:port`; port 0 takes any free one.
        task_status: For `nursery.start`, which returns the URL.

    Raises:
        ConfigError: `bind` is no address, or Hypercorn is not installed.
        OSError: The address is in use, or not of this machine.

    Cancellation:
        Ends it, with what is under way.
    """
    try:
        from hypercorn.config import Config  # noqa: PLC0415 - an extra
        from hypercorn.trio import serve as hypercorn_serve  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(MISSING) from error
    config = Config()
    # Bound here: Hypercorn leaves its socket open where it cannot be bound.
    config.bind = [f"fd://{listening(bind).detach()}"]
    config.graceful_timeout = GRACE
    config.errorlog = logging.getLogger("clusterkit.web.hypercorn")
    async with trio.open_nursery() as nursery:
        urls = await nursery.start(hypercorn_serve, application, config)
        task_status.started(urls[0])


def listening(bind: str) -> socket.socket:
    """Return a socket that is bound.

    Raises:
        ConfigError: `bind` is no `host:port`.
        OSError: The address is in use, or not of this machine.
    """
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"bind is host:port, not {bind!r:.100}")
    host = check_host(host.removeprefix("[").removesuffix("]"))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(
        (host, check_port(int(port), lowest=0)), family=family, backlog=BACKLOG
    )
