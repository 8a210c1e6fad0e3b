"""What members do for each other: services, and masters."""

from __future__ import annotations

from typing import Any

from clusterkit.events.base import Event
from clusterkit.frozen import frozen


@frozen
class ServiceUp(Event):
    """A node provides a service, and is set up for it here; see `node.services`."""

    name: str
    """The service."""

    peer: str
    """The node, which may be this one."""

    info: Any
    """What it says of it: a copy."""


@frozen
class ServiceChanged(Event):
    """A node says something else of a service, and is set up anew here."""

    name: str
    """The service."""

    peer: str
    """The node, which may be this one."""

    info: Any
    """What it says of it now: a copy."""


@frozen
class ServiceDown(Event):
    """A node provides a service no more: withdrawn, dead, left, or failing here."""

    name: str
    """The service."""

    peer: str
    """The node, which may be this one."""


@frozen
class ServiceFailed(Event):
    """A hook that sets up a service has raised; it is run again. Logged likewise."""

    name: str
    """The service."""

    peer: str
    """The node that provides it."""

    error: str
    """Class and text of what it raised; the log has the traceback."""


@frozen
class ServicesReady(Event):
    """Every service that this node needs has a provider."""


@frozen
class ServicesNotReady(Event):
    """A service that this node needs has no provider any more."""

    missing: tuple[str, ...]
    """Those that have none."""


@frozen
class Promotion(Event):
    """This node is a master now; see `node.masters`."""

    epoch: tuple[int, str]
    """Since when, as a counter, and this node's name."""


@frozen
class Demotion(Event):
    """This node is no master any more."""

    epoch: tuple[int, str]
    """What it was one with; messages with it are old now."""

    reason: str
    """`asked`; `superseded`: there were too many, and the others are newer; or
    `ending`: so does the node."""


@frozen
class MasterUp(Event):
    """A node is one of the masters."""

    peer: str
    """Its name; it may be this node."""

    epoch: tuple[int, str]
    """Since when, as a counter, and its name: later is greater."""


@frozen
class MasterDown(Event):
    """A node is a master no more: demoted, superseded, dead, or left."""

    peer: str
    """Its name; it may be this node."""

    epoch: tuple[int, str]
    """What it was one with."""
