"""A ring of 1,000 nodes with 128 points each: build, look up, add one.

    ring.py clusterkit|uhashring   prints the result

Building ends with the first lookup, because a ring may put work off until then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import measure
from measure import Result, scaled

NODES, POINTS, LOOKUPS, ADDITIONS = 1_000, 128, scaled(50_000), 5

Ring = tuple[
    Callable[[list[str]], Any], Callable[[Any], Any], Callable[[Any, str], Any]
]
"""How to build one of names, to get its lookup, and to have one more node."""


def clusterkit_ring() -> Ring:
    from clusterkit.core import HashRing

    def build(names: list[str]) -> HashRing:
        return HashRing.of([f"{name}@127.0.0.1:7022" for name in names], POINTS)

    def add(ring: HashRing, name: str) -> HashRing:
        return ring.insert(f"{name}@127.0.0.1:7022")

    return build, lambda ring: ring.find, add


def uhashring_ring() -> Ring:
    import uhashring

    def build(names: list[str]) -> Any:
        return uhashring.HashRing(nodes=names, vnodes=POINTS)

    def add(ring: Any, name: str) -> Any:
        ring.add_node(name)
        return ring

    return build, lambda ring: ring.get_node, add


def run(ring_of: Ring) -> Result:
    """Return the milliseconds and microseconds of the three operations."""
    build, lookup, add = ring_of
    names, keys = (
        [f"node{k}" for k in range(NODES)],
        [f"key{k}" for k in range(LOOKUPS)],
    )
    begun = perf_counter()
    ring = build(names)
    find = lookup(ring)
    find("warm")
    built = perf_counter()
    for key in keys:
        find(key)
    found = perf_counter()
    for k in range(ADDITIONS):
        ring = add(ring, f"extra{k}")
        lookup(ring)("warm")
    added = perf_counter()
    return {
        "ring_build_ms": (built - begun) * 1e3,
        "ring_lookup_us": (found - built) / LOOKUPS * 1e6,
        "ring_add_ms": (added - found) / ADDITIONS * 1e3,
    }


if __name__ == "__main__":
    kinds = {"clusterkit": clusterkit_ring, "uhashring": uhashring_ring}
    measure.emit(run(kinds[sys.argv[1]]()))
