"""Node B of a benchmark: actors, and nothing to do but serve them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import measure
from measure import COOKIE

from clusterkit import create_cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit import ActorFactory


async def serve(actors: Mapping[str, ActorFactory]) -> None:
    """Print READY and the port; serve until the harness closes our standard input."""
    async with create_cluster("b", "127.0.0.1", 0, cookie=COOKIE, actors=actors) as b:
        gc.collect()
        gc.freeze()  # as `cluster-cli run` does
        print("READY", b.port, flush=True)
        with measure.profiled("server"):
            await measure.until_closed()
