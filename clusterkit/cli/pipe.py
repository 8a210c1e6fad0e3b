"""Commands on standard input that is no terminal, one a line."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.cli.kept import KeptConnection
from clusterkit.cli.line_runner import LineRunner
from clusterkit.cli.output import OK
from clusterkit.cluster.groups import collapsed_groups

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from clusterkit.cli.client import Destination
    from clusterkit.cli.output import Output

STDIN: Final = 0
_READ_BYTES = 65_536


async def run_lines(to: Destination, output: Output) -> int:
    """Carry out the lines of standard input until its end, or `exit`.

    A line that fails does not keep the next one from being tried.

    Returns:
        The status of the first line that failed, else 0.

    Raises:
        ClusterError: The node was not there to begin with.
    """
    status = OK
    with collapsed_groups():
        async with trio.open_nursery() as nursery:
            kept = KeptConnection(to)
            await nursery.start(kept.run)
            runner = LineRunner(kept, as_json=output.as_json)
            async with aclosing(lines(STDIN)) as typed:
                async for line in typed:
                    came_of_it = await runner.run(line)
                    status = status or came_of_it
                    if runner.over:
                        break
            nursery.cancel_scope.cancel()
    return status


async def lines(descriptor: int) -> AsyncGenerator[str, None]:
    """Yield the lines that can be read from a file descriptor, as they come.

    Its mode stays as it is: it is shared with the processes before and after.
    """
    rest = b""
    while True:
        data = await _read(descriptor)
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
        if not data:
            if rest:
                yield rest.decode(errors="replace")
            return


async def _read(descriptor: int) -> bytes:
    try:
        await trio.lowlevel.wait_readable(descriptor)
    except PermissionError:  # epoll takes no plain files; those never keep waiting
        await trio.lowlevel.checkpoint()
    return os.read(descriptor, _READ_BYTES)
