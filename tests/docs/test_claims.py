"""What the pages for newcomers say in prose, and no example shows."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from clusterkit import Config, GenServer, call, create_cluster
from clusterkit.errors import ActorDown, NoSuchActor, RemoteFault
from clusterkit.events import ActorGaveUp, ActorRestarted


class Fragile(GenServer):
    @call
    async def crash(self) -> None:
        raise ValueError("on purpose")


def node(**options):
    return create_cluster("foo", port=0, cookie="monster", **options)


async def test_fourth_crash_within_five_seconds_is_the_last() -> None:
    async with node(actors={"fragile": Fragile}) as foo, foo.events() as events:
        seen = []
        for _ in range(4):
            with pytest.raises(RemoteFault):
                await foo.call("fragile", "crash")
            seen.append(type(await anext(events)))
        assert seen == [ActorRestarted] * 3 + [ActorGaveUp]
        with pytest.raises(NoSuchActor):
            await foo.call("fragile", "crash")


async def test_signal_gives_the_drain_as_long_as_the_config_says(monkeypatch) -> None:
    given = []

    async def shutdown(*, timeout: float) -> None:
        given.append(timeout)

    async with node(config=Config(drain_timeout=3.5)) as foo:
        monkeypatch.setattr(foo, "shutdown", shutdown)
        async with trio.open_nursery() as nursery:
            await nursery.start(foo.serve_forever)
            os.kill(os.getpid(), signal.SIGTERM)
    at_the_signal, at_the_end = given
    assert at_the_signal == at_the_end == 3.5


async def test_work_beside_a_draining_node_is_told_that_actors_are_gone() -> None:
    async with node(actors={"fragile": Fragile}) as foo:
        await foo.shutdown()
        with pytest.raises((NoSuchActor, ActorDown)):
            await foo.call("fragile", "crash")


async def test_start_raises_what_init_raises() -> None:
    class Doomed(GenServer):
        async def init(self) -> None:
            raise OSError("no such disk")

    async with node() as foo:
        with pytest.raises(OSError, match="no such disk"):
            await foo.start("doomed", Doomed)
