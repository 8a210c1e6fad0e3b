"""Files that are larger than a message: read from another node, and written to it."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import trio

from clusterkit import ActorRef, GenServer, Rejected, Stream, create_cluster, stream

PIECE = 32 * 1024


class NoSuchFile(Rejected):
    code = "no_such_file"


class Files(GenServer):
    def __init__(self, folder: str) -> None:
        self.folder = trio.Path(folder)

    @stream
    async def read(self, out: Stream, name: str) -> int:
        """Send a file; return how many bytes that was."""
        try:
            async with await trio.open_file(self.folder / name, "rb") as file:
                while piece := await file.read(PIECE):
                    await out.send(piece)
                return await file.tell()
        except FileNotFoundError:
            raise NoSuchFile(name) from None

    @stream
    async def write(self, incoming: Stream, name: str) -> int:
        """Keep what comes in a file; the name is there once all of it is."""
        part = self.folder / f"{name}.part"
        try:
            async with await trio.open_file(part, "wb") as file:
                async for piece in incoming:
                    await file.write(piece)
                size = await file.tell()
            await part.rename(self.folder / name)
            return size
        finally:  # also when the stream breaks, and the handler is cancelled
            with trio.CancelScope(shield=True):
                await part.unlink(missing_ok=True)

    @stream
    async def grep(self, lines: Stream, word: str) -> int:
        """Send back the lines with a word in them, while more are coming."""
        found = 0
        async for line in lines:
            if word in line:
                await lines.send(line)
                found += 1
        return found


async def visit(files: ActorRef[Files]) -> None:
    async with files.stream(Files.write, "large") as out:
        for number in range(100):
            await out.send(bytes([number]) * 100_000)
        print("written:", await out.finish())

    size = 0
    async with files.stream(Files.read, "large") as incoming:
        async for piece in incoming:
            size += len(piece)
        print("read:", size, "of", await incoming.result())

    async with files.stream(Files.read, "large") as incoming:
        print("it begins with", (await anext(incoming))[:3], "and that is enough")

    try:
        async with files.stream(Files.read, "none") as incoming:
            await incoming.collect()
    except NoSuchFile as error:
        print("refused:", error)

    async with files.stream(Files.grep, "apple") as lines:
        for line in ("apple pie", "pear tart", "an apple"):
            await lines.send(line)
        lines.end()
        print("found:", await lines.collect())


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with (
            create_cluster("foo", port=0, cookie="monster") as foo,
            create_cluster("bar", port=0, cookie="monster") as bar,
        ):
            await bar.start("files", Files, folder)
            await foo.meet(bar.address)
            await visit(foo.ref(Files, "files", at="bar"))


if __name__ == "__main__":
    trio.run(main)
