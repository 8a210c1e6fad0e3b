"""What waits to be sent, and is kept until the peer has it: one encoded record."""

from __future__ import annotations

from typing import NamedTuple

RawEntry = tuple[bytes, int, "int | str | None"]


class Entry(NamedTuple):
    """One encoded record with what is needed to account for it.

    On the hot path it is a plain tuple (`RawEntry`); the fields are for
    reading.
    """

    data: bytes
    kind: int
    about: int | str | None
    """Call, Open, Reply, Fault: the call's id. Cast: the actor. Chunk, Credit, End: what
    `streams.about` says. Otherwise None."""
