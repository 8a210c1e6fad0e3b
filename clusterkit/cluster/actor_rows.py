"""The actors of a node, as its command server tells them to a tool.

What each could be called with is there for completion. It is asked for again
and again while a prompt is open, so it is left out where there is much of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.actors.handlers import handler_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.actors.process import Process

MOST_ACTORS: Final = 100
"""Actors of which the handlers are told, those started first."""

MOST_HANDLERS: Final = 50
"""Handlers of an actor of which the names are told; of more, none is."""


def actor_rows(processes: Iterable[Process], unnamed: str) -> list[dict[str, Any]]:
    """Return a row for each actor that is not the node's own.

    Args:
        processes: All actors of the node.
        unnamed: The one that nobody calls by the names of its handlers.
    """
    rows = []
    told = 0
    for process in processes:
        if process.name.startswith("_"):
            continue
        calls, casts = handler_names(process.server)
        many = told >= MOST_ACTORS or len(calls) + len(casts) > MOST_HANDLERS
        if many or process.name == unnamed:
            calls, casts = [], []
        told += bool(calls or casts)
        rows.append({**_row(process), "call": calls, "cast": casts})
    return rows


def _row(process: Process) -> dict[str, Any]:
    actor = process.statistics()
    return {
        "name": actor.name,
        "type": actor.type,
        "state": actor.state,
        "mailbox": actor.mailbox,
        "handled": actor.handled,
        "dropped": actor.dropped,
        "restarts": actor.restarts,
    }
