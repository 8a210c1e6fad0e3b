"""What waits to be sent to one peer, in order and within bounds.

The outbox outlives connections. An entry gets its record number only when it
is put into a frame, so what is still here can be taken back for nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from clusterkit.wire.messages import CALL, CAST, MONITOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RawEntry = tuple[bytes, int, "int | str | None"]


class Entry(NamedTuple):
    """One encoded record with what is needed to account for it.

    On the hot path it is a plain tuple (`RawEntry`); the fields are for
    reading.
    """

    data: bytes
    kind: int
    about: int | str | None
    """Call: its id. Cast: the actor. Otherwise what its kind needs, or None."""


GOES_ON: Final = frozenset({CALL, CAST, MONITOR})
"""What of the unsent still makes sense to a peer that has been restarted."""

_GONE: Final[RawEntry] = (b"", 0, None)  # keeps the place of a removed entry


class Outbox:
    """A FIFO of entries, each known by its ticket: 1 for the first ever put.

    Attributes:
        bytes: Encoded bytes waiting.
        dropped: Casts that the drop-oldest policy has thrown away.
        queue: What waits, with places that stand for removed entries.
        taken: Ticket of the newest entry that has left.
        on_room: Called after entries have left, sent or taken back, while
            somebody waits for it.
    """

    __slots__ = ("_gone", "bytes", "dropped", "on_room", "queue", "taken")

    def __init__(self) -> None:
        self.queue: deque[RawEntry] = deque()
        self._gone = 0
        self.bytes = 0
        self.dropped = 0
        self.taken = 0
        self.on_room: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self.queue) - self._gone

    def __repr__(self) -> str:
        return f"<Outbox messages={len(self)} bytes={self.bytes}>"

    def append(self, data: bytes, kind: int, about: int | str | None) -> int:
        """Queue an entry; return its ticket, for `withdraw`."""
        self.queue.append((data, kind, about))
        self.bytes += len(data)
        return self.taken + len(self.queue)

    def withdraw(self, ticket: int) -> bool:
        """Take back an entry that was not sent.

        Returns:
            Whether it was still here; False means it has left.
        """
        index = ticket - self.taken - 1
        if index < 0 or self.queue[index] is _GONE:
            return False
        self._erase(index)
        self._tidy()
        return True

    def take(self, max_bytes: int, max_records: int) -> tuple[list[RawEntry], int]:
        """Remove and return the entries for one frame, and their bytes.

        At least one is returned if there is one and `max_records` allows,
        however large it is.
        """
        queue = self.queue
        if self.bytes <= max_bytes and len(queue) <= max_records and not self._gone:
            entries, size = list(queue), self.bytes
            queue.clear()
            self.taken += len(entries)
            self.bytes = 0
        else:
            entries, size = self._take_some(max_bytes, max_records)
        if self.on_room is not None:
            self.on_room()
        return entries, size

    def _take_some(
        self, max_bytes: int, max_records: int
    ) -> tuple[list[RawEntry], int]:
        entries: list[RawEntry] = []
        size = 0
        while self.queue and len(entries) < max_records:
            length = len(self.queue[0][0])
            if entries and size + length > max_bytes:
                break
            entries.append(self.queue.popleft())
            self.taken += 1
            size += length
            self._trim()
        self.bytes -= size
        return entries, size

    def remove(self, unwanted: Callable[[RawEntry], bool]) -> list[Entry]:
        """Remove and return every entry that is `unwanted`."""
        found = [
            (index, Entry(*entry))
            for index, entry in self._entries()
            if unwanted(entry)
        ]
        for index, _ in found:
            self._erase(index)
        self._tidy()
        return [entry for _, entry in found]

    def drop_oldest_cast(self) -> Entry | None:
        """Remove the oldest cast and count it; None if there is none."""
        for index, entry in self._entries():
            if entry[1] == CAST:
                self._erase(index)
                self._tidy()
                self.dropped += 1
                return Entry(*entry)
        return None

    def __iter__(self) -> Iterator[Entry]:
        return (Entry(*entry) for _, entry in self._entries())

    def _entries(self) -> Iterator[tuple[int, RawEntry]]:
        return (pair for pair in enumerate(self.queue) if pair[1] is not _GONE)

    def _erase(self, index: int) -> None:
        # The place stays, so that tickets keep counting places.
        self.bytes -= len(self.queue[index][0])
        self.queue[index] = _GONE
        self._gone += 1

    def _tidy(self) -> None:
        self._trim()
        if self.on_room is not None:
            self.on_room()

    def _trim(self) -> None:
        while self._gone and self.queue[0] is _GONE:
            self.queue.popleft()
            self._gone -= 1
            self.taken += 1
