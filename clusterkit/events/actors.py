"""Actors that crash."""

from __future__ import annotations

from clusterkit.events.base import Event
from clusterkit.frozen import frozen


@frozen
class ActorRestarted(Event):
    """An actor crashed and runs again, fresh; logged as `actor_crashed`."""

    name: str
    """Its name."""

    error: str
    """Class and text of what it raised; the log has the traceback."""


@frozen
class ActorGaveUp(Event):
    """An actor crashed and will not be restarted; its name is free."""

    name: str
    """The name it had."""

    error: str
    """Class and text of what it raised last."""
