"""What the type checker knows of streams; never run.

Each expected error is marked; `warn_unused_ignores` makes a missing one fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from clusterkit import ClusterNode, GenServer, OpenStream, Stream, call, stream

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Files(GenServer):
    @stream
    async def read(self, out: Stream, path: str, *, size: int = 0) -> int:
        await out.send(path)
        out.end()
        assert_type(await out.collect(), Any)
        await out.result()  # type: ignore[attr-defined]
        return size

    @stream
    async def write(self, incoming: Stream) -> None:
        async for piece in incoming:
            assert_type(piece, Any)

    @call
    async def add(self, n: int) -> int:
        return n


class Other(GenServer):
    @stream
    async def read(self, out: Stream, n: int) -> str:
        return str(n)


class More(Files):
    @stream
    async def more(self, out: Stream) -> str:
        return ""


async def opening(node: ClusterNode) -> None:
    files = node.ref(Files, "files", at="bar")
    assert_type(files.stream(Files.read, "x"), OpenStream[int])
    async with files.within(3).stream(Files.read, "x", size=3) as s:
        assert_type(s, OpenStream[int])
        assert_type(await s.result(), int)
        assert_type(await s.finish(), int)
        async for piece in s:
            assert_type(piece, Any)
        s.fail(ValueError())
        await s.send(b"x")
    async with files.stream(Files.write) as w:
        assert_type(w, OpenStream[None])
    async with node.stream("files@bar", "read", "x", timeout=3, size=4) as untyped:
        assert_type(await untyped.result(), Any)
    node.ref(More, "more").stream(Files.read, "x")

    files.stream(Files.read)  # type: ignore[call-arg]
    files.stream(Files.read, 7)  # type: ignore[arg-type]
    files.stream(Files.read, "x", length=1)  # type: ignore[call-arg]
    files.stream(Files.add, 1)  # type: ignore[arg-type]
    files.stream(Other.read, 1)  # type: ignore[arg-type]
    files.stream(More.more)  # type: ignore[arg-type]
    await files.call(Files.read, "x")  # type: ignore[arg-type]
    await files.cast(Files.read, "x")  # type: ignore[arg-type]


async def plain_unit_tests(out: Stream) -> None:
    bound: Coroutine[Any, Any, int] = Files().read(out, "x")
    assert_type(await bound, int)


class Wrong(GenServer):
    @stream  # type: ignore[arg-type]
    async def nothing(self) -> None: ...
