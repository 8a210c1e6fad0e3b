"""One authenticated connection's life: bytes in, records out; entries in, bytes out.

A session is born when the handshake is done and dies with its connection. It
owns the frame counters and the timers of the connection; the conversations
that it carries belong to the link and go on in the next session. It holds no
socket and no clock: the shell above feeds it bytes and the time.

What the shell promises: it delivers every batch that `receive_data` yields
before it asks for the next (a record is acknowledged once it was yielded), and
it sends the frames of `next_frame` in order, each whole.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import msgpack

from clusterkit.errors import ProtocolError
from clusterkit.frozen import frozen
from clusterkit.wire import messages as m
from clusterkit.wire.entry import Piece
from clusterkit.wire.frame import HEADER, SEALED_OVERHEAD, FrameReader, array_header
from clusterkit.wire.intake import CONTROLS, DEFUSING, PIECES, Intake, needs_of
from clusterkit.wire.seal import TAG_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clusterkit.wire.codec import Codec
    from clusterkit.wire.conversation import Conversations
    from clusterkit.wire.entry import RawEntry
    from clusterkit.wire.messages import Record
    from clusterkit.wire.seal import Sealer

BATCH_BYTES: Final = 64 * 1024
"""Records are gathered into frames up to this size, so that hashing one frame
overlaps with the wire carrying the last."""

FRAME_LIMIT: Final = 256 * 1024
"""The longest frame of a session, in bytes after its length. Ours are of little
more than `bulk.PIECE`, or of `BATCH_BYTES`, with what overtakes twice that."""

FEW: Final = 4
SMALL: Final = 16 * 1024
"""A frame of a few parts of which the last is not small, and one with a `Piece`, is
hashed part by part, and copied once; to join the parts first is faster for others."""

_BODY_AT = HEADER.size


@frozen(kw_only=True)
class Limits:
    """The bounds of a session; see `Config` for what each means."""

    max_message: int
    window_bytes: int
    window_records: int
    ack_delay: float
    ack_bytes: int
    ping_after: float
    dead_after: float
    frame_timeout: float


class Session:
    """An authenticated connection carrying a peer's conversations.

    Args:
        conversations: The link's; shared with the sessions before and after.
        codec: Decodes records.
        sealers: For sending and for receiving.
        limits: Bounds and times.
        now: The time, in seconds of the shell's monotonic clock.
        speaks_first: Whether this side is the dialer. The listener sends no
            numbered record before the dialer's first frame: a cut in between
            would lose what both sides believe was given.

    Attributes:
        heard: When the last byte came.
        active: When the last numbered record came or went.
        peer_left: Whether the peer said Bye.
    """

    def __init__(
        self,
        conversations: Conversations,
        codec: Codec,
        sealers: tuple[Sealer, Sealer],
        limits: Limits,
        now: float,
        *,
        speaks_first: bool,
    ) -> None:
        self._talk = conversations
        self._codec = codec
        self._send_seal, self._receive_seal = sealers
        self._limits = limits
        self._intake = Intake(conversations, codec, limits.max_message)
        self._reader = FrameReader(FRAME_LIMIT)
        # When the frame began that has not come whole.
        self._began = inf
        self._sent_frames = 0
        self._received_frames = 0
        self._may_send = speaks_first
        self._leaving = False
        # One of each kind at most, so a peer that pings and never reads the
        # answers cannot make them pile up.
        self._controls: dict[int, bytes] = {}
        # The dialer's first frame goes out at once, empty if need be.
        self._ack_owed = speaks_first
        self._ack_due: float | None = None
        self._unacked_in = 0
        self._pings = 0
        self._pinged = now
        self.heard = self.active = now
        self.peer_left = False

    def __repr__(self) -> str:
        return (
            f"<Session frames in={self._received_frames} out={self._sent_frames} "
            f"{'open' if self._may_send else 'waiting'}>"
        )

    def receive_data(
        self, data: bytes, now: float
    ) -> Iterator[tuple[list[Record], int]]:
        """Take bytes; yield the numbered records of each frame, and its size.

        Raises:
            ProtocolError: The peer broke the rules; the session is over. What
                was yielded before stands.
        """
        self.heard = now
        for frame in self._reader.feed(data):
            records = self._open(frame)
            self._may_send = True
            self._began = inf
            if not records:
                continue
            suspect = self._codec.take_undecodable()
            needs = needs_of(records)
            if needs & CONTROLS:
                records = self._act_on_controls(records)
                if not records:
                    continue
            self.active = now
            self._owe_ack(len(frame), now)
            if needs & PIECES:
                yield from self._intake.put_together(records, len(frame), now)
                continue
            self._talk.received += len(records)
            if suspect or needs & DEFUSING:
                records = self._intake.defuse(records)
            if records:
                yield records, len(frame)
        if self._began == inf and self._reader.waiting:
            self._began = now

    def next_frame(self, now: float) -> bytes | None:
        """Return the next frame to send, None if there is nothing to say."""
        entries = self._next_entries() if self._may_take() else ()
        if not entries and not self._controls and not self._ack_owed:
            return None
        parts = [entry[0] for entry in entries]
        if parts:
            self.active = now
        if self._controls:
            parts[:0] = self._controls.values()
            self._controls = {}
        self._ack_owed = False
        self._ack_due = None
        self._unacked_in = 0
        return self._close([array_header(len(parts)), *parts])

    def on_time(self, now: float) -> bool:
        """Do what is due: an Ack, a Ping. Return False if the peer is dead."""
        # Compared with the very sums that `next_deadline` returns: a difference
        # may round to just below, and the shell would wake for nothing, for ever.
        if now >= self._dead_at():
            return False
        if self._ack_due is not None and now >= self._ack_due:
            self._ack_owed = True
            self._ack_due = None
        if now >= self._ping_due():
            self._pinged = now
            self.say_ping()
        return True

    def next_deadline(self) -> float:
        """Return when `on_time` has something to do, later than it last ran."""
        due = min(self._ping_due(), self._dead_at())
        return due if self._ack_due is None else min(due, self._ack_due)

    def say_ping(self) -> None:
        """Queue a Ping; the peer's session answers it by itself."""
        self._pings += 1
        self._say([m.PING, self._pings])

    def say_bye(self) -> None:
        """Queue a Bye: this side will not come back for now.

        No numbered record follows it. The peer would take one and then hear,
        all the same, that nobody waits for its answer; what is not sent yet
        stays in the outbox.
        """
        self._leaving = True
        self._say([m.BYE])

    @property
    def ack_due(self) -> float | None:
        """Until when an Ack may wait for a frame to ride on, None if none does."""
        return self._ack_due

    @property
    def has_work(self) -> bool:
        """Whether `next_frame` has something to say now."""
        return self._ack_owed or bool(self._controls) or self._may_take()

    def _dead_at(self) -> float:
        """Return when this session is over, unless something comes.

        After silence, or a frame that never ends. A wrong length makes one, and
        so does a peer that sends a byte at a time; all else waits behind it.
        """
        return min(
            self.heard + self._limits.dead_after,
            self._began + self._limits.frame_timeout,
        )

    def _ping_due(self) -> float:
        return max(self.heard, self._pinged) + self._limits.ping_after

    def _say(self, record: Record) -> None:
        self._controls[record[0]] = msgpack.packb(record)

    def _owe_ack(self, size: int, now: float) -> None:
        self._unacked_in += size
        if self._unacked_in >= self._limits.ack_bytes:
            self._ack_owed = True
        elif self._ack_due is None and not self._ack_owed:
            self._ack_due = now + self._limits.ack_delay

    def _next_entries(self) -> list[RawEntry]:
        """Return what goes into the next frame, numbered."""
        outgoing = self._talk.outgoing
        if outgoing.resend:
            return outgoing.next_resend()
        room = self._limits.window_records - outgoing.sent + outgoing.acked
        entries, size = self._talk.outbox.take(BATCH_BYTES, room, bulk=self._bulk_may)
        if entries:
            outgoing.number(entries, size)
        return entries

    @property
    def _bulk_may(self) -> bool:
        """Whether bulk may send: half of the window is kept free of it."""
        return 2 * self._talk.outgoing.unacked_bytes < self._limits.window_bytes

    def _may_take(self) -> bool:
        """Whether a record may be sent: there is one, and the window is open."""
        if not self._may_send or self._leaving:
            return False
        talk = self._talk
        outgoing = talk.outgoing
        outbox = talk.outbox
        if outgoing.resend:
            return True
        if outbox.bytes:
            may = outgoing.unacked_bytes < self._limits.window_bytes
        elif outbox.bulk is None:
            return False
        else:
            may = self._bulk_may
        return may and outgoing.sent - outgoing.acked < self._limits.window_records

    def _close(self, parts: list[Any]) -> bytes:
        """Return the frame of `parts`, which make an array; the last may be a `Piece`."""
        frame, received = self._sent_frames, self._talk.received
        self._sent_frames = frame + 1
        last = parts[-1]
        if type(last) is Piece:
            parts[-1:] = last.parts
        elif len(parts) > FEW or len(last) < SMALL:
            body = b"".join(parts)
            header = HEADER.pack(len(body) + SEALED_OVERHEAD, frame, received)
            signed = header + body
            return signed + self._send_seal.tag(signed)
        size = sum(map(len, parts)) + SEALED_OVERHEAD
        parts.insert(0, HEADER.pack(size, frame, received))
        return b"".join((*parts, self._send_seal.tag(*parts)))

    def _open(self, frame: memoryview) -> list[Any]:
        """Check length, seal, counter and ack, in this order; decode."""
        end = len(frame) - TAG_BYTES
        if end <= _BODY_AT:
            raise ProtocolError("a frame too short to be sealed", "size")
        if not self._receive_seal.verify(frame[:end], frame[end:]):
            raise ProtocolError("a frame with a wrong seal", "seal")
        _, counter, ack = HEADER.unpack_from(frame)
        if counter != self._received_frames:
            raise ProtocolError(
                f"frame {counter} where {self._received_frames} was due", "seal"
            )
        self._received_frames += 1
        records = self._codec.decode(frame[_BODY_AT:end])
        if ack != self._talk.outgoing.acked:
            self._talk.outgoing.ack(ack)
        return records

    def _act_on_controls(self, records: list[Record]) -> list[Record]:
        """Do what concerns the connection; return the numbered records."""
        for record in records:
            if record[0] == m.PING:
                self._say([m.PONG, record[m.TOKEN]])
            elif record[0] == m.BYE:
                self.peer_left = True
        return [record for record in records if record[0] < m.UNNUMBERED]
