"""The body of a request, read up to a bound, and no longer than for a while."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_WITHIN: Final = 5.0
"""Seconds within which a body must be there."""


async def read(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Args:
        request: The request.
        most: Bytes that are read.

    Raises:
        ValueError: It is longer, or does not come.
    """
    from starlette.requests import ClientDisconnect  # noqa: PLC0415 - an extra

    parts, size = [], 0
    with trio.move_on_after(BODY_WITHIN), suppress(ClientDisconnect):
        async with aclosing(request.stream()) as stream:
            async for part in stream:
                size += len(part)
                if size > most:
                    raise ValueError(f"a body of more than {most} bytes")
                parts.append(part)
        return b"".join(parts)
    raise ValueError("a body that does not come to its end")
