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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.codec import MAX_DEPTH, holds_undecodable, too_deep
from clusterkit.wire.frame import HEADER, SEALED_OVERHEAD, FrameReader, array_header
from clusterkit.wire.seal import TAG_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clusterkit.wire.codec import Codec
    from clusterkit.wire.conversation import Conversations
    from clusterkit.wire.messages import Record
    from clusterkit.wire.outbox import RawEntry
    from clusterkit.wire.seal import Sealer

BATCH_BYTES: Final = 64 * 1024
"""Records are gathered into frames up to this size, so that hashing one frame
overlaps with the wire carrying the last. One larger record gets its own."""

_BODY_AT = HEADER.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of a session; see `Config` for what each means."""

    max_message: int
    window_bytes: int
    window_records: int
    ack_delay: float
    ack_bytes: int
    ping_after: float
    dead_after: float


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
        undecodable: Casts dropped because a value could not be built.
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
        self._reader = FrameReader(max(limits.max_message, BATCH_BYTES) + 1024)
        self._sent_frames = 0
        self._received_frames = 0
        self._may_send = speaks_first
        self._controls: list[bytes] = []
        # The dialer's first frame goes out at once, empty if need be.
        self._ack_owed = speaks_first
        self._ack_due: float | None = None
        self._unacked_in = 0
        self._pings = 0
        self._pinged = now
        self.heard = self.active = now
        self.peer_left = False
        self.undecodable = 0

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
            records, suspect = self._sort_out(records)
            if not records:
                continue
            self.active = now
            self._talk.received += len(records)
            self._owe_ack(len(frame), now)
            if suspect or self._codec.take_undecodable():
                records = [r for r in map(self._defuse, records) if r is not None]
            yield records, len(frame)

    def next_frame(self, now: float) -> bytes | None:
        """Return the next frame to send, None if there is nothing to say."""
        entries = self._next_entries() if self._may_take() else ()
        if not entries and not self._controls and not self._ack_owed:
            return None
        parts = self._controls
        if entries:
            self.active = now
            parts = [*parts, *[entry[0] for entry in entries]]
        body = array_header(len(parts)) + b"".join(parts)
        self._controls = []
        self._ack_owed = False
        self._ack_due = None
        self._unacked_in = 0
        return self._close(body)

    def on_time(self, now: float) -> bool:
        """Do what is due: an Ack, a Ping. Return False if the peer is dead."""
        silence = now - self.heard
        if silence >= self._limits.dead_after:
            return False
        if self._ack_due is not None and now >= self._ack_due:
            self._ack_owed = True
        if now - max(self.heard, self._pinged) >= self._limits.ping_after:
            self._pinged = now
            self.say_ping()
        return True

    def next_deadline(self) -> float:
        """Return when `on_time` has something to do."""
        ping = max(self.heard, self._pinged) + self._limits.ping_after
        due = min(ping, self.heard + self._limits.dead_after)
        return due if self._ack_due is None else min(due, self._ack_due)

    def say_ping(self) -> None:
        """Queue a Ping; the peer's session answers it by itself."""
        self._pings += 1
        self._say([m.PING, self._pings])

    def say_bye(self) -> None:
        """Queue a Bye: this side will not come back for now."""
        self._say([m.BYE])

    @property
    def ack_due(self) -> float | None:
        """When an Ack has to leave at the latest, None if none is owed."""
        return self._ack_due

    @property
    def has_work(self) -> bool:
        """Whether `next_frame` has something to say now."""
        return self._ack_owed or bool(self._controls) or self._may_take()

    def _say(self, record: Record) -> None:
        self._controls.append(msgpack.packb(record))

    def _owe_ack(self, size: int, now: float) -> None:
        self._unacked_in += size
        if self._unacked_in >= self._limits.ack_bytes:
            self._ack_owed = True
        elif self._ack_due is None:
            self._ack_due = now + self._limits.ack_delay

    def _next_entries(self) -> list[RawEntry]:
        """Return what goes into the next frame, numbered."""
        outgoing = self._talk.outgoing
        if outgoing.must_resend:
            return outgoing.next_resend()
        room = self._limits.window_records - outgoing.unacked
        entries, size = self._talk.outbox.take(BATCH_BYTES, room)
        outgoing.number(entries, size)
        return entries

    def _may_take(self) -> bool:
        """Whether a record may be sent: there is one, and the window is open."""
        if not self._may_send:
            return False
        outgoing = self._talk.outgoing
        return outgoing.must_resend or (
            self._talk.outbox.bytes > 0
            and outgoing.unacked_bytes < self._limits.window_bytes
            and outgoing.unacked < self._limits.window_records
        )

    def _close(self, body: bytes) -> bytes:
        header = HEADER.pack(
            len(body) + SEALED_OVERHEAD, self._sent_frames, self._talk.received
        )
        self._sent_frames += 1
        signed = header + body
        return signed + self._send_seal.tag(signed)

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
        self._talk.outgoing.ack(ack)
        return records

    def _sort_out(self, records: list[Any]) -> tuple[list[Record], bool]:
        """Check every record, act on those of the connection.

        Returns:
            The numbered ones, and whether one of them needs `_defuse`.
        """
        controls = suspect = False
        for record in records:
            if not m.well_formed(record):
                raise ProtocolError("a record of unknown kind or shape")
            kind = record[0]
            if kind >= m.UNNUMBERED:
                controls = True
            elif too_deep(record[m.ARGS] if kind <= m.CAST else record):
                suspect = True
        if controls:
            self._act_on_controls(records)
            records = [record for record in records if record[0] < m.UNNUMBERED]
        return records, suspect

    def _act_on_controls(self, records: list[Record]) -> None:
        for record in records:
            if record[0] == m.PING:
                self._say([m.PONG, record[m.TOKEN]])
            elif record[0] == m.BYE:
                self.peer_left = True

    def _defuse(self, record: Record) -> Record | None:
        """Answer or replace a record with a value that cannot be taken."""
        bad = holds_undecodable(record[1:])
        if bad is None and not too_deep(record[1:], MAX_DEPTH + 1):
            return record
        reason = bad.reason if bad else f"nested deeper than {MAX_DEPTH}"
        if record[0] == m.CALL:
            fault = [m.FAULT, record[m.CALL_ID], "badarg", [reason]]
            self._talk.outbox.append(msgpack.packb(fault), m.FAULT, None)
            return None
        if record[0] == m.REPLY:
            return [m.FAULT, record[m.ANSWERS], "fault", ["Undecodable", reason]]
        self.undecodable += 1
        return None
