"""Whatever befalls the connection: nothing lost, nothing twice, all in order."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.waiting import until

from .chaos import KINDS, Frames, chaotic, plan
from .nodes import running
from .processes import process
from .talk import CONFIG, Ear, Talker, waits

MESSAGES, FAULTS, REACH = 3_000, 10, 200_000
PROGRAM = Path(__file__).with_name("talk_program.py")
MANY = int(os.environ.get("CLUSTERKIT_CHAOS", "0"))
"""Messages each way of the long form; 0 leaves it out."""


async def test_a_plan_of_faults_loses_nothing(sim_seed):
    async with chaotic(plan(sim_seed, FAULTS, REACH)) as chaos:
        to_a, to_b = chaos.wires
        ears = {"ear": partial(Ear, sim_seed)}
        start = partial(running, config=CONFIG, actors=ears)
        async with (
            start("b", advertise=f"127.0.0.1:{to_b.port}") as b,
            start("a", advertise=f"127.0.0.1:{to_a.port}") as a,
        ):
            to_a.target, to_b.target = a.port, b.port
            await a.kernel.connect(b.address)
            await converse(chaos, a, b, sim_seed)


async def converse(chaos, a, b, seed):
    talkers = [
        Talker(node, peer.name, MESSAGES, seed, lambda: chaos.left)
        for node, peer in ((a, b), (b, a))
    ]
    async with trio.open_nursery() as nursery:
        for talker in talkers:
            nursery.start_soon(talker.run)
    for node, talker in zip((b, a), talkers, strict=True):
        ear = node._runtime.local("ear").server
        await until(lambda e=ear, t=talker: e.faults or e.heard == t.said)
        assert ear.faults == [], seed
        assert node.statistics().undelivered == {}, seed
    assert a.kernel.links()[0].reconnects >= FAULTS // 2


@pytest.mark.skipif(not MANY, reason="CLUSTERKIT_CHAOS says how many messages")
@pytest.mark.timeout(300 + MANY // 100)
async def test_a_long_plan_between_two_processes_loses_nothing(sim_seed):
    """Run it with `-s`: it prints how long the outages were."""
    cuts = max(FAULTS, MANY // 2000)  # 50 in 100,000
    async with chaotic(plan(sim_seed, cuts * 5 // 4, MANY * 800 // cuts)) as chaos:
        to_a, to_b = chaos.wires
        start = partial(process, program=PROGRAM)
        async with (
            start("a", to_a.port, MANY, sim_seed) as a,
            start("b", to_b.port, MANY, sim_seed) as b,
        ):
            to_a.target, to_b.target = a.port, b.port
            reports = await drive(chaos, a, b)
    for report in reports:
        assert report["faults"] == [], sim_seed
        assert report["undelivered"] == report["refused"] == {}, sim_seed
    assert sum(fault.kind != "stall" for fault in chaos.done) >= cuts
    tell(chaos, reports)


async def drive(chaos, a, b):
    """Let two programs talk until the plan is carried out; return their reports."""
    to_a, to_b = chaos.wires
    await a.say(f"b@127.0.0.1:{to_b.port}")
    await b.say(f"a@127.0.0.1:{to_a.port}")
    await until(lambda: not chaos.left, 300 + MANY // 100)
    for node in (a, b):
        await node.say("enough")
    said = [await node.line() for node in (a, b)]
    for node, text in zip((b, a), said, strict=True):
        await node.say(text)
    return [json.loads(await node.line()) for node in (a, b)]


def tell(chaos, reports):
    heard = [sum(report["heard"].values()) for report in reports]
    lasted = waits(
        [span for report in reports for span in report["spans"]], chaos.healed
    )
    kinds = Counter(fault.kind for fault in chaos.done)
    reasons = sum((Counter(report["reasons"]) for report in reports), Counter())
    print(f"\n{heard[0]:,} and {heard[1]:,} messages, none lost, repeated or reordered")
    print(f"faults: {dict(kinds)}\nlinks went down: {dict(reasons)}")
    print(
        f"{len(lasted)} outages: p50 {lasted[len(lasted) // 2] * 1000:.0f} ms, "
        f"p99 {lasted[int(len(lasted) * 0.99)] * 1000:.0f} ms, "
        f"longest {lasted[-1] * 1000:.0f} ms (500 must, 100 aim)"
    )


def test_a_plan_is_a_function_of_its_seed():
    assert plan(1, 20, 1000) == plan(1, 20, 1000) != plan(2, 20, 1000)
    assert {fault.kind for fault in plan(1, len(KINDS), 1000)} == KINDS.keys()


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_frames_are_followed_in_any_pieces(size):
    lengths = [0, 5, 200, 1, 40]
    data = b"".join(n.to_bytes(4, "big") + bytes(n) for n in lengths)
    frames, found = Frames(), []
    for at in range(0, len(data), size):
        found += frames.feed(data[at : at + size])
    ends = [sum(lengths[: n + 1]) + 4 * (n + 1) for n in range(len(lengths))]
    assert found == list(zip([0, *ends], ends, strict=False))
    assert frames.real
