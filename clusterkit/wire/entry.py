"""What waits to be sent, and is kept until the peer has it: one encoded record."""

from __future__ import annotations

from typing import NamedTuple


class Piece:
    """An encoded record as the parts that make it, joined when it is written.

    Most of it is a view of a larger record, which lives as long as the view. To
    copy it here would be one copy more of each byte.

    Args:
        parts: The bytes of the record, in order.
    """

    __slots__ = ("__weakref__", "_length", "parts")

    def __init__(self, *parts: bytes | memoryview) -> None:
        self.parts = parts
        self._length = sum(map(len, parts))

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)

    def own(self) -> None:
        """Copy what the views show, so that the larger record can be freed."""
        self.parts = (bytes(self),)

    def __repr__(self) -> str:
        return f"<Piece of {self._length} bytes>"


RawEntry = tuple["bytes | Piece", int, "int | str | None"]


class Entry(NamedTuple):
    """One encoded record with what is needed to account for it.

    On the hot path it is a plain tuple (`RawEntry`); the fields are for
    reading.
    """

    data: bytes | Piece
    """The record. Only what a frame carries last may be a `Piece`."""

    kind: int
    about: int | str | None
    """Call, Open, Reply, Fault: the call's id. Cast: the actor. Chunk, Credit, End: what
    `streams.about` says. Otherwise None."""
