"""The prompt's life: ask, carry out, print; through lost connections.

Ctrl-C takes back what is typed, or what runs; Ctrl-D and `exit` end. While the
connection is away commands fail at once, and the prompt says why.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final, Protocol

import trio

from clusterkit.cli.complete import NOTHING_KNOWN, Snapshot
from clusterkit.cli.history import open_history, state_folder
from clusterkit.cli.kept import KeptConnection
from clusterkit.cli.line_runner import LineRunner
from clusterkit.cli.output import OK
from clusterkit.cli.words import commands_of
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clusterkit.cli.client import Destination
    from clusterkit.cli.output import Output

REFRESH: Final = 2.0
"""Seconds between two looks at the names that Tab completes, while idle."""

TERMINATED: Final = 128 + signal.SIGTERM


class Asking(Protocol):
    """What asks for lines; the real one is `prompt.Prompt`."""

    async def ask(self) -> str | None:
        """Return the next line, None at the end."""
        ...

    def redraw(self) -> None:
        """Show the prompt's text anew."""
        ...


class Repl:
    """The state behind a prompt.

    Args:
        to: Which node, and how to be let in.
        output: Where results go.

    Attributes:
        known: The names that Tab completes.
    """

    def __init__(self, to: Destination, output: Output) -> None:
        self.known = NOTHING_KNOWN
        self._to = to
        self._kept = KeptConnection(to, output.note, self._changed)
        self._runner = LineRunner(self._kept, as_json=output.as_json)
        self._running: trio.CancelScope | None = None
        self._prompt: Asking | None = None
        self._stale = trio.Event()
        self._status = OK

    @property
    def text(self) -> str:
        """What the prompt asks with."""
        state = "" if self._kept.connected else " (disconnected)"
        return f"{self._kept.name}{state}> "

    async def run(self, make_prompt: Callable[[Repl], Asking]) -> int:
        """Ask and answer until the end.

        Args:
            make_prompt: Makes what asks; called once the node is there.

        Returns:
            The exit status.

        Raises:
            ClusterError: The node was not there to begin with.
        """
        with collapsed_groups():
            async with trio.open_nursery() as nursery:
                await nursery.start(self._kept.run)
                self._prompt = make_prompt(self)
                nursery.start_soon(self._refresh)
                with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as came:
                    nursery.start_soon(self._obey, came, nursery.cancel_scope)
                    await self._converse(self._prompt)
                nursery.cancel_scope.cancel()
        return self._status

    async def _converse(self, prompt: Asking) -> None:
        while not self._runner.over:
            text = await prompt.ask()
            if text is None:
                return
            with trio.CancelScope() as self._running:
                await self._run_all(text)
            self._running = None
            self._stale.set()

    async def _run_all(self, text: str) -> None:
        """Carry out each line: several come at once when they were pasted."""
        for line in commands_of(text):
            await self._runner.run(line)
            if self._runner.over:
                return

    async def _obey(
        self, came: AsyncIterator[int], everything: trio.CancelScope
    ) -> None:
        """Take signals while no prompt does: it has the keyboard to itself."""
        async for number in came:
            if number == signal.SIGTERM:
                self._status = TERMINATED
                everything.cancel()
            elif self._running is not None:
                self._running.cancel()

    async def _refresh(self) -> None:
        """Look which names there are, after each line and now and then."""
        while True:
            self._stale = trio.Event()  # a line that ends from here on counts
            try:
                client, timeout = self._kept.client, self._to.timeout
                nodes = await client.call("nodes", {}, timeout)
                actors = await client.call("actors", {}, timeout)
            except ClusterError:
                self.known = NOTHING_KNOWN  # the prompt itself says what is wrong
            else:
                self.known = Snapshot.of(self._kept.name, nodes, actors)
            with trio.move_on_after(REFRESH):
                await self._stale.wait()

    def _changed(self) -> None:
        if self._prompt is not None:
            self._prompt.redraw()


async def interact(to: Destination, output: Output) -> int:
    """Run a prompt on this terminal; return the exit status."""

    def make_prompt(repl: Repl) -> Asking:
        from clusterkit.cli.prompt import Prompt

        history = open_history(state_folder(), to.cookies)
        return Prompt(lambda: repl.text, lambda: repl.known, history)

    return await Repl(to, output).run(make_prompt)
