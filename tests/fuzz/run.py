"""Feed targets with inputs of the mutator, as many as asked for.

    python -m tests.fuzz.run [TARGET ...] [--inputs 1000000] [--seed 0] [--first 0]

What makes a target fail is written into the corpus, where every later run of
the tests feeds it first, and said with the numbers that make it again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tracemalloc
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from . import targets
from .mutator import mutated
from .targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

CORPUS = Path(__file__).with_name("corpus")
HANG = 20.0
"""Seconds of work after which some inputs are taken to hold one that hangs."""

SAMPLE = 1000
"""Of so many inputs one has its memory measured."""

MOST_BEFORE = 64 * 1024
"""Bytes that a stranger may cost before it has shown the cookie."""

MOST_BEHIND = 512 * 1024
"""Bytes that any frame may cost behind the seal; a packer of msgpack takes half."""

MOST_PER_BYTE = 200
"""Bytes that one of a frame may cost behind the seal: an empty map takes 64, its
place in a list 8, and the passes over a frame look at it in their own lists."""


def inputs_wanted() -> int:
    """Return how many inputs a target gets when a test runs it."""
    return int(os.environ.get("CLUSTERKIT_FUZZ", "2000"))


def fuzz(target: str, inputs: int, *, seed: int = 0, first: int = 0) -> float:
    """Feed a target; return the seconds of work that the slowest input took.

    Raises:
        AssertionError: An input made it fail; its note says which.
    """
    slowest = 0.0
    for number in range(first, first + inputs):
        data = mutated(target, seed, number)
        begun = process_time()
        try:
            feed(target, data)
            if number % SAMPLE == 0:
                check_memory(target, data)
        except Exception as error:
            error.add_note(f"{_again(target, seed, number)}\n{data.hex()}")
            raise
        slowest = max(slowest, process_time() - begun)
    return slowest


def feed(target: str, data: bytes) -> None:
    """Feed one input."""
    TARGETS[target](data)


def corpus(target: str) -> list[Path]:
    """Return the inputs that are kept for a target, in order."""
    return sorted((CORPUS / target).glob("*.bin"))


def keep(target: str, error: Exception) -> Path:
    """Write the input that an error speaks of into the corpus."""
    data = bytes.fromhex(error.__notes__[-1].splitlines()[-1])
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"found-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    file.write_bytes(data)
    return file


def check_memory(target: str, data: bytes) -> None:
    """See what one input costs, apart from the input itself."""
    how, rest = targets._opened(data)
    if target in ("listener", "dialer") and not how & (targets.SEALED | targets.UP):
        make = getattr(targets, f"a_{target}")
        for _ in range(2):  # the first time fills caches
            peak = _peak(partial(targets._greet, make(how), [rest], targets.SEALED))
        assert peak <= MOST_BEFORE, f"{peak} bytes for a stranger"
    elif target == "session":
        stream = targets._sealed(rest) if how & targets.SEALED else rest
        for _ in range(2):
            peak = _peak(partial(targets.Hearing().hear, [stream]))
        most = MOST_BEHIND + MOST_PER_BYTE * len(stream)
        assert peak <= most, f"{peak} bytes for {len(stream)} of a peer"


def _peak(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def _again(target: str, seed: int, number: int) -> str:
    return (
        f"again: python -m tests.fuzz.run {target} --seed {seed} "
        f"--first {number} --inputs 1"
    )


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"an input takes {HANG:.0f} s and more")


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    for target in options.targets or TARGETS:
        run(target, options.inputs, options.seed, options.first)


def run(target: str, inputs: int, seed: int, first: int) -> None:
    """Feed one target in parts, with a guard against hanging; say how it went."""
    signal.signal(signal.SIGPROF, _hangs)
    begun, slowest = perf_counter(), 0.0
    for part in range(first, first + inputs, SAMPLE):
        signal.setitimer(signal.ITIMER_PROF, HANG)
        some = min(SAMPLE, first + inputs - part)
        try:
            slowest = max(slowest, fuzz(target, some, seed=seed, first=part))
        except Exception as error:
            print(f"kept as {keep(target, error)}", file=sys.stderr)
            raise
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = perf_counter() - begun
    print(
        f"{target}: {inputs:,} inputs in {seconds:,.0f} s, none failed; "
        f"the slowest took {slowest * 1000:.1f} ms",
        flush=True,
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
