"""What is done with the records of a frame before anybody gets them.

Their shape is checked; pieces are put together; and what holds a value that
cannot be taken is answered, or replaced, here: the session goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from clusterkit.errors import ProtocolError
from clusterkit.names import MAX_NAME
from clusterkit.wire import messages as m
from clusterkit.wire.assembly import NoRoom
from clusterkit.wire.shape import MAX_DEPTH, holds_undecodable, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clusterkit.wire.codec import Codec
    from clusterkit.wire.conversation import Conversations
    from clusterkit.wire.messages import Record

MANY: Final = 8
"""Records in a frame from which on it pays to check them all at once."""

CONTROLS: Final = 1
DEFUSING: Final = 2
PIECES: Final = 4
"""What records of a frame may need: see `needs_of`."""

MOST_REFUSALS: Final = 65_536
"""Messages that wait for a peer from which on its calls with a value that cannot
be taken are not answered any more: it does not read."""


_NO_ROOM: Final = "too many large messages are on their way"


def needs_of(records: list[Any]) -> int:
    """Check every record; say what they need beside being delivered.

    Returns:
        `CONTROLS` if some speak of the connection, `DEFUSING` if one nests too
        deep, `PIECES` if there are pieces among them; added up.

    Raises:
        ProtocolError: One is of no known kind, or has not its shape.
    """
    needs = 0
    if len(records) >= MANY and m.are_plain(records):
        return needs
    for record in records:
        if m.is_plain(record):
            continue
        if not m.well_formed(record):
            raise ProtocolError("a record of unknown kind or shape")
        kind = record[0]
        if kind >= m.UNNUMBERED:
            needs |= CONTROLS
        elif kind == m.FRAGMENT:
            needs |= PIECES
        elif _is_deep(record):
            needs |= DEFUSING
    return needs


class Intake:
    """Takes the records of a peer that are not plain.

    Args:
        conversations: The link's.
        codec: Decodes large records once they are whole.
        max_message: The largest record, in bytes.
    """

    __slots__ = ("_codec", "_max_message", "_talk")

    def __init__(
        self, conversations: Conversations, codec: Codec, max_message: int
    ) -> None:
        self._talk = conversations
        self._codec = codec
        self._max_message = max_message

    def __repr__(self) -> str:
        return f"<Intake {self._talk.assembly!r}>"

    def put_together(
        self, records: list[Record], size: int, now: float
    ) -> Iterator[tuple[list[Record], int]]:
        """Take a frame of `size` bytes with pieces in it, which came `now`.

        Yields:
            Each record that is complete, and its size.

        Raises:
            ProtocolError: A piece, or a record of pieces, is none that may come.
        """
        for record in records:
            taken, length = [record], size // len(records)
            if record[0] == m.FRAGMENT:
                taken, length = self._take_piece(record, now)
            else:
                taken = self.defuse(taken)
            self._talk.received += 1
            if taken:
                yield taken, length

    def defuse(self, records: list[Record]) -> list[Record]:
        """Return what may be delivered of records, one of which may not."""
        return [r for r in map(self._defused, records) if r is not None]

    def _take_piece(self, piece: Record, now: float) -> tuple[list[Record], int]:
        """Return what a piece brings about, and its size."""
        made = self._talk.assembly.take(piece, self._max_message, now)
        if made is None:
            return [], 0
        if isinstance(made, NoRoom):
            return [[m.CROWDED, *made], *self._refuse(made)], 0
        records = self._codec.decode(made.data)
        self._codec.take_undecodable()  # `_defused` looks for itself
        record = records[0]
        if not m.well_formed(record) or record[0] not in m.LARGE:
            raise ProtocolError("pieces of no record")
        return self.defuse([record]), len(made.data) - 1

    def _refuse(self, large: NoRoom) -> list[Record]:
        """Refuse a record that there is no room for.

        Returns:
            What ends the call or the stream here that it would have gone on
            with, nothing if it was to begin something.
        """
        kind, about = large
        if kind in (m.REPLY, m.FAULT):  # the handler has run
            return [[m.FAULT, about, "fault", ["NoRoom", _NO_ROOM]]]
        if kind in m.OF_STREAMS:
            return [self._end_stream(about)]
        if kind == m.CAST:
            self._tell_refused(about)
        else:
            self._answer([m.FAULT, about, "busy", [_NO_ROOM]])
        return []

    def _end_stream(self, about: Any) -> Record:
        """End a stream at both ends: something of it is missing."""
        if about < 0:  # from who was asked
            number = -1 - about
            self._talk.outbox.append(msgpack.packb([m.CANCEL, number]), m.CANCEL, None)
            return [m.FAULT, number, "stream", [_NO_ROOM]]
        self._answer([m.FAULT, about, "stream", [_NO_ROOM]])
        return [m.CANCEL, about]

    def _tell_refused(self, actor: Any) -> None:
        """Tell the peer of a cast, unless it reads nothing, or no actor's name is so."""
        outbox = self._talk.outbox
        if len(actor) <= MAX_NAME + 1 and len(outbox) < MOST_REFUSALS:
            refused = msgpack.packb([m.REFUSED, actor, 1])
            outbox.append_control(refused, m.REFUSED)

    def _answer(self, fault: Record) -> None:
        """Send a Fault, unless the peer reads none."""
        if len(self._talk.outbox) < MOST_REFUSALS:
            self._talk.outbox.append(msgpack.packb(fault), m.FAULT, fault[m.ANSWERS])

    def _defused(self, record: Record) -> Record | None:
        """Answer or replace a record with a value that cannot be taken."""
        reason = _objection(record)
        if reason is None:
            return record
        if record[0] in m.ASKS:
            self._answer([m.FAULT, record[m.CALL_ID], "badarg", [reason]])
            return None
        if record[0] in (m.REPLY, m.FAULT):
            # The call has ended, and its caller must learn of it.
            return [m.FAULT, record[m.ANSWERS], "fault", ["Undecodable", reason]]
        if record[0] == m.END:  # so has what its sender sends
            return [*record[: m.END_CODE], "fault", ["Undecodable", reason]]
        return [m.UNTAKEN, record[m.ACTOR]]


def _is_deep(record: Record) -> bool:
    """Say whether a well-formed record holds a value that nests too deep."""
    if not _holds_arguments(record):
        return too_deep(record)
    kwargs = record[m.KWARGS]
    return too_deep(record[m.ARGS]) or bool(kwargs and too_deep(kwargs))


def _holds_arguments(record: Record) -> bool:
    """Say whether what a record holds is one level further in: in args and kwargs."""
    kind: int = record[0]
    return kind <= m.CAST or kind == m.OPEN


def _objection(record: Record) -> str | None:
    """Say why a record cannot be taken, None if it can.

    What follows the fields that are known is not looked at: a later version
    may have values there that this one cannot build.
    """
    fields = record[: len(m.FIELDS[record[0]]) + 1]
    # Args and kwargs hold values, the others are values.
    if too_deep(fields, MAX_DEPTH + _holds_arguments(record)):
        return f"nested deeper than {MAX_DEPTH}"
    bad = holds_undecodable(fields)
    return None if bad is None else bad.reason
