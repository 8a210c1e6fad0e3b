"""`cluster-cli demo`: three nodes, a call, a kill, and a ring that heals.

The nodes are real processes of `cluster-cli run` on loopback, with a cookie and
state files of their own in a folder that goes away at the end. Everything shown
is read from the live cluster.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cli.client import Client, Destination, open_client
from clusterkit.cli.destination import TLS_VARIABLES
from clusterkit.cli.output import OK
from clusterkit.cli.ring_picture import bar
from clusterkit.cluster.cookies import COOKIE_VARIABLE
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.errors import ClusterError, ConfigError, NodeDown
from clusterkit.names import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clusterkit.cli.output import Output

NAMES: Final = ("foo", "bar", "baz")

ACTORS: Final = ("counter:Counter", "journal:Journal", "guide:Guide")

PATIENCE: Final = 10.0
"""Seconds that each step may take; on an idle machine none takes one."""

LOOK: Final = 0.02
"""Seconds between two looks at what another process does."""


@dataclass(slots=True)
class NodeProcess:
    """One node of the demo, and the process it runs in."""

    name: str
    port: int
    folder: Path
    cookie: str = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """As `meet` takes it."""
        return f"{self.name}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process; it does not wait for it to be ready."""
        actors = [
            f"--actor={name}={__package__}.demo_actors:{cls}"
            for name, cls in (actor.split(":") for actor in ACTORS)
        ]
        state = self.folder / f"{self.name}.state"
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [
                    *(sys.executable, "-m", "clusterkit", "run", self.name),
                    *(f"--port={self.port}", f"--state={state}", *actors),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment() | {COOKIE_VARIABLE: self.cookie},
                # A Ctrl-C at the prompt is for the prompt alone.
                start_new_session=True,
            )

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End the process in good order; at once if it does not obey."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None


def _environment() -> dict[str, str]:
    """Return the environment of the nodes, whose links are in clear: on loopback."""
    of_tls = set(TLS_VARIABLES.values())
    return {k: v for k, v in os.environ.items() if k not in of_tls}


