"""The cookie is changed on real sockets, from files, under load and cuts."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import permutations
from random import Random

import pytest
import trio
import trio.lowlevel

from clusterkit.cluster.cookie_file import (
    CookieFile,
    read_cookie_file,
    write_cookie_file,
)
from clusterkit.errors import ConfigError, WrongCookie
from tests.waiting import until

from .nodes import got, open_wire, running

NAMES = "abc"
FAST = {
    "ping_after": 0.1,
    "dead_after": 0.3,
    "backoff_first": 0.002,
    "backoff_cap": 0.01,
}


@asynccontextmanager
async def ring(folder):
    """Three nodes, each with a cookie file and a wire of its own; and their ring."""
    async with AsyncExitStack() as stack:
        nodes, wires = [], []
        for name in NAMES:
            wire = await stack.enter_async_context(open_wire())
            path = folder / name
            path.write_text("old\n")
            path.chmod(0o600)
            node = await stack.enter_async_context(
                running(
                    name,
                    config=FAST,
                    cookie=path,
                    advertise=f"127.0.0.1:{wire.port}",
                )
            )
            wire.target = node.port
            nodes.append(node)
            wires.append(wire)
        for node in nodes[1:]:
            await nodes[0].meet(node.address)
        await until(lambda: all(len(n.ring.nodes()) == 3 for n in nodes))
        yield nodes, wires
        for wire in wires:
            wire.fuse = None


async def burn_fuses(wires, rng):
    while True:
        for wire in wires:
            if wire.fuse is None:
                wire.fuse = rng.randrange(1, 20_000)
        await trio.sleep(0.005)


async def load(nodes, sent, stop):
    """Cast numbers from each node to each other until it is stopped."""

    async def send(origin, target):
        while not stop.is_set():
            number = sent.setdefault((origin.name, target.name), 0)
            sent[origin.name, target.name] += 1
            await origin.cast(f"sink@{target.name}", "put", (origin.name, number))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for origin, target in permutations(nodes, 2):
            nursery.start_soon(send, origin, target)


async def take_step(nodes, wires):
    """Take the next step at each node; then cut all, and wait until all is back."""
    for node in nodes:
        path = node.cookies.file
        write_cookie_file(path, read_cookie_file(path).rotated(b"new"))
        await node.cookies.reload()
    before = [wire.cuts for wire in wires]
    await until(lambda: all(w.cuts > b for w, b in zip(wires, before, strict=True)))
    for wire in wires:
        wire.cut()
    others = {n: [o.name for o in nodes if o is not n] for n in nodes}
    await until(lambda: all(n.kernel.is_connected(o) for n in nodes for o in others[n]))


async def test_three_nodes_rotate_under_load_and_cuts(tmp_path):
    sent, stop = {}, trio.Event()
    async with ring(tmp_path) as (nodes, wires):
        async with trio.open_nursery() as nursery, trio.open_nursery() as cutters:
            nursery.start_soon(load, nodes, sent, stop)
            cutters.start_soon(burn_fuses, wires, Random(1))
            for _ in range(3):
                await take_step(nodes, wires)
            stop.set()
            cutters.cancel_scope.cancel()
        for wire in wires:
            wire.fuse = None
        await until(lambda: sum(map(len, map(got, nodes))) >= sum(sent.values()))
        for node in nodes:
            for origin in NAMES:
                mine = [number for who, number in got(node) if who == origin]
                assert mine == list(range(sent.get((origin, node.name), 0)))
            assert node.statistics().rejected.get("cookie") is None
            assert node.statistics().undelivered == {}
            assert node.kernel.cookies == [b"new"]
        async with running("late", cookie="old") as late:
            for node in nodes:
                with pytest.raises(WrongCookie):
                    await late.kernel.connect(f"{node.name}@127.0.0.1:{node.port}")


async def test_a_hangup_has_a_serving_node_read_its_file_again(tmp_path, caplog):
    path = tmp_path / "cookie"
    path.write_text("old\n")
    path.chmod(0o644)

    def kept():
        return [r for r in caplog.records if r.msg and "not_reloaded" in r.getMessage()]

    with pytest.raises(ConfigError, match="others can read"):
        async with running("a", cookie=path):
            pass
    path.chmod(0o600)
    async with running("a", cookie=path) as node, trio.open_nursery() as nursery:
        await nursery.start(node.serve_forever)
        path.chmod(0o644)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(kept)
        path.chmod(0o600)
        write_cookie_file(path, CookieFile((b"old", b"new")))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: node.kernel.cookies == [b"old", b"new"])
        assert len(kept()) == 1
        nursery.cancel_scope.cancel()
