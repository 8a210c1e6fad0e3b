"""What trio itself allows, without actors: the ceilings of the table.

`bare`: an echo of 32 bytes over `trio.SocketStream`, a pair of task wake-ups,
a task with a deque; no codec, no signature. `sealed`: records in MessagePack,
all that wait in one frame with a counter and an HMAC; handlers are plain
functions. It has no timeouts, resume, bounds, lanes or error paths, so it says
how fast signed messages can be, not how fast a cluster should be.

    baseline.py server bare|sealed             prints READY and the port
    baseline.py client bare|sealed PORT ONLY   prints the result
"""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import measure
import trio
from measure import BLOB, BLOBS, LOCAL_CALLS, PAYLOAD, Result
from sealed import Wire
from trio import lowlevel

if TYPE_CHECKING:
    from measure import Call

ECHO, COUNT = b"E", b"C"
MESSAGE = b"x" * 32


async def serve_bare(stream: trio.SocketStream) -> None:
    """Echo what comes, or answer each MiB with a byte, as the first byte says."""
    mode = await stream.receive_some(1)
    while mode == ECHO and (data := await stream.receive_some(65_536)):
        await stream.send_all(data)
    counted = 0
    while mode == COUNT and (data := await stream.receive_some(262_144)):
        counted += len(data)
        if counted >= len(BLOB):
            counted -= len(BLOB)
            await stream.send_all(ECHO)


async def serve_sealed(stream: trio.SocketStream) -> None:
    """Answer records until the client goes."""
    count = 0

    def handle(event: str, value: Any) -> Any:
        nonlocal count
        if event == "inc":
            count += 1
        elif event == "fence":
            fenced, count = count, 0
            return fenced
        return len(value) if event == "size" else value

    await Wire(stream.socket, handle).run()


async def server(kind: str) -> None:
    """Serve connections until the harness closes our standard input."""
    handler = serve_bare if kind == "bare" else serve_sealed
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handler, [listener])
        print("READY", listener.socket.getsockname()[1], flush=True)
        await measure.until_closed()
        nursery.cancel_scope.cancel()


async def client_bare(port: int, only: str) -> Result:
    """Measure the echo, the bulk transfer, wake-ups and idle tasks."""
    steps: dict[str, Call] = {
        "W1": partial(bare_echo, port),
        "W4": partial(bare_bulk, port),
        "W5": wake_ups,
        "W6": idle_tasks,
    }
    result: Result = {}
    # W6 first, as everywhere: later it would find freed memory to reuse.
    for name in sorted(measure.wanted(steps, only), reverse=True):
        result |= await steps[name]()
    return result


async def bare_echo(port: int) -> Result:
    """W1: 32 bytes there and back."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(ECHO)

        async def echo() -> None:
            await stream.send_all(MESSAGE)
            missing = len(MESSAGE)
            while missing:
                missing -= len(await stream.receive_some(missing))

        return await measure.sequential(echo)


async def bare_bulk(port: int) -> Result:
    """W4: 1 MiB there, a byte back."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(COUNT)
        begun = perf_counter()
        for _ in range(BLOBS):
            await stream.send_all(BLOB)
            await stream.receive_some(1)
        return {"w4_mbps": BLOBS * len(BLOB) / 1e6 / (perf_counter() - begun)}


async def wake_ups() -> Result:
    """W5: a task wakes another and is woken by it, nothing else."""
    parked: deque[lowlevel.Task] = deque()

    async def park() -> None:
        parked.append(lowlevel.current_task())
        await lowlevel.wait_task_rescheduled(lambda _: lowlevel.Abort.SUCCEEDED)

    async def other() -> None:
        while True:
            await park()
            lowlevel.reschedule(parked.popleft())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await trio.testing.wait_all_tasks_blocked()
        begun = perf_counter()
        for _ in range(LOCAL_CALLS):
            lowlevel.reschedule(parked.popleft())
            await park()
        elapsed = perf_counter() - begun
        nursery.cancel_scope.cancel()
    return {"w5_call": LOCAL_CALLS / elapsed}


class Idle:
    """The least an actor has: a queue, some state, a task that sleeps."""

    def __init__(self) -> None:
        self.mailbox: deque[object] = deque()
        self.state: dict[str, object] = {}

    async def run(self) -> None:
        await trio.sleep_forever()


async def idle_tasks() -> Result:
    """W6: a sleeping task with a deque and a dict."""
    async with trio.open_nursery() as nursery:

        async def start() -> None:
            nursery.start_soon(Idle().run)
            await lowlevel.checkpoint()

        result = await measure.idle(start)
        nursery.cancel_scope.cancel()
    return result


async def client_sealed(port: int, only: str) -> Result:
    """Measure W1 to W4."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    wire = Wire(stream.socket)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run)
        result = await measure.remote(
            only,
            echo=partial(wire.call, "echo", PAYLOAD),
            inc=partial(wire.cast, "inc", PAYLOAD),
            fence=partial(wire.call, "fence", None),
            size=partial(wire.call, "size", BLOB),
        )
        nursery.cancel_scope.cancel()
    return result


def main(role: str, kind: str, port: str = "0", only: str = "") -> None:
    """Run one process of one baseline."""
    if role == "server":
        trio.run(server, kind)
    else:
        client = client_bare if kind == "bare" else client_sealed
        measure.emit(trio.run(client, int(port), only))


if __name__ == "__main__":
    main(*sys.argv[1:])
