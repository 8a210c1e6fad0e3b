"""Names of channels, and patterns of them.

A channel is parts with dots between them. In a pattern `*` stands in the place of a
part: for any one, and at the end for one or more.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from clusterkit.errors import ConfigError

MOST_CHANNEL: Final = 100
"""Longest name of a channel, in characters."""

ANY: Final = "*"

RESERVED: Final = {
    "promotion": "Promotion",
    "demotion": "Demotion",
    "added": "MemberUp",
    "removed": "MemberDown",
    "master": "MasterUp",
    "hello": "MemberUp",
}
"""What node-discovery has as events: no channels here either, so that nobody waits for
them there. The events that tell the same, in `clusterkit.events`."""

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def check_pattern(pattern: object) -> str:
    """Return `pattern`, of channels, or the name of one.

    Raises:
        ConfigError: It is neither, or reserved.
    """
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MOST_CHANNEL:
        raise ConfigError(
            f"a channel is 1 to {MOST_CHANNEL} characters of text, not {pattern!r:.100}"
        )
    if pattern in RESERVED:
        event = RESERVED[pattern]
        raise ConfigError(f"no channel is called {pattern!r}: see events.{event}")
    for part in pattern.split("."):
        if part != ANY and not _PART.fullmatch(part):
            raise ConfigError(
                f"channel {pattern!r} is not valid: parts of A-Z a-z 0-9 _ - with dots "
                "between, each beginning with a letter or a digit; * for any part"
            )
    return pattern


def check_channel(channel: object) -> str:
    """Return `channel`, which is the name of one.

    Raises:
        ConfigError: It is none, or a pattern of several.
    """
    if ANY in check_pattern(channel):
        raise ConfigError(f"{channel!r} is a pattern, not a channel")
    return str(channel)


@lru_cache(maxsize=4096)
def matches(one: str, other: str) -> bool:
    """Say whether some channel is meant by both; each may be a pattern, or a name."""
    return _match(tuple(one.split(".")), tuple(other.split(".")))


def _match(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b and ANY not in (a, b):
            return False
        shorter, longer = sorted((one, other), key=len)
        if place == len(shorter) - 1:
            return len(shorter) == len(longer) or shorter[-1] == ANY
    return False
