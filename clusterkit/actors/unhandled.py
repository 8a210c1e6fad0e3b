"""The answer to a message that no handler of its actor takes.

It names the handlers that there are, for most such messages are mistyped; it
is bounded, because both the event and the handlers may have names of any length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clusterkit.errors import NoSuchHandler

if TYPE_CHECKING:
    from clusterkit.actors.server import GenServer

MOST_TEXT: Final = 128
"""Characters of each name in the answer to a call that nothing handles."""

MOST_SHOWN: Final = 10
"""Handlers that such an answer names."""

MOST_COMPARED: Final = 100
"""Handlers among which it looks for one that may have been meant."""


def unknown_handler(server: GenServer, event: str, mark: str) -> NoSuchHandler:
    """Return the error for an event that nothing handles; says what could.

    Args:
        server: The actor.
        event: What was asked for.
        mark: What its handler would be marked with.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - rare, and 2 ms to load

    event = event[:MOST_TEXT]
    names = [n for n, h in server._handlers.items() if h.mark == mark]  # noqa: SLF001
    near = get_close_matches(event, names[:MOST_COMPARED], n=1)
    text = f"{type(server).__name__} has no @{mark} handler {event!r}"
    if near:
        text += f"; did you mean {near[0]}?"
    if names:
        more = ", …" if len(names) > MOST_SHOWN else ""
        shown = ", ".join(name[:MOST_TEXT] for name in names[:MOST_SHOWN])
        text += f"{'' if near else '.'} It has: {shown}{more}"
    return NoSuchHandler(text)
