"""Putting large records together again, within bounds.

A piece is acknowledged once it is here, so what is here lives as long as the
conversation does, across connections. A peer can have no more under way than
the largest message it may send, which it knows; more is against the protocol.
All peers of a node share one `Room`, which they cannot know: a record that
finds no room there is refused, and its pieces are let go.
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


class Room:
    """Bytes that the peers of one node may have under way together.

    Attributes:
        most: How many.
        taken: How many they have.
    """

    __slots__ = ("most", "taken")

    def __init__(self, most: int = LONGEST) -> None:
        self.most = most
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Room {self.taken} of {self.most} bytes>"

    def take(self, size: int) -> bool:
        """Take `size` bytes; say whether they were there. One record always fits."""
        if self.taken and self.taken + size > self.most:
            return False
        self.taken += size
        return True


class Whole(NamedTuple):
    """A record that is complete: its bytes, behind the header of an array of one."""

    data: bytearray


class NoRoom(NamedTuple):
    """A record that was refused: its kind, and what it is about."""

    kind: int
    about: int | str | None


class _Partial:
    """One record under way."""

    __slots__ = ("data", "refused", "rest", "size")

    def __init__(self, size: int, *, refused: bool) -> None:
        self.size = self.rest = size
        self.refused = refused
        # It grows with what has come. Joining the pieces in the end would be one
        # long step, for which all else waits.
        self.data = bytearray(array_header(1))


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

    def take(self, piece: Record, max_message: int) -> Whole | NoRoom | None:
        """Take a Fragment; return what it brought about, None if more is to come.

        Args:
            piece: Well formed.
            max_message: The largest record, and the most under way.

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
        no_room = None
        if partial is None:
            partial, no_room = self._begin(piece, rest + len(part), max_message)
        if partial.rest != rest + len(part):
            raise ProtocolError("a piece that does not go on where the last ended")
        partial.rest = rest
        if not partial.refused:
            partial.data += part
        if rest:
            return no_room
        self._drop(number, partial)
        return no_room if partial.refused else Whole(partial.data)

    def clear(self) -> None:
        """Forget everything: the conversation is over."""
        for number, partial in list(self._partials.items()):
            self._drop(number, partial)

    def _begin(
        self, piece: Record, size: int, max_message: int
    ) -> tuple[_Partial, NoRoom | None]:
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
        refused = not self.room.take(size)
        partial = _Partial(size, refused=refused)
        self._partials[piece[m.FRAGMENT_ID]] = partial
        self._under_way += size
        return partial, NoRoom(kind, about) if refused else None

    def _drop(self, number: int, partial: _Partial) -> None:
        del self._partials[number]
        self._under_way -= partial.size
        if not partial.refused:
            self.room.taken -= partial.size
