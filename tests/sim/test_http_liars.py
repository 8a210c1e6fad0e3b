"""What a member with the cookie can do to a cluster over HTTP: nothing that lasts."""

from __future__ import annotations

import pytest
import trio

from clusterkit.wire.http_seal import MOST_TIME

from .http_liar import Liar
from .http_world import formed, url
from .test_http_cluster import playing


def introduced(world, node, liar, *, at=None):
    """Have a node hear of a liar, and know where it is."""
    world.strange[liar.name] = liar
    place = {"url": at or url(liar.name), "monitor": True}
    tell(node, liar, {"_http": place})


def tell(node, liar, state, *, version=1, beat=1):
    """Say of the liar itself what its state is, and that it lives."""
    liar.ask(node, "compare", {liar.name: [1, beat]}, 0)
    changes = [
        [key, version + i, encoded(value)]
        for i, (key, value) in enumerate(state.items())
    ]
    part = [liar.name, 1, 0, version + len(changes) - 1, 0, changes]
    response, _ = liar.ask(node, "exchange", {}, [part], {})
    assert response.status == 200


def encoded(value):
    from clusterkit.wire.codec import Codec
    from clusterkit.wire.stream_values import encode_value

    return encode_value(Codec(2**20), value)


@pytest.mark.parametrize("time_ms", [0, 2**62, 2**63, 2**64 - 1])
def test_whatever_its_clock_shows_nobody_comes_to_harm(time_ms):
    async def play(world):
        (a,) = await formed(world, 1)
        liar = Liar()
        liar.time_ms = time_ms
        introduced(world, a, liar)
        await trio.sleep(30)
        assert (len(liar.heard) > 5) == (time_ms <= MOST_TIME)
        assert a.members.alive() == ("n0",)

    playing(play)
