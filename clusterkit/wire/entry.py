"""What waits to be sent, and is kept until the peer has it: one encoded record."""

from __future__ import annotations

from typing import NamedTuple


class Piece:
    """An encoded record as the parts that make it, joined when it is written.

    Most of it is a view of a larger one, which lives as long; a copy for every
    time that it waits would be one more for each byte.

    Args:
        parts: What it is when they are joined.
    """

    __slots__ = ("_length", "parts")

    def __init__(self, *parts: bytes | memoryview) -> None:
        self.parts = parts
        self._length = sum(map(len, parts))

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)

    def own(self) -> None:
        """Keep the bytes themselves: what they are a view of can go."""
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
