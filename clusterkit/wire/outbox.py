"""What waits to be sent to one peer: three lanes, each in order, within bounds.

*Control* comes first: what keeps others from sending in vain. Then the *line*,
nearly everything. Then *bulk* (`wire/bulk.py`): large records in pieces,
streams, and what has to stay behind them; it takes turns with the line, so
neither starves.

The outbox outlives connections. An entry gets its record number only when it
is put into a frame, so what is still here can be taken back for nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgpack

from clusterkit.wire.bulk import MOST_WHOLE, Bulk, Entry, RawEntry
from clusterkit.wire.frame import LONGEST
from clusterkit.wire.messages import (
    CALL,
    CAST,
    CHOKE,
    DOWN,
    FRAGMENT,
    MONITOR,
    REFUSED,
    TAKEN_BACK,
    UNCHOKE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

__all__ = ["CONTROL", "GOES_ON", "Entry", "Outbox", "RawEntry"]

GOES_ON: Final = frozenset({CALL, CAST, MONITOR})
"""What of the unsent still makes sense to a peer that has been restarted."""

CONTROL: Final = frozenset({CHOKE, UNCHOKE, REFUSED})
"""Kinds that overtake all others."""

_GONE: Final[RawEntry] = (b"", 0, None)  # keeps the place of a removed entry


class Outbox:
    """Entries for one peer, each known by its ticket.

    Tickets of the line count up from 1, those of the bulk lane down from -1;
    0 is of what cannot be taken back.

    Attributes:
        bytes: Encoded bytes waiting in the line and the control lane.
        bulk_bytes: Encoded bytes waiting in the bulk lane.
        dropped: Casts that the drop-oldest policy has thrown away.
        control: The control lane.
        queue: The line, with places that stand for removed entries.
        taken: Ticket of the newest entry of the line that has left.
        bulk: The bulk lane, None while nothing is in it.
        most_under_way: Bytes of large records that the peer puts together at
            once.
        on_room: Called after entries have left, sent or taken back, while
            somebody waits for it.
    """

    __slots__ = (
        "_bulks_turn",
        "_gone",
        "_last_bulk",
        "_most_under_way",
        "bulk",
        "bulk_bytes",
        "bytes",
        "control",
        "dropped",
        "on_room",
        "queue",
        "taken",
    )

    def __init__(self) -> None:
        self.queue: deque[RawEntry] = deque()
        self._gone = 0
        self.control: list[RawEntry] = []
        self.bulk: Bulk | None = None
        self._last_bulk = 0
        self._bulks_turn = False
        self._most_under_way = LONGEST
        self.bytes = self.bulk_bytes = 0
        self.dropped = 0
        self.taken = 0
        self.on_room: Callable[[], None] | None = None

    def __len__(self) -> int:
        bulk = 0 if self.bulk is None else len(self.bulk)
        return len(self.queue) - self._gone + len(self.control) + bulk

    def __repr__(self) -> str:
        return f"<Outbox messages={len(self)} bytes={self.bytes + self.bulk_bytes}>"

    @property
    def most_under_way(self) -> int:
        """Bytes of large records that may be under way at once."""
        return self._most_under_way

    @most_under_way.setter
    def most_under_way(self, most: int) -> None:
        self._most_under_way = most
        if self.bulk is not None:
            self.bulk.most = most

    def append(
        self, data: bytes, kind: int, about: int | str | None, flow: Hashable = None
    ) -> int:
        """Queue an entry, in the lane it belongs to.

        Args:
            data: The encoded record.
            kind: Its kind.
            about: See `Entry`.
            flow: What it must stay in order with, if that is large; None if
                with nothing.

        Returns:
            Its ticket, for `withdraw` and `has_left`.
        """
        if self.bulk is not None or len(data) > MOST_WHOLE:
            return self._append_beside(Entry(data, kind, about), flow)
        self.queue.append((data, kind, about))
        self.bytes += len(data)
        return self.taken + len(self.queue)

    def append_control(self, data: bytes, kind: int) -> None:
        """Queue an entry before all others but its like."""
        self.control.append((data, kind, None))
        self.bytes += len(data)

    def append_bulk(
        self, data: bytes, kind: int, about: int | str | None, flow: Hashable
    ) -> int:
        """Queue an entry in the bulk lane, whatever its size.

        Args:
            data: The encoded record.
            kind: Its kind.
            about: See `Entry`.
            flow: What it stays in order with.

        Returns:
            Its ticket.
        """
        return self._put(Entry(data, kind, about), flow)

    def _append_beside(self, entry: Entry, flow: Hashable) -> int:
        """Queue an entry that is large, or meets others that are."""
        bulk = self.bulk
        if len(entry.data) > MOST_WHOLE or (bulk is not None and bulk.holds(flow)):
            return self._put(entry, flow)
        if bulk is not None and entry.kind == DOWN:
            self._last_bulk += 1
            bulk.put_barrier(self._last_bulk, entry)
            self.bulk_bytes += len(entry.data)
            return 0
        self.queue.append(entry)
        self.bytes += len(entry.data)
        return self.taken + len(self.queue)

    def _put(self, entry: Entry, flow: Hashable) -> int:
        if self.bulk is None:
            self.bulk = Bulk(self._most_under_way)
        self._last_bulk = number = self._last_bulk + 1
        behind = self.taken + len(self.queue)
        self.bulk.put(number, entry, number if flow is None else flow, behind)
        self.bulk_bytes += len(entry.data)
        return -number

    def withdraw(self, ticket: int) -> bool:
        """Take back an entry that was not sent, or only in part.

        Returns:
            Whether it was still here; False means it has left.
        """
        if ticket < 0:
            return self._withdraw_bulk(-ticket) is not None
        index = ticket - self.taken - 1
        if index < 0 or self.queue[index] is _GONE:
            return False
        self._erase(index)
        self._tidy()
        return True

    def has_left(self, ticket: int) -> bool:
        """Say whether an entry that was not taken back has been sent, all of it."""
        if ticket < 0:
            return self.bulk is None or -ticket not in self.bulk
        return ticket <= self.taken

    def take(
        self, max_bytes: int, max_records: int, *, bulk: bool = True
    ) -> tuple[list[RawEntry], int]:
        """Remove and return the entries for one frame, and their bytes.

        At least one is returned if there is one and `max_records` allows,
        however large it is.

        Args:
            max_bytes: How much of the line, or of bulk, goes into a frame.
            max_records: Most entries.
            bulk: Whether the bulk lane may send now.
        """
        queue = self.queue
        if self.control or self.bulk is not None:
            entries, size = self._take_by_lane(max_bytes, max_records, bulk=bulk)
        elif self.bytes <= max_bytes and len(queue) <= max_records and not self._gone:
            entries, size = list(queue), self.bytes
            queue.clear()
            self.taken += len(entries)
            self.bytes = 0
        else:
            entries, size = self._take_some(max_bytes, max_records)
        if self.on_room is not None:
            self.on_room()
        return entries, size

    def _take_by_lane(
        self, max_bytes: int, max_records: int, *, bulk: bool
    ) -> tuple[list[RawEntry], int]:
        entries, size = self._take_control(max_bytes, max_records)
        max_records -= len(entries)
        if bulk and (self._bulks_turn or not self.queue):
            self._bulks_turn = False
            if more := self._take_bulk(max_bytes, max_records):
                # Pieces are longer than what waited.
                return entries + more, size + sum(len(entry[0]) for entry in more)
        self._bulks_turn = True
        more, length = self._take_some(max_bytes - size, max_records)
        return entries + more, size + length

    def _take_control(
        self, max_bytes: int, max_records: int
    ) -> tuple[list[RawEntry], int]:
        size = count = 0
        for data, *_ in self.control[:max_records]:
            if count and size + len(data) > max_bytes:
                break
            size += len(data)
            count += 1
        entries, self.control = self.control[:count], self.control[count:]
        self.bytes -= size
        return entries, size

    def _take_bulk(self, max_bytes: int, max_records: int) -> list[RawEntry]:
        if self.bulk is None:
            return []
        entries, waited = self.bulk.take(max_bytes, max_records, self.taken)
        self.bulk_bytes -= waited
        self._release()
        return entries

    def _release(self) -> None:
        """Let go of barriers that nothing is left before, and of an empty lane."""
        bulk = self.bulk
        if bulk is None:
            return
        for entry in bulk.released():
            self.queue.append(entry)
            self.bytes += len(entry[0])
            self.bulk_bytes -= len(entry[0])
        if not len(bulk):
            self.bulk = None

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
        found = self._remove_bulk(unwanted)
        for entry in self.control:
            if unwanted(entry):
                found.append(Entry(*entry))
                self.bytes -= len(entry[0])
        self.control = [entry for entry in self.control if not unwanted(entry)]
        for index, entry in list(self._entries()):
            if unwanted(entry):
                found.append(Entry(*entry))
                self._erase(index)
        self._tidy()
        return found

    def _remove_bulk(self, unwanted: Callable[[RawEntry], bool]) -> list[Entry]:
        bulk = self.bulk
        if bulk is None:
            return []
        barriers = bulk.barriers(unwanted)
        self.bulk_bytes -= sum(len(entry.data) for entry in barriers)
        found = [waiting for waiting in bulk if unwanted(waiting.entry)]
        for waiting in found:
            self._withdraw_bulk(waiting.id)
        self._release()
        return [waiting.entry for waiting in found] + barriers

    def _withdraw_bulk(self, id: int) -> Entry | None:
        waiting = None if self.bulk is None else self.bulk.withdraw(id)
        if waiting is None:
            return None
        self.bulk_bytes -= len(waiting.entry.data) - waiting.sent
        if waiting.sent:  # the receiver keeps what it has until it hears of this
            data = msgpack.packb([FRAGMENT, waiting.id, TAKEN_BACK, b""])
            self.append_control(data, FRAGMENT)
        self._release()
        if self.on_room is not None:
            self.on_room()
        return waiting.entry

    def start_anew(self) -> None:
        """Send large records from their first byte: the receiver has lost the rest."""
        if self.bulk is not None:
            self.bulk_bytes += self.bulk.start_anew()
        stale = [entry for entry in self.control if entry[1] == FRAGMENT]
        self.control = [entry for entry in self.control if entry[1] != FRAGMENT]
        self.bytes -= sum(len(entry[0]) for entry in stale)

    def drop_oldest_cast(self) -> Entry | None:
        """Remove the oldest cast and count it; None if there is none."""
        line = next((pair for pair in self._entries() if pair[1][1] == CAST), None)
        waiting = next(
            (w for w in self.bulk or () if w.entry.kind == CAST and not w.sent), None
        )
        if waiting is not None and (
            line is None or waiting.behind <= self.taken + line[0]
        ):
            self._withdraw_bulk(waiting.id)
            self.dropped += 1
            return waiting.entry
        if line is None:
            return None
        self._erase(line[0])
        self._tidy()
        self.dropped += 1
        return Entry(*line[1])

    def __iter__(self) -> Iterator[Entry]:
        yield from (Entry(*entry) for entry in self.control)
        yield from (Entry(*entry) for _, entry in self._entries())
        if self.bulk is not None:
            yield from (waiting.entry for waiting in self.bulk)

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
