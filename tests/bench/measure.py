"""What each workload does and counts, whoever is measured.

Peers differ in their calls, not in the loops around them, so the loops live
here and take the calls as arguments. Times come from `perf_counter`; a result
is a flat map of the metric names that `table.py` prints.
"""

from __future__ import annotations

import cProfile
import gc
import json
import math
import os
import resource
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    Call = Callable[..., Awaitable[Any]]

Result = dict[str, float]

SCALE = float(os.environ.get("BENCH_SCALE", "1"))


def scaled(count: int) -> int:
    """Return `count` times BENCH_SCALE, at least 10."""
    return max(10, int(count * SCALE))


WARM_UP, SEQUENTIAL = scaled(500), scaled(5_000)
CALLERS, CONCURRENT = 64, scaled(50_000)
CASTS, BLOBS = scaled(200_000), scaled(200)
LOCAL_CALLS, LOCAL_CASTS = scaled(20_000), scaled(100_000)
IDLE_ACTORS = scaled(10_000)

PAYLOAD = {"n": 12345, "s": "hello world"}
BLOB = bytes(range(256)) * 4096  # 1 MiB
COOKIE = "bench"


def latencies(samples: Iterable[float]) -> Result:
    """Return W1's median and 99th percentile of `samples` (seconds)."""
    ordered = sorted(samples)
    return {
        "w1_p50_us": ordered[len(ordered) // 2] * 1e6,
        "w1_p99_us": ordered[int(len(ordered) * 0.99)] * 1e6,
    }


async def sequential(echo: Call) -> Result:
    """W1: one call after the other; how long each takes."""
    for _ in range(WARM_UP):
        await echo()
    samples = []
    for _ in range(SEQUENTIAL):
        begun = perf_counter()
        await echo()
        samples.append(perf_counter() - begun)
    return latencies(samples)


async def concurrent(echo: Call) -> Result:
    """W2: 64 callers, each with one call in flight."""
    each = math.ceil(CONCURRENT / CALLERS)

    async def caller() -> None:
        for _ in range(each):
            await echo()

    begun = perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(CALLERS):
            nursery.start_soon(caller)
    return {"w2_cps": each * CALLERS / (perf_counter() - begun)}


async def casts(inc: Call, fence: Call) -> Result:
    """W3: casts from one sender to one actor, fenced by a call that counts."""
    return {"w3_mps": await cast_rate(inc, fence, CASTS)}


async def bulk(size: Call) -> Result:
    """W4: calls with 1 MiB of binary, one after the other."""
    begun = perf_counter()
    for _ in range(BLOBS):
        if await size() != len(BLOB):
            raise AssertionError("the answer is not the length of the binary")
    return {"w4_mbps": BLOBS * len(BLOB) / 1e6 / (perf_counter() - begun)}


async def local(echo: Call, inc: Call, fence: Call) -> Result:
    """W5: calls and casts to an actor in the same process."""
    begun = perf_counter()
    for _ in range(LOCAL_CALLS):
        await echo()
    calls = LOCAL_CALLS / (perf_counter() - begun)
    return {"w5_call": calls, "w5_cast": await cast_rate(inc, fence, LOCAL_CASTS)}


async def cast_rate(inc: Call, fence: Call, count: int) -> float:
    """Return casts per second, until the last one has been handled."""
    begun = perf_counter()
    for _ in range(count):
        await inc()
    if await fence() != count:
        raise AssertionError("casts were lost")
    return count / (perf_counter() - begun)


async def idle(start: Call) -> Result:
    """W6: resident bytes that an idle actor adds, and what starting one takes."""
    gc.collect()
    before, begun = resident(), perf_counter()
    for _ in range(IDLE_ACTORS):
        await start()
    elapsed = perf_counter() - begun
    # Actors that have never run hold nothing yet: let each reach its mailbox.
    await trio.testing.wait_all_tasks_blocked()
    return {
        "w6_rss_b": (resident() - before) / IDLE_ACTORS,
        "w6_spawn_us": elapsed / IDLE_ACTORS * 1e6,
    }


async def remote(
    only: str, *, echo: Call, inc: Call, fence: Call, size: Call
) -> Result:
    """Run those of W1 to W4 that `only` names, for a peer that has all."""
    steps = {
        "W1": partial(sequential, echo),
        "W2": partial(concurrent, echo),
        "W3": partial(casts, inc, fence),
        "W4": partial(bulk, size),
    }
    result: Result = {}
    for name in wanted(steps, only):
        result |= await steps[name]()
    return result


def wanted(names: Iterable[str], only: str) -> list[str]:
    """Return those of `names` that `only` has; all when it is empty."""
    chosen = only.split(",") if only else []
    return [name for name in names if not chosen or name in chosen]


def resident() -> int:
    """Return the resident bytes of this process."""
    statm = Path("/proc/self/statm")
    if not statm.exists():  # macOS: the peak, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def profiled(process: str) -> Iterator[None]:
    """Profile the block into BENCH_PROFILE/`process`, if that is set."""
    folder = os.environ.get("BENCH_PROFILE")
    if folder is None:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    profile.dump_stats(Path(folder, process))


def emit(result: Result) -> None:
    """Hand `result` to the harness, as its one line of interest."""
    sys.stdout.write(f"RESULT {json.dumps(result)}\n")
    sys.stdout.flush()


async def until_closed() -> None:
    """Return when the standard input is closed: the harness is done, or gone."""
    async with trio.lowlevel.FdStream(os.dup(0)) as stream:
        while await stream.receive_some():
            pass
