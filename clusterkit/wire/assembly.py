"""Putting large records together again, within bounds.

A piece is acknowledged once it is here, so what is here lives as long as the
conversation does, across connections. A peer can have no more under way than
the largest message it may send, which it knows; more is against the protocol.
All peers of a node share one `Room`, which they cannot know: a record that
finds no room there is refused, and its pieces are let go; so is one that has not
moved for long, where another needs its room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.bulk import MOST_UNDER_WAY
from clusterkit.wire.frame import LONGEST, array_header

if TYPE_CHECKING:
    from clusterkit.wire.messages import Record

LEAST_PIECE: Final = 4096
"""Bytes that every piece but the last has at least: a large record in tiny ones
would cost many times its size."""


STALE: Final = 30.0
"""Seconds without a piece after which a record loses its room to one that finds
none. Its sender may have died in the middle, and its link be kept for ever."""


class Room:
    """Bytes that the peers of one node may have under way together.

    Attributes:
        most: How many.
        taken: How many they have.
    """

    __slots__ = ("_held", "most", "taken")

    def __init__(self, most: int = LONGEST) -> None:
        self.most = most
        self.taken = 0
        # Whoever had a piece last is last.
        self._held: dict[_Partial, None] = {}

    def __repr__(self) -> str:
        return f"<Room {self.taken} of {self.most} bytes>"

    def take(self, partial: _Partial, now: float) -> bool:
        """Give a record its room; say whether there is any. One always fits."""
        while self.taken and self.taken + partial.size > self.most:
            oldest = next(iter(self._held))
            if now < oldest.moved + STALE:
                return False
            self.give_back(oldest)
            oldest.refuse()
        self.taken += partial.size
        self._held[partial] = None
        return True

    def note(self, partial: _Partial, now: float) -> None:
        """Note that a record has moved."""
        del self._held[partial]
        self._held[partial] = None
        partial.moved = now

    def give_back(self, partial: _Partial) -> None:
        """Take back the room of a record."""
        del self._held[partial]
        self.taken -= partial.size


class Whole(NamedTuple):
    """A record that is complete: its bytes, behind the header of an array of one."""

    data: bytearray


class NoRoom(NamedTuple):
    """A record that was refused: its kind, and what it is about."""

    kind: int
    about: int | str | None


class _Partial:
    """One record under way."""

    __slots__ = ("_what", "data", "moved", "refused", "rest", "size", "untold")

    def __init__(self, size: int, what: NoRoom, now: float) -> None:
        self.size = self.rest = size
        self.moved = now
        self.refused = False
        self.untold: NoRoom | None = None
        self._what = what
        # It grows with what has come. Joining the pieces in the end would be one
        # long step, for which all else waits.
        self.data = bytearray(array_header(1))

    def refuse(self) -> None:
        """Let go of what is here; its peer is told with the next piece."""
        self.refused, self.untold = True, self._what
        self.data = bytearray()


class Assembly:
    """The large records of one incoming conversation.

    Args:
        room: What all peers share.
    """

    __slots__ = ("_partials", "_under_way", "room")

    def __init__(self, room: Room) -> None:
        self.room = room
        self._partials: dict[int, _Partial] = {}
        self._under_way = 0

    def __repr__(self) -> str:
        return f"<Assembly records={len(self._partials)} bytes={self._under_way}>"

    def take(
        self, piece: Record, max_message: int, now: float
    ) -> Whole | NoRoom | None:
        """Take a Fragment; return what it brought about, None if more is to come.

        Args:
            piece: Well formed.
            max_message: The largest record, and the most under way.
            now: The time, in seconds.

        Raises:
            ProtocolError: The piece fits nothing, or there is too much.
        """
        number, rest, part = piece[m.FRAGMENT_ID], piece[m.REST], piece[m.PART]
        partial = self._partials.get(number)
        if rest == m.TAKEN_BACK:
            if partial is not None:
                self._drop(number, partial)
            return None
        if rest < 0 or len(part) < (LEAST_PIECE if rest else 1):
            raise ProtocolError("a piece of no sense")
        if partial is None:
            partial = self._begin(piece, rest + len(part), max_message, now)
        if partial.rest != rest + len(part):
            raise ProtocolError("a piece that does not go on where the last ended")
        partial.rest = rest
        no_room, partial.untold = partial.untold, None
        if not partial.refused:
            partial.data += part
            self.room.note(partial, now)
        if rest:
            return no_room
        self._drop(number, partial)
        return no_room if partial.refused else Whole(partial.data)

    def clear(self) -> None:
        """Forget everything: the conversation is over."""
        for number, partial in list(self._partials.items()):
            self._drop(number, partial)

    def _begin(
        self, piece: Record, size: int, max_message: int, now: float
    ) -> _Partial:
        if len(piece) <= m.WHOLE_ABOUT:
            raise ProtocolError("a piece of an unknown record")
        kind: Any = piece[m.WHOLE_KIND]
        about: Any = piece[m.WHOLE_ABOUT]
        if type(kind) is not int or type(about) not in m.LARGE.get(kind, ()):
            raise ProtocolError("a piece of a record that does not come in pieces")
        if self._under_way + size > max_message or (
            len(self._partials) >= MOST_UNDER_WAY
        ):
            raise ProtocolError("more in pieces than may be under way", "size")
        partial = _Partial(size, NoRoom(kind, about), now)
        if not self.room.take(partial, now):
            partial.refuse()
        self._partials[piece[m.FRAGMENT_ID]] = partial
        self._under_way += size
        return partial

    def _drop(self, number: int, partial: _Partial) -> None:
        del self._partials[number]
        self._under_way -= partial.size
        if not partial.refused:
            self.room.give_back(partial)
