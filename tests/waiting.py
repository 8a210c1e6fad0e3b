"""Waiting for what comes sooner or later, in virtual time or in real time."""

from __future__ import annotations

import trio


async def until(condition, seconds=60.0):
    """Look again and again until `condition()` is true; return what it is."""
    with trio.fail_after(seconds):
        while not (found := condition()):
            await trio.sleep(0.005)
    return found
