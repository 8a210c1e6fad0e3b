"""A member may write anything under the names that are clusterkit's own; others live on."""

from __future__ import annotations

import msgpack
import trio
import trio.lowlevel

from clusterkit.testing import simulate

from .rings import form, until

KEYS = (
    *("_master", "_master2", "_channels", "_channels2", "_status", "_new"),
    *("_kept.k", "_kept.a.b", "_kept.*", "_kept.", "_kept.promotion"),
    *(
        "_service.x",
        "_service.",
        "_service.no name",
        "_service.é",
        f"_service.{'z' * 101}",
    ),
)
PLAIN = (
    *(None, True, 0, -1, 2**63, 2**64 - 1, 0.0, float("nan"), float("inf"), b"\xff"),
    *("", "x" * 500, "*", "a.b", "promotion", "k..b", "\0"),
    *(msgpack.ExtType(code, b"\x93\xc1") for code in (0, 5, 77)),
)
STEPS = 300


def anything(rng, depth=3):
    """Return a value, deeper or not."""
    if not depth or rng.random() < 0.5:
        return rng.choice(PLAIN)
    if rng.random() < 0.2:
        return {"a": anything(rng, depth - 1), 1: anything(rng, depth - 1)}
    return [anything(rng, depth - 1) for _ in range(rng.randrange(6))]


def nearly(rng, key):
    """Return what is almost what a node says under a key, or just that."""
    number = rng.choice((0, 1, 2, 2**62, 2**63 - 1))
    shapes = {
        "_master": [1.0, True, number, rng.randrange(5), number],
        "_channels": ["a.b", "*", rng.choice(PLAIN)] * rng.choice((1, 20)),
        "_service.x": ["info", number],
        "_kept.k": [[number, number], anything(rng)],
    }
    shape = list(shapes.get(key, [anything(rng), number]))
    if rng.random() < 0.6:
        shape[rng.randrange(len(shape))] = anything(rng)
    return shape


def written(rng, key):
    """Return bytes: of a value, of half of one, or of one that is too deep."""
    if rng.random() < 0.05:
        return b"\x91" * rng.choice((63, 64, 65, 200)) + b"\x01"
    value = nearly(rng, key) if rng.random() < 0.6 else anything(rng)
    data = msgpack.packb(value)
    return data if rng.random() < 0.95 else data[:-1] or b"\xc1"


def test_what_a_member_announces_harms_nobody(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")

        async def handle(_):
            await trio.lowlevel.checkpoint()

        a.channels.join("*", handle, kept=True)
        a.services.setup("x", handle)
        for node in (a, b):
            node.masters.stand()
        for _ in range(STEPS):
            key = sim.rng.choice(KEYS)
            b.state._book._write(key, written(sim.rng, key))
            if sim.rng.random() < 0.1:
                b.state._book.delete(key)
            if sim.rng.random() < 0.3:
                await trio.sleep(0.3 * sim.rng.random())
        await until(lambda: a.state.keys("b") == b.state.keys("b"))
        for node in (a, b):
            assert node.phase == "running"
            assert set(node.services.names()) <= {"x"}
            assert {epoch.name for epoch in node.masters.all()} <= {"a", "b"}
            assert set(node.channels.members("a.b")) <= {"a", "b"}
        for key in KEYS:
            b.state._book.delete(key)
        b.masters.stand()
        b.services.advertise("x", "at last")
        await until(lambda: [one.info for one in a.services.all("x")] == ["at last"])
        await until(lambda: a.masters.all() == b.masters.all() != ())

    simulate(main, seed=sim_seed)
