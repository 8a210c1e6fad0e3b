"""What the log says of handlers that raise, and of answers that cannot travel."""

from __future__ import annotations

import logging
from typing import Any

from clusterkit.actors.faults import describe, traceback_of
from clusterkit.logs import log
from clusterkit.wire import messages as m

logger = logging.getLogger("clusterkit.actors")


def say_crash(actor: str, event: str | None, error: Exception) -> None:
    """Log a crash with its traceback, which never leaves this node.

    Args:
        actor: The actor's name.
        event: What it was handling, None for nothing that has a name.
        error: What it raised.
    """
    told = {"actor": actor, "event": event, "error": describe(error)}
    log(logger, logging.ERROR, "actor_crashed", **told)
    logger.error(traceback_of(error))


def say_node_ended(actor: str, record: list[Any] | None, error: SystemExit) -> None:
    """Log which handler ends the process: its traceback is shown nowhere.

    Args:
        actor: The actor's name.
        record: What it was handling.
        error: What it raised.
    """
    handler = record[m.EVENT] if record and len(record) > 2 else "handle_info"
    told = {"actor": actor, "handler": handler, "error": describe(error)}
    log(logger, logging.ERROR, "node_ended_by_handler", **told)


def say_unsent(actor: str, record: list[Any], peer: str, error: Exception) -> None:
    """Log an answer that could not travel.

    Args:
        actor: The actor's name.
        record: What it answers.
        peer: The caller's node.
        error: Why not.
    """
    told = {"actor": actor, "event_": record[m.EVENT], "peer": peer, "error": error}
    log(logger, logging.ERROR, "answer_not_sent", **told)
