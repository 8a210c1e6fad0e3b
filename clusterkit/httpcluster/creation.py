"""`create_http_cluster`: from options to a node that gossips, and back to nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cluster.cookies import found_cookies
from clusterkit.cluster.ending import Ending
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.keyring import Keyring
from clusterkit.cluster.options import checked_config
from clusterkit.cluster.platform import Platform
from clusterkit.errors import ConfigError
from clusterkit.httpcluster.cluster import DRAIN
from clusterkit.httpcluster.identity import Identity
from clusterkit.httpcluster.members import PLACE
from clusterkit.httpcluster.parts import Parts
from clusterkit.httpcluster.posting import httpx_post
from clusterkit.httpcluster.urls import Dialable, read_url
from clusterkit.names import check_name, check_timeout
from clusterkit.wire.http_seal import LIFE_BYTES
from clusterkit.wire.seal import stretch

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Sequence

    from clusterkit.config import Config
    from clusterkit.discovery.master_list import MasterList
    from clusterkit.httpcluster.cluster import HttpCluster
    from clusterkit.httpcluster.posting import Post

INTERVAL: Final = 1.0
"""Seconds between two exchanges of one node."""

LEAST_INTERVAL: Final = 0.01
"""The shortest `interval`: more is told by links."""

MOST_INTERVAL: Final = 3600.0
"""The longest: one that is silent for a day is forgotten."""


@asynccontextmanager
async def create_http_cluster(
    name: str,
    url: str,
    *,
    cookie: str | bytes | os.PathLike[str] | Sequence[str | bytes] | None = None,
    ring: str = "ring",
    seeds: Iterable[str] = (),
    allow: Iterable[str] = (),
    monitor: bool = False,
    interval: float = INTERVAL,
    master_list: MasterList | None = None,
    config: Config | None = None,
    platform: Platform | None = None,
    post: Post | None = None,
) -> AsyncIterator[HttpCluster]:
    """Run a node of a cluster that speaks HTTP alone, for the length of a block.

        async with web.create_http_cluster(
            "foo", "https://foo.example/cluster", seeds=["https://bar.example/cluster"]
        ) as cluster:
            application = web.app(cluster)

    It asks the others by itself; that it is asked takes `web.app(cluster)`, served at
    the URL. There are no links, hence no ring, no actors and no services: each node's
    state, and who is there. Needs `clusterkit[web,http]`.

    Args:
        name: The node's name, unique in its cluster.
        url: Where the others reach `web.app(cluster)`.
        cookie: The shared secret, as for `create_cluster`. It never travels.
        ring: The cluster's name; nodes of different ones never mix.
        seeds: URLs of others, or of a balancer before them, tried for as long as
            nobody is known there.
        allow: Networks and host names that members may be dialled at; see `Allowed`.
            None: only what has the scheme, host and port of this node or a seed.
        monitor: Whether others prefer this node to gossip with.
        interval: Seconds between two exchanges, a tenth more or less.
        master_list: A list of URLs to look for others at, and to keep up to date if it
            is told to. What it allows is dialled.
        config: Of it count `forget_after`, `state_tombstone_ttl`, `event_buffer`.
        platform: Dice and clocks; for simulations.
        post: Sends requests; for simulations. None: httpx does.

    Yields:
        The node.

    Raises:
        ConfigError: An option is missing or impossible, or httpx is not installed.

    Guarantees:
        What a member writes of itself is known to all within about log2(N) + 2
        intervals, and so is a member that is new. One that is silent for some ten
        intervals, or twenty while its pace is not known yet, is dead to whoever sees
        that, by its own clock: nobody's word counts.

    Cancellation:
        Says to some that it ends, as leaving the block does.
    """
    platform, config = platform or Platform(), checked_config(config)
    own = read_url(url)
    others = [read_url(seed, "a seed") for seed in _listed(seeds, "seeds")]
    dialable = Dialable([own, *others], allow)
    found = found_cookies(cookie)
    for secret in found.cookies:
        await platform.run_blocking(stretch, secret)
    identity = Identity(
        check_name(ring, "ring name"),
        check_name(name, "node name"),
        platform.rng.randbytes(LIFE_BYTES),
        found.cookies,
    )
    parts = Parts(identity, platform, config, _checked(interval), dialable)
    sending: Any = httpx_post() if post is None else nullcontext(post)
    with collapsed_groups():
        async with sending as ready, trio.open_nursery() as nursery:
            gossiping = parts.gossiping(ready, others)
            keyring = Keyring(identity, platform.run_blocking, found.file)
            ending = platform.ending or Ending()
            cluster = parts.cluster(own, keyring, gossiping, ending, nursery)
            parts.book.set(PLACE, {"url": own, "monitor": bool(monitor)}, None)
            await nursery.start(parts.background.run)
            parts.background.spawn(gossiping.run)
            if master_list is not None:
                listing = parts.listing(own, gossiping)
                parts.background.spawn(master_list.run, listing.found, listing)
            try:
                yield cluster
            finally:
                with trio.CancelScope(shield=True):
                    await cluster.shutdown(timeout=DRAIN)
                parts.broadcast.close()
                nursery.cancel_scope.cancel()


def _listed(urls: Iterable[str], what: str) -> list[str]:
    if isinstance(urls, str):
        raise ConfigError(f"{what} is a list: [{urls!r:.100}]")
    return list(urls)


def _checked(interval: float) -> float:
    check_timeout(interval)
    if not LEAST_INTERVAL <= interval <= MOST_INTERVAL:
        raise ConfigError(
            f"interval is {LEAST_INTERVAL:g} to {MOST_INTERVAL:g} seconds"
        )
    return float(interval)
