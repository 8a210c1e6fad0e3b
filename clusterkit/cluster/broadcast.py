"""Events to subscribers, each with a bounded buffer of its own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeGuard, TypeVar, overload

import trio

from clusterkit.errors import ConfigError
from clusterkit.events import Event, EventsLost

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


class Events(Generic[E_co]):
    """One subscription: `async with node.events(LinkUp) as events: async for …`.

    Events are kept from entering the block to leaving it. A subscriber that
    falls more than `event_buffer` behind loses the oldest, and is told how
    many by an `EventsLost` in their place, whatever kinds it asked for. The
    iteration ends when the node has ended.
    """

    def __init__(
        self, broadcast: Broadcast, kinds: tuple[type[E_co], ...], size: int
    ) -> None:
        self._broadcast = broadcast
        self._kinds = kinds
        self._size = size
        self._waiting: deque[E_co] = deque()
        self._lost = 0
        self._lot = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> Self:
        self._broadcast.subscribe(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._broadcast.unsubscribe(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E_co | EventsLost:
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._waiting:
            if self._broadcast.closed:
                raise StopAsyncIteration
            await self._lot.park()
        if self._lost:
            lost, self._lost = self._lost, 0
            return EventsLost(lost)
        return self._waiting.popleft()

    def put(self, event: Event) -> None:
        """Keep an event, if it is of a kind that was asked for."""
        if not _is_of(event, self._kinds):
            return
        if len(self._waiting) >= self._size:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(event)
        self._lot.unpark()

    def wake(self) -> None:
        """Have everybody who waits look again."""
        self._lot.unpark_all()


def _check_kind(kind: object) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise ConfigError(f"a kind of event is a class, not {kind!r:.100}")


def _is_of(event: Event, kinds: tuple[type[E_co], ...]) -> TypeGuard[E_co]:
    return isinstance(event, kinds)


class Broadcast:
    """All subscriptions of one node.

    Attributes:
        closed: Whether the node has ended: there will be no more events.
    """

    def __init__(self, size: int) -> None:
        self.closed = False
        self._size = size
        self._subscribers: dict[Events[Event], None] = {}

    @overload
    def events(self) -> Events[Event]: ...
    @overload
    def events(self, *kinds: type[E]) -> Events[E]: ...
    def events(self, *kinds: type[Event]) -> Events[Event]:
        """Return a subscription to events of `kinds`, all if none are given.

        Raises:
            ConfigError: One is no kind of event. Unchecked it would be found
                out by whoever publishes, which ends the node.
        """
        for kind in kinds:
            _check_kind(kind)
        return Events(self, kinds or (Event,), self._size)

    def publish(self, event: Event) -> None:
        """Give an event to every subscriber."""
        for subscriber in list(self._subscribers):
            subscriber.put(event)

    def close(self) -> None:
        """End all subscriptions, after what they still hold."""
        self.closed = True
        for subscriber in list(self._subscribers):
            subscriber.wake()

    def subscribe(self, subscriber: Events[Event]) -> None:
        """Begin to keep events for a subscription."""
        self._subscribers[subscriber] = None

    def unsubscribe(self, subscriber: Events[Event]) -> None:
        """Stop keeping events for it."""
        self._subscribers.pop(subscriber, None)
