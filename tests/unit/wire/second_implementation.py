"""A second implementation of protocol 1, from its page alone: who dials.

It shakes hands, seals frames, acknowledges, resumes, and speaks in large records
and streams, with hashing and msgpack only. Nothing of the package is imported
here, and nothing ever may be; the numbers are the sections of the page.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from itertools import count

import msgpack

PIECE, FRAME_LIMIT = 65_536, 262_144  # 7.4, 2
FRAGMENT, CHUNK, CREDIT, END = 12, 13, 14, 16  # 8
PING, PONG = 32, 33
CHUNK_COST = 64  # 8.5


def stretched(cookie: bytes) -> bytes:
    """S of 3.2."""
    return hashlib.scrypt(
        cookie, salt=b"clusterkit/1", n=16384, r=8, p=1, maxmem=64 << 20, dklen=32
    )


class Connection:
    """One connection of a dialer; bytes in, bytes out.

    Attributes:
        out: Bytes to send.
        up: Whether the handshake is over.
    """

    def __init__(self, me: Peer, nonce: bytes) -> None:
        self.me = me
        self.out = bytearray()
        self.up = False
        self._in = bytearray()
        self._transcript = b""
        self._keys = self._counters = None
        self._greet(
            {
                "kind": "hello",
                "versions": [1, 1],
                "role": me.role,
                "name": me.name,
                "incarnation": me.incarnation,
                "sessions": me.sessions,
                "nonce": nonce,
            }
        )

    def receive(self, data: bytes) -> None:
        """Take bytes in; what is to be said to them is in `out`."""
        self._in += data
        while len(self._in) >= 4:
            (length,) = struct.unpack_from(">I", self._in)
            assert length <= (FRAME_LIMIT if self.up else 1024)
            if len(self._in) < 4 + length:
                return
            frame, self._in = bytes(self._in[: 4 + length]), self._in[4 + length :]
            (self._take_frame if self.up else self._take_greeting)(frame)

    def say(self, *records: list) -> None:
        """Put records into one frame (7); number and keep those that count."""
        body = msgpack.packb(records)
        head = struct.pack(
            ">IQQ", 48 + len(body), next(self._counters[0]), self.me.received
        )
        signed = head + body
        self.out += signed + hmac.digest(self._keys[0], signed, "sha256")
        for record in records:
            if record[0] < 32:
                self.me.sent += 1
                self.me.unacked.append((self.me.sent, record))

    def _greet(self, fields: dict, mac: bytes = b"") -> None:
        body = msgpack.packb(fields)
        frame = struct.pack(">I", len(body) + 32 * bool(mac)) + body
        self._transcript += frame
        if mac:
            tag = self._mac(mac)
            self._transcript += tag
            frame += tag
        self.out += frame

    def _mac(self, role: bytes) -> bytes:
        digest = hashlib.sha256(self._transcript).digest()
        return hmac.digest(
            hmac.digest(self.me.secret, role, "sha256"), digest, "sha256"
        )

    def _take_greeting(self, frame: bytes) -> None:
        unpacker = msgpack.Unpacker()
        unpacker.feed(frame[4:])
        fields = unpacker.unpack()
        end = 4 + unpacker.tell()
        self._transcript += frame[:end]
        if fields["kind"] == "challenge":
            self.me.sessions = max(self.me.sessions, fields["sessions"]) + 1  # 5.3
            self._greet(self.me.proof(), b"dialer")
            return
        assert fields["kind"] == "welcome", fields
        assert frame[end:] == self._mac(b"listener")
        self._transcript += frame[end:]
        final = hashlib.sha256(self._transcript).digest()
        self._keys = [
            hmac.digest(self.me.secret, label + final, "sha256")
            for label in (b"key d>l", b"key l>d")
        ]
        self._counters, self.up = (count(), count()), True
        self.say(*self.me.settle(fields))  # 5.4: at once, empty if need be

    def _take_frame(self, frame: bytes) -> None:
        assert hmac.digest(self._keys[1], frame[:-32], "sha256") == frame[-32:]
        _, counter, ack = struct.unpack_from(">IQQ", frame)
        assert counter == next(self._counters[1])
        self.me.unacked = [(n, r) for n, r in self.me.unacked if n > ack]
        records = msgpack.unpackb(frame[20:-32], strict_map_key=False)
        answers = [[PONG, r[1]] for r in records if r[0] == PING]
        for record in records:
            if record[0] < 32:
                self.me.received += 1
                self.me.take(record)
        if records:
            self.say(*answers, *self.me.due())


class Peer:
    """What outlives the connections of a member: section 6.

    Attributes:
        heard: Records that came, large ones whole, fragments and credit left out.
        credit: What may be sent, by stream; see 8.5.
    """

    def __init__(self, name: str, cookie: bytes, role: str = "member") -> None:
        self.name, self.role, self.incarnation = name, role, 5
        self.secret = stretched(cookie)
        self.sessions = self.sent = self.received = self.theirs = 0
        self.mine = self.fresh = 7
        self.unacked: list = []
        self.heard: list = []
        self.credit: dict[int, int] = {}
        self._owed: dict[int, int] = {}
        self._parts: dict[int, list] = {}
        self._ids = count(1)

    def proof(self) -> dict:
        """What this side wants to go on with (3.1)."""
        member = self.role == "member"
        self.fresh = self.fresh + 1 if self.theirs else self.mine
        return {
            "kind": "proof",
            "ring": "",
            "host": self.name if member else "",
            "port": 7022 if member else 0,
            "max_message": 2**24,
            "mine": self.mine,
            "fresh": self.fresh,
            "yours": self.theirs,
            "received": self.received,
        }

    def settle(self, welcome: dict) -> list:
        """Take a welcome; return what is to be sent again."""
        assert welcome["held"] in (self.mine, self.fresh)
        if welcome["held"] != self.mine:
            self.mine, self.sent, self.unacked = welcome["held"], 0, []
        again = [r for n, r in self.unacked if n > welcome["received"]]
        self.sent, self.unacked = welcome["received"], []
        if welcome["mine"] != self.theirs:
            self.theirs, self.received, self._parts = welcome["mine"], 0, {}
        return again

    def take(self, record: list) -> None:
        """Take a numbered record."""
        if record[0] == FRAGMENT:
            _, id_, rest, piece, *_ = record
            self._parts.setdefault(id_, []).append(piece)
            if rest == 0:
                self.take(msgpack.unpackb(b"".join(self._parts.pop(id_))))
        elif record[0] == CREDIT:
            self.credit[record[1]] = self.credit.get(record[1], 0) + record[3]
        else:
            self.heard.append(record)
            if record[0] == CHUNK:
                owed = self._owed.get(record[1], 0) + len(record[4]) + CHUNK_COST
                self._owed[record[1]] = owed

    def due(self) -> list:
        """Credit for all chunks that have come: this side reads at once."""
        owed, self._owed = self._owed, {}
        return [[CREDIT, stream, 0, n] for stream, n in owed.items()]

    def pieces(self, record: list, about: int | str) -> list:
        """The Fragments of a large record (7.4)."""
        data, id_ = msgpack.packb(record), next(self._ids)
        cut = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
        rest, made = len(data), []
        for piece in cut:
            rest -= len(piece)
            made.append([FRAGMENT, id_, rest, piece])
        made[0] += [record[0], about]
        return made

    def chunk(self, stream: int, data: bytes, form: int = 0) -> list:
        """A Chunk, for which there is credit."""
        assert self.credit[stream] > 0
        self.credit[stream] -= len(data) + CHUNK_COST
        return [CHUNK, stream, 0, form, data]
