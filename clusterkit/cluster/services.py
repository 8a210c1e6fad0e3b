"""Services: what members offer to each other, and when all that is needed is there.

A node advertises services of its own, and says which it needs. Each provider of a
needed one is set up by hooks, one after another, before it counts. How providers are
called is theirs to say, in what they advertise: a ref, an address, a URL.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import trio

from clusterkit.cluster.providers import Provider, Service
from clusterkit.errors import ConfigError, NodeDown
from clusterkit.events import (
    ServiceChanged,
    ServiceDown,
    ServicesNotReady,
    ServicesReady,
    ServiceUp,
)
from clusterkit.logs import log
from clusterkit.names import check_name

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.announcing import Announcements
    from clusterkit.cluster.providers import SetUp

__all__ = ["Service", "Services"]

logger = logging.getLogger("clusterkit.cluster")

PREFIX: Final = "_service."

MOST_NAME: Final = 100
"""Longest name of a service, in characters."""

TOO_EARLY: Final = (
    "a node meets others once its actors have started: start this one then, with "
    "node.start"
)

FIELDS: Final = 2
"""What is said of a service: the info, and the life of its node."""


class Services:
    """The services of a cluster, as one node sees and needs them; `node.services`.

    Guarantees:
        A provider is there while its node is a member and not known to be dead, and
        has not withdrawn it; this node's own count, too. `ServiceUp` and `ServiceDown`
        come in turns for each, `ServicesReady` and `ServicesNotReady` in turns for all.

    Args:
        announcements: What members advertise.
        runtime: Publishes events, and runs the hooks.
        life: Of this node; another each time that it is started.
    """

    def __init__(
        self, announcements: Announcements, runtime: Runtime, life: int
    ) -> None:
        self._announcements = announcements
        self._runtime = runtime
        self._life = life
        self._providers: dict[str, dict[str, Provider]] = {}
        self._hooks: dict[str, list[SetUp]] = {}  # of what is needed
        self._turns: WeakValueDictionary[tuple[str, str], trio.Lock] = (
            WeakValueDictionary()
        )
        self._was_ready = self._over = False
        self._waiting = trio.lowlevel.ParkingLot()
        announcements.follow(PREFIX, self._follow)

    def __repr__(self) -> str:
        return f"<Services needed={list(self._hooks)} missing={list(self.missing)}>"

    # What this node offers.

    def advertise(self, name: str, info: object = None) -> None:
        """Offer a service, or say something else of one that is offered.

        Args:
            name: What it is called: up to 100 of `A-Za-z0-9_.-`.
            info: What a user of it must know. Anything that travels, up to 32 KiB
                encoded; it is copied.

        Raises:
            ConfigError: It has no valid name.
            EncodeError: The info cannot travel.
            MessageTooLarge: It is too long, or this node says too much.
        """
        self._runtime.thread.require()
        self._announcements.announce(PREFIX + checked(name), [info, self._life])

    def update(self, name: str, info: object) -> None:
        """Say something else of a service that this node offers.

        Raises:
            ConfigError: It does not offer it; else as `advertise`.
        """
        if self._runtime.name not in self._providers.get(checked(name), {}):
            raise ConfigError(f"this node advertises no {name!r}")
        self.advertise(name, info)

    def withdraw(self, name: str) -> bool:
        """Offer a service no more; return whether it was offered.

        Args:
            name: Of the service.

        Raises:
            ConfigError: It has no valid name.
        """
        self._runtime.thread.require()
        return self._announcements.withdraw(PREFIX + checked(name))

    # What it needs.

    def need(self, *names: str) -> None:
        """Need services: this node is ready once each has a provider.

        Args:
            names: Of the services, beside those that it needs already.

        Raises:
            ConfigError: A name is not valid; none of them is needed then.
        """
        self._runtime.thread.require()
        for name in [checked(name) for name in names]:
            self._hooks.setdefault(name, [])
        self._judge()

    def setup(self, name: str, hook: SetUp) -> None:
        """Need a service, and have each provider of it set up before it counts.

        The hooks of a service run one after another for a provider, those of several
        providers beside each other; for providers that are there already, too. One
        that raises is logged, told by `ServiceFailed`, and run again after a pause of
        1 to 30 s; the provider does not count meanwhile. Says a provider something
        else, all run again with that, while what it said before still counts.

        Args:
            name: Of the service.
            hook: Called with the `Service`, and awaited.

        Raises:
            ConfigError: The name is not valid, or the hook cannot be called.

        Cancellation:
            A hook is cancelled when its provider is gone or says something else, or
            the node ends. None runs for that provider before it is over.
        """
        self._runtime.thread.require()
        if not callable(hook):
            raise ConfigError(f"a hook is an async function, not {hook!r:.100}")
        self._hooks.setdefault(checked(name), []).append(hook)
        for provider in self._providers.get(name, {}).values():
            provider.go_on()
        self._judge()

    @property
    def missing(self) -> tuple[str, ...]:
        """What is needed and has no provider."""
        return tuple(name for name in self._hooks if not self._is_there(name))

    @property
    def is_ready(self) -> bool:
        """Whether everything that is needed has a provider."""
        return not self.missing

    async def ready(self) -> dict[str, tuple[Service, ...]]:
        """Wait until everything that is needed has a provider; return them by name.

        What is needed later, or lost, makes it wait again. In the `init` of an actor
        that starts with the node it waits in vain for others: a node meets them when
        its actors have started.

        Raises:
            NodeDown: This node ends without it.

        Cancellation:
            Changes nothing.
        """
        self._runtime.thread.require()
        await trio.lowlevel.checkpoint()
        if self.missing and self._runtime.node.phase == "starting":
            told = {"missing": ",".join(self.missing), "remedy": TOO_EARLY}
            log(logger, logging.WARNING, "services_awaited_too_early", **told)
        while not self.is_ready:
            if self._over:
                missing = ", ".join(self.missing)
                raise NodeDown(f"this node ends without {missing}", "not sent")
            await self._waiting.park()
        return {name: self.all(name) for name in self._hooks}

    def end(self) -> None:
        """Have nobody wait for services any more: the node ends."""
        self._over = True
        self._waiting.unpark_all()

    # What there is.

    def names(self) -> tuple[str, ...]:
        """Return the services that somebody offers, needed or not, in order."""
        return tuple(sorted(n for n in self._providers if self.all(n)))

    def all(self, name: str) -> tuple[Service, ...]:
        """Return the providers of a service that count, by node.

        Args:
            name: Of the service.

        Raises:
            ConfigError: The name is not valid.
        """
        providers = self._providers.get(checked(name), {})
        services = (providers[node].up for node in sorted(providers))
        return tuple(service for service in services if service is not None)

    def _is_there(self, name: str) -> bool:
        return any(p.is_done for p in self._providers.get(name, {}).values())

    # What changes.

    def _follow(self, node: str, name: str, value: Any) -> None:
        """Follow what a node advertises; one that was started again does so anew."""
        if not _is_name(name):
            return  # of a later version of clusterkit
        said, provider = _read(value), self._providers.get(name, {}).get(node)
        if provider is not None and (said is None or said[1] != provider.life):
            self._lose(name, node)
            provider = None
        if said is not None:
            info, life = said
            if provider is None:
                turns = self._turns.setdefault((name, node), trio.Lock())
                provider = Provider(
                    self._runtime, self._hooks_of, self._turned, life, turns
                )
                self._providers.setdefault(name, {})[node] = provider
            provider.take(Service(name, node, info))
        self._judge()

    def _lose(self, name: str, node: str) -> None:
        gone = self._providers[name].pop(node)
        if not self._providers[name]:
            del self._providers[name]
        gone.end()

    def _hooks_of(self, name: str) -> list[SetUp]:
        return self._hooks.get(name, [])

    def _turned(self, before: Service | None, after: Service | None) -> None:
        """Tell that a provider counts, counts no more, or says something else."""
        if before is None and after is not None:
            self._say("service_up", ServiceUp(after.name, after.node, after.info))
        elif before is not None and after is None:
            self._say("service_down", ServiceDown(before.name, before.node))
        elif after is not None and before is not after:
            event = ServiceChanged(after.name, after.node, after.info)
            self._say("service_changed", event)
        self._judge()

    def _say(self, kind: str, event: ServiceUp | ServiceChanged | ServiceDown) -> None:
        log(logger, logging.INFO, kind, service=event.name, peer=event.peer)
        self._runtime.notify(event)

    def _judge(self) -> None:
        """Tell whether all is there that is needed, once for each change."""
        missing = self.missing
        if not missing:
            self._waiting.unpark_all()
        if self._hooks and self._was_ready == bool(missing):
            self._was_ready = not missing
            if missing:
                told = {"missing": ",".join(missing)}
                log(logger, logging.WARNING, "services_not_ready", **told)
                self._runtime.notify(ServicesNotReady(missing))
            else:
                log(logger, logging.INFO, "services_ready")
                self._runtime.notify(ServicesReady())


def checked(name: object) -> str:
    """Return the name of a service.

    Raises:
        ConfigError: It is none.
    """
    if name is None or name == "":
        raise ConfigError("a service is advertised and needed by a name")
    name = check_name(name, "service name")
    if len(name) > MOST_NAME:
        raise ConfigError(f"service name {name!r:.40}… is over {MOST_NAME} characters")
    return name


def _is_name(name: str) -> bool:
    try:
        checked(name)
    except ConfigError:
        return False
    return True


def _read(value: Any) -> tuple[Any, int] | None:
    """Return what a node says of a service, and its life; None if it says nothing.

    Fields of a later version, behind those that are known, are allowed.
    """
    if isinstance(value, list) and len(value) >= FIELDS and type(value[1]) is int:
        return value[0], value[1]
    return None
