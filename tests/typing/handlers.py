"""What the type checker knows of handlers and references; never run.

Each expected error is marked; `warn_unused_ignores` makes a missing one fail.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, assert_type

from clusterkit import (
    ActorRef,
    Answer,
    ClusterNode,
    GenServer,
    call,
    cast,
    create_cluster,
    later,
)
from clusterkit.events import Event, EventsLost, LinkDown, LinkUp

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Counter(GenServer):
    def __init__(self, start: int = 0) -> None:
        self.value = start

    @call
    async def add(self, n: int, *, twice: bool = False) -> int:
        self.value += n * (1 + twice)
        return self.value

    @call(concurrent=True)
    async def slow(self, text: str) -> str:
        return text

    @call(cancellable=True)
    async def patient(self) -> int:
        return later()

    @cast
    async def reset(self) -> None:
        self.value = 0
        assert_type(self.node, ClusterNode)


class Better(Counter):
    @call
    async def more(self) -> list[int]:
        return [self.value]


class Other(GenServer):
    @call
    async def add(self, n: str) -> str:
        return n


async def references(node: ClusterNode) -> None:
    counter = node.ref(Counter, "counter", at="bar")
    assert_type(counter, ActorRef[Counter])
    assert_type(await counter.call(Counter.add, 5), int)
    assert_type(await counter.call(Counter.add, 5, twice=True), int)
    assert_type(await counter.call(Counter.slow, "x"), str)
    assert_type(await counter.call(Counter.patient), int)
    assert_type(await counter.cast(Counter.reset), None)
    assert_type(counter.within(0.5), ActorRef[Counter])
    counter.cast_nowait(Counter.reset)

    await counter.call(Counter.add, "5")  # type: ignore[arg-type]
    await counter.call(Counter.add)  # type: ignore[call-arg]
    await counter.call(Counter.add, 5, thrice=True)  # type: ignore[call-arg]
    await counter.call(Counter.reset)  # type: ignore[arg-type]
    await counter.cast(Counter.add, 5)  # type: ignore[arg-type]
    await counter.call(Other.add, "5")  # type: ignore[arg-type]


async def subclasses(node: ClusterNode) -> None:
    better = node.ref(Better, "better")
    assert_type(await better.call(Counter.add, 5), int)
    assert_type(await better.call(Better.more), list[int])

    counter = node.ref(Counter, "counter")
    await counter.call(Better.more)  # type: ignore[arg-type]


async def starting(node: ClusterNode) -> None:
    assert_type(await node.start("counter", Counter), ActorRef[Counter])
    assert_type(await node.start(None, Counter, 5), ActorRef[Counter])
    assert_type(await node.start("x", partial(Counter, 5)), ActorRef[Counter])
    assert_type(await node.start("plain", GenServer()), ActorRef[GenServer])

    await node.start("counter", Counter, "5")  # type: ignore[call-overload]
    await node.start("counter", Counter, 5, restart="never")  # type: ignore[call-arg]


async def many(node: ClusterNode) -> None:
    typed = await node.multi_call(["a", "b"], "counter", Counter.add, 1)
    assert_type(typed, list[Answer[int]])
    untyped = await node.multi_call(None, "counter", "add", 1, timeout=1.0)
    assert_type(untyped, list[Answer[Any]])


async def plain_unit_tests() -> None:
    bound: Coroutine[Any, Any, int] = Counter(1).add(2)
    assert_type(await bound, int)


async def embedding() -> None:
    async with create_cluster(
        "foo", cookie="c", actors={"a": Counter, "b": partial(Counter, 5)}
    ) as node:
        assert_type(node, ClusterNode)
        async with node.events(LinkUp) as events:
            async for event in events:
                assert_type(event, LinkUp | EventsLost)
                if isinstance(event, LinkUp):
                    assert_type(event.peer, str)
        async with node.events(LinkUp, LinkDown) as both:
            async for either in both:
                assert_type(either, Event | EventsLost)
        async with node.events() as everything:
            async for anything in everything:
                assert_type(anything, Event | EventsLost)