class Demo:
    """The story, told step by step.

    Args:
        nodes: The three.
        cookie: Theirs.
        tell: Prints a line.
    """

    def __init__(
        self, nodes: dict[str, NodeProcess], cookie: str, tell: Callable[[str], None]
    ) -> None:
        self._nodes = nodes
        self._cookie = cookie
        self._tell = tell

    def destination(self, name: str) -> Destination:
        """Return how to reach a node."""
        return Destination(
            address=Address("127.0.0.1", self._nodes[name].port),
            cookies=(self._cookie.encode(),),
            instance=name,
        )

    async def play(self) -> None:
        """Show everything.

        Raises:
            ClusterError: A step did not come about in time.
        """
        self._title("Three processes, each a node with three actors")
        for node in self._nodes.values():
            node.start()
        async with self._client("foo") as foo:
            await self._meet(foo)
            await self._call(foo)
            await self._queue(foo)
            await self._heal(foo)

    async def _meet(self, foo: Client) -> None:
        for name in self._nodes:
            async with self._client(name):
                self._tell(f"  {self._nodes[name].address} is ready")
        self._title("foo meets bar and baz: gossip makes them one ring")
        for name in NAMES[1:]:
            node = self._nodes[name]
            values = {"id": name, "host": "127.0.0.1", "port": node.port}
            await foo.call("meet", {**values, "timeout": PATIENCE}, PATIENCE)
            self._tell(f"  foo> meet {name} 127.0.0.1 {node.port}")
        for name in self._nodes:
            await self._until(f"{name} to know all three", self._sees, name, 3)
        await self._show_ring(foo)

    async def _call(self, foo: Client) -> None:
        self._title("An actor on foo casts and calls the counter on bar")
        self._tell("  await counter.cast(Counter.reset)")
        total = await self._ask(foo, "guide", "count", "bar", 5)
        self._tell(f"  await counter.call(Counter.add, 5)      -> {total}")
        total = await self._ask(foo, "counter@baz", "add", 7)
        self._tell(f"  foo> call counter@baz add 7             -> {total}")

    async def _queue(self, foo: Client) -> None:
        bar = self._nodes["bar"]
        self._title(f"kill -9 bar (process {bar.process.pid if bar.process else '-'})")
        bar.kill()
        await self._until("foo to notice", self._link_is_down, foo, "bar")
        await self._ask(foo, "guide", "note", "bar", 1, 10)
        [link] = [
            x for x in await foo.call("links", {}, PATIENCE) if x["node"] == "bar"
        ]
        self._tell(f"  foo casts 1 to 10 to bar's journal: {link['outbox']} queued")
        bar.start()
        async with self._client("bar") as restarted:
            self._tell("  bar is back, from its state file")
            await self._until("the casts", self._has_lines, restarted, 10)
            lines = await self._ask(restarted, "journal", "read")
        if lines != list(range(1, 11)):
            raise ClusterError(f"bar's journal reads {lines}")
        self._tell(
            f"  bar's journal: {' '.join(map(str, lines))}  (all, in order, once)"
        )

    async def _heal(self, foo: Client) -> None:
        self._title("The ring heals by itself: bar is a member again")
        for name in self._nodes:
            await self._until(f"{name} to know all three", self._sees, name, 3)
        await self._show_ring(foo)

    async def _show_ring(self, foo: Client) -> None:
        for row in await foo.call("ring", {}, PATIENCE):
            share = row["share"]
            self._tell(f"  {row['id']}  {share:6.1%}  {bar(share)}")

    async def _ask(self, client: Client, target: str, event: str, *args: Any) -> Any:
        values = {"target": target, "event": event, "args": list(args)}
        return await client.call("call", {**values, "timeout": PATIENCE}, PATIENCE)

    async def _sees(self, name: str, members: int) -> bool:
        async with self._client(name) as client:
            return len(await client.call("nodes", {}, PATIENCE)) == members

    async def _link_is_down(self, client: Client, peer: str) -> bool:
        links = await client.call("links", {}, PATIENCE)
        return all(link["state"] != "up" for link in links if link["node"] == peer)

    async def _has_lines(self, client: Client, count: int) -> bool:
        return len(await self._ask(client, "journal", "read")) >= count

    async def _until(
        self, what: str, condition: Callable[..., Awaitable[bool]], *args: Any
    ) -> None:
        """Look until something of another process has come about."""
        with trio.move_on_after(PATIENCE):
            while not await condition(*args):  # noqa: ASYNC110 - of a process
                await trio.sleep(LOOK)
            return
        raise ClusterError(f"waited {PATIENCE:g} s in vain for {what}")

    @asynccontextmanager
    async def _client(self, name: str) -> AsyncIterator[Client]:
        """Connect to a node as soon as it is there."""
        async with AsyncExitStack() as stack:
            yield await self._connect(name, stack)

    async def _connect(self, name: str, stack: AsyncExitStack) -> Client:
        deadline = trio.current_time() + PATIENCE
        while True:
            try:
                return await stack.enter_async_context(
                    open_client(self.destination(name))
                )
            except NodeDown:
                if trio.current_time() >= deadline:
                    raise
            self._check_alive(name)
            await trio.sleep(LOOK)

    def _check_alive(self, name: str) -> None:
        process = self._nodes[name].process
        if process is not None and process.poll() is not None:
            log = self._nodes[name].folder / f"{name}.log"
            raise ClusterError(f"{name} could not start:\n{log.read_text()}")

    def _title(self, text: str) -> None:
        self._tell(f"\n{text}")


async def run_demo(output: Output) -> int:
    """Show the demo; hand the live cluster to a prompt if there is a terminal.

    Args:
        output: Where it tells.

    Returns:
        The exit status.

    Raises:
        ClusterError: A step did not come about; the text says which.
    """
    cookie = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="clusterkit-demo-") as folder:
        ports = free_ports(len(NAMES))
        nodes = {
            name: NodeProcess(name, port, Path(folder), cookie)
            for name, port in zip(NAMES, ports, strict=True)
        }
        demo = Demo(nodes, cookie, output.text)
        try:
            with collapsed_groups():
                await demo.play()
            if not sys.stdin.isatty() or not sys.stdout.isatty():
                output.text("\ndemo: ok")
                return OK
            output.text("\nThe cluster is yours: try nodes, ring, links, help, exit.\n")
            from clusterkit.cli.repl import interact

            return await interact(demo.destination("foo"), output)
        finally:
            await stop_all(list(nodes.values()))


async def stop_all(nodes: list[NodeProcess]) -> None:
    """Stop the processes, all at once, whatever has happened."""
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(partial(trio.to_thread.run_sync, node.stop))


def free_ports(count: int) -> list[int]:
    """Return ports that were free on loopback just now."""
    with_sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in with_sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in with_sockets]
    except OSError as error:
        raise ConfigError(f"no free port on 127.0.0.1: {error.strerror}") from error
    finally:
        for sock in with_sockets:
            sock.close()
