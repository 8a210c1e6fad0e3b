"""Serves an ASGI application by Hypercorn, on trio, beside a node."""

from __future__ import annotations

import logging
import re
import socket
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import ConfigError
from clusterkit.logs import log
from clusterkit.names import check_host, check_port, check_timeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hypercorn.config import Config
    from starlette.types import ASGIApp

logger = logging.getLogger("clusterkit.web")

MISSING: Final = 'HTTP needs other packages: pip install "clusterkit[web]"'
"""What is said where one of them is not there."""

BACKLOG: Final = 100
"""Connections that wait to be accepted."""

_BIND: Final = re.compile(r"(?:\[([^][]+)\]|([^][:]+)):([0-9]{1,5})")

GRACE: Final = 2.0
"""Seconds that requests under way have when serving is cancelled, and after those the
application's own shutdown, unless `grace` says otherwise."""


def require_web() -> None:
    """Refuse to go on where the packages are not there that the web takes.

    Raises:
        ConfigError: One is not.
    """
    for package in ("starlette", "hypercorn"):
        if find_spec(package) is None:
            raise ConfigError(MISSING)


async def serve(
    application: ASGIApp,
    bind: str = "127.0.0.1:8022",
    *,
    grace: float = GRACE,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application until cancelled; for `nursery.start`.

        url = await nursery.start(web.serve, web.app(node), "127.0.0.1:8022")

    Signals are left alone.

    Args:
        application: What to serve: `web.app(node)`, or one that it is mounted in.
        bind: Where, as `host:port`; port 0 takes any free one.
        grace: Seconds that what is under way has to come to its end when this is
            cancelled, and after that the application's own shutdown (`lifespan`).
        task_status: For `nursery.start`, which returns the URL.

    Raises:
        ConfigError: `bind` is no address, `grace` no time, or Hypercorn is not
            installed.
        OSError: The address is in use, or not of this machine.

    Cancellation:
        Accepts nothing more, and ends as `grace` says; what has not ended then is cut.
    """
    require_web()
    from hypercorn.config import Config  # noqa: PLC0415 - an extra
    from hypercorn.trio import serve as hypercorn_serve  # noqa: PLC0415

    check_timeout(grace)
    config = Config()
    # Bound here: Hypercorn leaves its socket open where it cannot be bound.
    config.bind = [f"fd://{listening(bind).detach()}"]
    config.graceful_timeout = grace
    config.errorlog = errors = logging.getLogger("clusterkit.web.hypercorn")
    if errors.level == logging.NOTSET:
        errors.setLevel(logging.WARNING)  # where it listens is said below
    stop, scope = trio.Event(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        run = partial(_within, scope, hypercorn_serve, application, config, stop)
        urls = await nursery.start(run)
        scope.shield = True
        log(logger, logging.INFO, "http_serving", url=urls[0])
        task_status.started(urls[0])
        try:
            await trio.sleep_forever()
        finally:
            stop.set()
            scope.deadline = trio.current_time() + 2 * grace


async def _within(
    scope: trio.CancelScope,
    serves: Callable[..., Awaitable[None]],
    application: ASGIApp,
    config: Config,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    with scope:
        await serves(
            application, config, shutdown_trigger=stop.wait, task_status=task_status
        )


def listening(bind: str) -> socket.socket:
    """Return a socket that is bound.

    Raises:
        ConfigError: `bind` is no `host:port`.
        OSError: The address is in use, or not of this machine.
    """
    found = _BIND.fullmatch(bind)
    if found is None:
        raise ConfigError(f"bind is host:port, or [host]:port, not {bind!r:.100}")
    host, port = check_host(found[1] or found[2]), found[3]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(
        (host, check_port(int(port), lowest=0)), family=family, backlog=BACKLOG
    )
