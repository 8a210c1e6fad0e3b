"""One direction of a stream at either end: credit, order, end, bounds.

A stream has two directions, and each has a sender and a receiver, which are an
`Outflow` and an `Inflow`. The receiver grants credit; the sender sends while it
has any. So what a sender can make its receiver keep is bounded by the window
that the receiver chose, and one chunk: the last may be larger than the credit
that was left. What is granted follows from what the application has taken, so
a slow reader holds back its own sender and nobody else.

Nothing here knows of records, links or tasks.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clusterkit.errors import StreamError, StreamOverrun

if TYPE_CHECKING:
    from clusterkit.errors import ClusterError

OPENER: Final = 0
ASKED: Final = 1
"""The sides of a stream: who opened it, and whose handler it runs."""

RAW: Final = 0
PACKED: Final = 1
"""The forms of a chunk's data: bytes, and one message in msgpack."""

CHUNK_BYTES: Final = 32 * 1024
"""Most bytes in a chunk: more that are sent at once travel in several."""

CHUNK_COST: Final = 64
"""What a chunk costs beside its bytes. Without it a window would be no bound: it
holds any number of chunks with nothing in them."""

MOST_CREDIT: Final = 2**62
"""Credit that is kept; who grants more, grants for ever."""


MOST_BEYOND: Final = 64 * 1024 * 1024
"""Bytes by which what comes by the streams of one peer may go beyond their windows
together. Of each it is the last message, whatever its size: with many streams and
large messages there would be no bound that anybody could live with."""


def about(number: int, side: int) -> int:
    """Return what the records are about that one side of a stream sends.

    Two nodes may give the same number to a stream, each as its opener.

    Args:
        number: The stream's, not negative.
        side: The sender's.
    """
    return number if side == OPENER else -1 - number


class Chunk(NamedTuple):
    """What came in one piece.

    Attributes:
        form: `RAW`, `PACKED`, or another that only its receiver knows.
        data: Bytes, or what the form says.
        size: How many bytes it counts for.
    """

    form: int
    data: Any
    size: int


class Beyond:
    """Bytes by which the streams of one peer go beyond their windows.

    Attributes:
        bytes: How many it are.
    """

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0

    def __repr__(self) -> str:
        return f"<Beyond {self.bytes} of {MOST_BEYOND} bytes>"

    def take(self, size: int) -> bool:
        """Take `size` bytes; say whether they may be. One message always may."""
        if self.bytes and self.bytes + size > MOST_BEYOND:
            return False
        self.bytes += size
        return True


class Outflow:
    """The direction that this end sends.

    Args:
        credit: What may be sent at once.

    Attributes:
        credit: What may still be sent; below 0 after a chunk that was larger.
        ended: Whether nothing more will be.
    """

    __slots__ = ("credit", "ended")

    def __init__(self, credit: int = 0) -> None:
        self.credit = min(credit, MOST_CREDIT)
        self.ended = False

    def __repr__(self) -> str:
        return f"<Outflow credit={self.credit}{' ended' if self.ended else ''}>"

    def spend(self, size: int) -> None:
        """Count a chunk of `size` bytes as sent; only while there is credit."""
        self.credit -= size + CHUNK_COST

    def grant(self, credit: int) -> bool:
        """Take credit; say whether it was any."""
        if credit <= 0:
            return False
        self.credit = min(self.credit + credit, MOST_CREDIT)
        return True

    def end(self) -> bool:
        """Send nothing more; say whether that is news."""
        news, self.ended = not self.ended, True
        return news


class Inflow:
    """The direction that the other end sends.

    Args:
        window: Most credit that the sender has at a time, in bytes.

    Attributes:
        window: As given.
        chunks: What has come and was not taken, oldest first.
        credit: What the sender may still send, as far as is known here. It
            may know of less, never of more.
        ended: Whether nothing more will come.
        error: Why the sender ended it, None if it had no more to say.
        beyond: What all streams of the peer have beyond their windows; None
            within a node.
    """

    __slots__ = (
        "_over",
        "_taken",
        "beyond",
        "chunks",
        "credit",
        "ended",
        "error",
        "window",
    )

    def __init__(self, window: int) -> None:
        self.window = window
        self.chunks: deque[Chunk] = deque()
        self.credit = 0
        self.ended = False
        self.error: ClusterError | None = None
        self.beyond: Beyond | None = None
        self._taken = self._over = 0

    def __repr__(self) -> str:
        end = " ended" if self.ended else ""
        return f"<Inflow chunks={len(self.chunks)} credit={self.credit}{end}>"

    def open(self) -> int:
        """Grant the whole window, once; return the credit."""
        self.credit += self.window
        return self.window

    def put(self, chunk: Chunk) -> bool:
        """Take a chunk in; say whether it is one of this direction.

        Returns:
            False after the end: nothing may follow it.

        Raises:
            StreamOverrun: The sender has no credit.
            StreamError: There is no room for a message so large.
        """
        if self.ended:
            return False
        if self.credit <= 0:
            raise StreamOverrun("it was sent more than it had granted credit for")
        credit = self.credit - chunk.size - CHUNK_COST
        if credit < -CHUNK_BYTES and self.beyond is not None:
            if not self.beyond.take(-credit):
                raise StreamError("too many large messages wait in streams")
            self._over -= credit
        self.credit = credit
        self.chunks.append(chunk)
        return True

    def pop(self) -> Chunk:
        """Return the oldest chunk, which the application takes now."""
        chunk = self.chunks.popleft()
        self._taken += chunk.size + CHUNK_COST
        if self._over and not self.chunks:
            self._give_back()
        return chunk

    def due(self, *, soon: bool = False) -> int:
        """Return the credit to grant now, 0 if it is too early, and count it.

        Half a window at a time: then the sender seldom waits for it, and it
        costs a record for every few chunks only.

        Args:
            soon: Grant all of what was taken, also after the end: as a sign
                that the reader goes on.
        """
        if not soon and (self.ended or 2 * self._taken < self.window):
            return 0
        credit, self._taken = self._taken, 0
        self.credit += credit
        return credit

    def end(self, error: ClusterError | None = None) -> bool:
        """Expect nothing more; say whether that is news."""
        if self.ended:
            return False
        self.ended, self.error = True, error
        return True

    def discard(self) -> None:
        """Forget what was not taken, and expect nothing more."""
        self.chunks.clear()
        self.ended = True
        self._give_back()

    def _give_back(self) -> None:
        if self.beyond is not None:
            self.beyond.bytes -= self._over
        self._over = 0
