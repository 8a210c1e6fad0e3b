"""Who one node of a cluster over HTTP is, and what it proves that by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clusterkit.httpcluster.posting import MAX_GOSSIP
from clusterkit.wire.codec import Codec
from clusterkit.wire.http_seal import MAX_HEAD, HttpKeys
from clusterkit.wire.seal import stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NODES: Final = 1_000
"""Nodes of one cluster over HTTP: the counters of all of them are in each request."""


class Identity:
    """One node of a cluster; what its cookies are may change.

    Args:
        ring: The cluster.
        name: The node's.
        life: Random bytes, of this process.
        cookies: The first signs, any is taken. Stretched before, so that nobody waits.

    Attributes:
        codec: Of what is asked and answered.
        keys: Of the cookies.
    """

    def __init__(
        self, ring: str, name: str, life: bytes, cookies: Sequence[bytes]
    ) -> None:
        self.ring = ring
        self.name = name
        self.life = life
        self.codec = Codec(MAX_GOSSIP - MAX_HEAD)
        self.use_cookies(cookies)

    def __repr__(self) -> str:
        return f"<Identity {self.name} of {self.ring}>"

    def use_cookies(self, cookies: Sequence[bytes]) -> None:
        """Sign with the first from now on, and take all."""
        self.cookies = list(cookies)
        self.keys = HttpKeys([stretch(cookie) for cookie in cookies])
