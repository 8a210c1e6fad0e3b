"""Typed lines, one after the other, over a kept connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.cli.help_pages import page
from clusterkit.cli.output import OK, Output
from clusterkit.cli.parser import parse_line
from clusterkit.cli.perform import perform, perform_here
from clusterkit.cli.words import split
from clusterkit.cluster.command_spec import Where
from clusterkit.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clusterkit.cli.kept import KeptConnection


class LineRunner:
    """Runs lines.

    Args:
        kept: The connection.
        as_json: Print JSON whatever a line says.

    Attributes:
        over: Whether `exit` was typed.
    """

    def __init__(self, kept: KeptConnection, *, as_json: bool) -> None:
        self._kept = kept
        self._as_json = as_json
        self.over = False

    async def run(self, line: str) -> int:
        """Carry out a line and print what came of it.

        Empty ones, and those that begin with `#`, do nothing.

        Returns:
            The exit status it would have in a shell.
        """
        output = Output(as_json=self._as_json, at_prompt=True)
        try:
            words = split(line) if not line.lstrip().startswith("#") else []
            if words:
                await self._run_words(words)
        except ClusterError as error:
            return output.error(error)
        return OK

    async def _run_words(self, words: Sequence[str]) -> None:
        request = parse_line(words)
        command, options = request.command, request.options
        assert command is not None  # noqa: S101 - there is a word
        output = Output(
            as_json=self._as_json or bool(options.get("json")), at_prompt=True
        )
        if request.page:
            output.text(page(command, at_prompt=True, width=output.width))
        elif command.where is Where.HERE:
            perform_here(request, output, at_prompt=True)
            self.over = command.name == "exit"
        else:
            timeout = options["timeout"] or self._kept.to.timeout
            await perform(request, command, self._kept.client, timeout, output)
