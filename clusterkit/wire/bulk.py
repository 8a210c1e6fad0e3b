"""The bulk lane: large records in pieces, and what must not overtake them.

A record of more than `MOST_WHOLE` bytes leaves in pieces, one per frame at most, so
that what is small passes between them. Records that have to stay in order make
a *flow* (all for one actor, say): a flow is first in, first out; flows take
turns. What is begun has a place at the receiver, which is bounded; so a large
record is only begun while that bound has room for it.

A *barrier* is a record that comes after everything that was here before it, of
any flow: the news that an actor has ended.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakSet

import msgpack

from clusterkit.wire.entry import Entry, Piece
from clusterkit.wire.frame import array_header, bin_header
from clusterkit.wire.messages import FRAGMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from clusterkit.wire.entry import RawEntry

MOST_WHOLE: Final = 64 * 1024
"""Bytes up to which a record travels whole, in the line with all that is small."""

PIECE: Final = 129 * 1024
"""Bytes of each piece of a larger one. Hashing one overlaps with the wire carrying
the last, and nothing small waits longer than for one. In pieces of half of that,
both ends spend a tenth more on the same bytes; and without the odd KiB a power of
two, with what is around it in a message, would end in a tiny piece of its own."""

MOST_UNDER_WAY: Final = 64
"""Large records of one conversation that may be begun and not complete."""

# One for all: a packer begins with 256 KiB.
_PACK = msgpack.Packer().pack


class Waiting:
    """One record in the lane, perhaps sent in part.

    Attributes:
        id: Names it, here and on the wire.
        entry: The whole record.
        flow: What it stays in order with.
        behind: Ticket of the newest record of the outbox's line when it came.
        placed: Whether the receiver's bound has room for it.
        sent: Bytes of it that have left.
    """

    __slots__ = ("_pieces", "behind", "entry", "flow", "id", "placed", "sent")

    def __init__(self, id: int, entry: Entry, flow: Hashable, behind: int) -> None:
        self.id = id
        self.entry = entry
        self.flow = flow
        self.behind = behind
        self.placed = False
        self.sent = 0
        # Those that somebody still keeps, in case they have to be sent again.
        self._pieces: WeakSet[Piece] = WeakSet()

    def __repr__(self) -> str:
        return f"<Waiting {self.id} {self.sent} of {len(self.entry.data)} bytes>"

    @property
    def large(self) -> bool:
        """Whether it travels in pieces."""
        return len(self.entry.data) > MOST_WHOLE

    def next_piece(self) -> RawEntry:
        """Return the record that carries the next piece.

        The last one has the kind of the whole: from then on that is sent.
        """
        data, kind, about = self.entry
        begin, end = self.sent, min(self.sent + PIECE, len(data))
        self.sent = end
        rest = len(data) - end
        head = array_header(4 if begin else 6) + _PACK(FRAGMENT) + _PACK(self.id)
        head += _PACK(rest) + bin_header(end - begin)
        tail = b"" if begin else _PACK(kind) + _PACK(about)
        whole = memoryview(cast("bytes", data))  # what waits is no piece itself
        piece = Piece(head, whole[begin:end], tail)
        self._pieces.add(piece)
        return (piece, FRAGMENT, None) if rest else (piece, kind, about)

    def let_go(self) -> None:
        """Have what has left hold nothing of the rest, which will not follow."""
        for piece in list(self._pieces):
            piece.own()
        self._pieces.clear()

    def start_anew(self) -> int:
        """Begin again at the first byte; return how many had left."""
        again, self.sent = self.sent, 0
        self._pieces.clear()
        return again


class Bulk:
    """What waits in the lane, by flow.

    Args:
        most: Bytes of large records that may be under way at once: what the
            receiver has room for. One alone may always be.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: dict[int, Waiting] = {}
        self._flows: dict[Hashable, deque[Waiting]] = {}
        # Flows whose first record may be sent, in turn; and those whose first
        # record is large and has no room yet.
        self._ready: deque[Hashable] = deque()
        self._held_up: deque[Hashable] = deque()
        self._under_way = 0
        self._begun = 0
        self._barriers: deque[tuple[int, RawEntry]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._barriers)

    def __repr__(self) -> str:
        return f"<Bulk messages={len(self)} flows={len(self._flows)}>"

    def __contains__(self, id: int) -> bool:
        """Say whether a record has not left whole."""
        return id in self._waiting

    def holds(self, flow: Hashable) -> bool:
        """Say whether something of this flow waits."""
        return flow in self._flows

    def put(self, id: int, entry: Entry, flow: Hashable, behind: int) -> None:
        """Queue a record behind the others of its flow.

        Args:
            id: Higher than any before.
            entry: The record.
            flow: What it stays in order with.
            behind: See `Waiting`.
        """
        waiting = self._waiting[id] = Waiting(id, entry, flow, behind)
        line = self._flows.get(flow)
        if line is None:
            self._flows[flow] = line = deque((waiting,))
            self._go_on(flow, line)
        else:
            line.append(waiting)

    def put_barrier(self, id: int, entry: RawEntry) -> None:
        """Keep a record until all that waits now has left; see `released`."""
        self._barriers.append((id, entry))

    def released(self) -> Iterator[RawEntry]:
        """Remove and yield the barriers that nothing is left before."""
        while self._barriers and self._oldest() > self._barriers[0][0]:
            yield self._barriers.popleft()[1]

    def take(
        self, max_bytes: int, max_records: int, gone: int
    ) -> tuple[list[RawEntry], int]:
        """Remove and return what the flow whose turn it is puts into a frame.

        That is a piece of a large record, or small ones up to the bounds; one
        at least, if `max_records` allows and anything may be sent.

        Args:
            max_bytes: How much of small ones.
            max_records: How many.
            gone: Ticket up to which the outbox's line has left: what came into
                the line before a record leaves before it.

        Returns:
            The entries, and how many bytes of what waited that were.
        """
        flow = self._next_flow(gone) if max_records > 0 else None
        if flow is None:
            return [], 0
        line = self._flows[flow]
        if line[0].large:
            entries, size = self._take_piece(line)
        else:
            entries, size = self._take_small(line, max_bytes, max_records, gone)
        self._go_on(flow, line)
        return entries, size

    def _next_flow(self, gone: int) -> Hashable | None:
        """Remove and return the flow whose turn it is, None if none may send."""
        for _ in range(len(self._ready)):
            flow = self._ready.popleft()
            if self._flows[flow][0].behind <= gone:
                return flow
            self._ready.append(flow)
        return None

    def _take_piece(self, line: deque[Waiting]) -> tuple[list[RawEntry], int]:
        first = line[0]
        before = first.sent
        piece = first.next_piece()
        if first.sent == len(first.entry.data):
            self._leave(line)
        return [piece], first.sent - before

    def _take_small(
        self, line: deque[Waiting], max_bytes: int, max_records: int, gone: int
    ) -> tuple[list[RawEntry], int]:
        entries: list[RawEntry] = []
        size = 0
        while line and len(entries) < max_records:
            first, entry = line[0], line[0].entry
            if first.large or first.behind > gone:
                break
            if entries and size + len(entry.data) > max_bytes:
                break
            entries.append(entry)
            size += len(entry.data)
            self._leave(line)
        return entries, size

    def withdraw(self, id: int) -> Waiting | None:
        """Take back a record that has not left whole; None if it has.

        If some of it has left (`sent`), the receiver has to be told.
        """
        waiting = self._waiting.get(id)
        if waiting is None:
            return None
        flow = waiting.flow
        line = self._flows[flow]
        if line[0] is waiting:
            (self._ready if flow in self._ready else self._held_up).remove(flow)
            self._leave(line)
            self._go_on(flow, line)
        else:
            line.remove(waiting)
            del self._waiting[id]
        waiting.let_go()
        return waiting

    def start_anew(self) -> int:
        """Forget what has left of records that are not whole at the receiver.

        The conversation that carried it is closed, so they go again from their
        first byte.

        Returns:
            How many bytes wait again.
        """
        return sum(line[0].start_anew() for line in self._flows.values())

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting.values()))

    def barriers(self, unwanted: Callable[[RawEntry], bool]) -> list[Entry]:
        """Remove and return the barriers that are `unwanted`."""
        found = [Entry(*entry) for _, entry in self._barriers if unwanted(entry)]
        self._barriers = deque(b for b in self._barriers if not unwanted(b[1]))
        return found

    def _oldest(self) -> float:
        return next(iter(self._waiting), float("inf"))

    def _leave(self, line: deque[Waiting]) -> None:
        """Remove the first of a flow, and give its place to others."""
        first = line.popleft()
        del self._waiting[first.id]
        if not first.placed:
            return
        self._begun -= 1
        self._under_way -= len(first.entry.data)
        while self._held_up and self._place(self._flows[self._held_up[0]][0]):
            self._ready.append(self._held_up.popleft())

    def _go_on(self, flow: Hashable, line: deque[Waiting]) -> None:
        """Let a flow stand in turn again, if there is more of it."""
        if not line:
            del self._flows[flow]
        elif not line[0].large or line[0].placed or self._place(line[0]):
            self._ready.append(flow)
        else:
            self._held_up.append(flow)

    def _place(self, first: Waiting) -> bool:
        """Find room for a large record at the receiver; say whether there is."""
        size = len(first.entry.data)
        first.placed = self._begun == 0 or (
            self._begun < MOST_UNDER_WAY and self._under_way + size <= self.most
        )
        if first.placed:
            self._begun += 1
            self._under_way += size
        return first.placed
