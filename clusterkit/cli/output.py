"""What is printed, and where: data on stdout, everything else on stderr.

A terminal gets tables, anything else one line of JSON per result. The shape of
that line is a contract; what people see may change.
"""

from __future__ import annotations

import json
import os
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Final, TextIO

from clusterkit.cli.parser import PROGRAM
from clusterkit.cli.reading import Explained
from clusterkit.cli.render import Result, render, render_event
from clusterkit.cli.tables import Style
from clusterkit.cluster.command_spec import View
from clusterkit.errors import ClusterError, Rejected
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.cli.parser import Request
    from clusterkit.cluster.command_spec import Command

OK: Final = 0
REFUSED: Final = 1


class OutputLost(Exception):
    """Data cannot be written to stdout: it is full, or closed.

    No `ClusterError`: those are told on stdout, too.
    """


@frozen
class Failure:
    """An error as the command line tells it.

    Attributes:
        message: One or more lines for a person.
        code: Stable, for a program.
        status: What the process ends with.
    """

    message: str
    code: str
    status: int

    @classmethod
    def of(cls, error: ClusterError) -> Failure:
        """Return what is told of `error`.

        A refusal of the command server brings its own text and status.
        """
        match error:
            case Rejected(args=(str(text), int(status))):
                return cls(text, error.code, status)
        return cls(str(error), error.code, error.exit_status)

    def line(self) -> str:
        """Return the line of JSON."""
        error = {"message": self.message, "_error": True, "code": self.code}
        return json.dumps({"ok": False, "error": error})


def result_line(data: Any) -> str:
    """Return the line of JSON for a result; None is null."""
    return json.dumps({"ok": True, "data": data})


class Output:
    """Prints results and errors.

    Args:
        as_json: Print JSON although stdout is a terminal.
        at_prompt: Leave the program's name out of error messages.
        environ: The environment: `NO_COLOR` and `TERM` count.

    Raises:
        OutputLost: There is no stdout.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        at_prompt: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        if sys.stdout is None:
            raise OutputLost("it is closed")
        terminal = sys.stdout.isatty()
        self.as_json = as_json or not terminal
        self._prefix = "" if at_prompt else f"{PROGRAM}: "
        colours = terminal and "NO_COLOR" not in environ
        self._style = Style(
            colours=colours and environ.get("TERM") != "dumb",
            width=get_terminal_size().columns if terminal else 0,
        )
        for stream in (sys.stdout, sys.stderr):
            _never_fail(stream)

    @property
    def width(self) -> int:
        """Columns of the terminal; 0 where it is none."""
        return self._style.width

    def result(
        self,
        request: Request,
        data: Any,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        """Print the result of a command.

        Args:
            request: What was asked for.
            data: The result.
            beside: Results of the queries that its picture needs, by name.
        """
        command = request.command
        if self.as_json or command is None:
            self.text(result_line(data if command is None else _plain(command, data)))
            return
        if command.unchanged and data is False:
            self.text(command.unchanged.format_map(request.values))
            return
        result = Result(
            data=data, beside=beside or {}, options=request.view, style=self._style
        )
        self.text(render(command.view, result))

    def event(self, data: dict[str, Any]) -> None:
        """Print one event of `watch`."""
        self.text(json.dumps(data) if self.as_json else render_event(data, self._style))

    def error(self, error: ClusterError) -> int:
        """Print an error; return its exit status."""
        failure = Failure.of(error)
        if self.as_json:
            self.text(failure.line())
        self.note(f"{self._prefix}{failure.message}")
        if isinstance(error, Explained) and error.hint:
            self.note(error.hint)
        return failure.status

    def text(self, text: str) -> None:
        """Print data, at once and in one piece; nothing at all if it is empty.

        Raises:
            OutputLost: It cannot be written.
            BrokenPipeError: Whoever read it has gone.
        """
        if not text:
            return
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(error.strerror or str(error)) from error

    def note(self, text: str) -> None:
        """Tell the user something that is no data."""
        tell(text)


def _plain(command: Command, data: Any) -> Any:
    """Return a result in the shape that the reference page has."""
    if command.view is View.DONE:
        return None
    hidden = command.for_people
    if not hidden:
        return data
    return [{k: v for k, v in row.items() if k not in hidden} for row in data]


def tell(text: str) -> None:
    """Print a line on stderr, if there is one that can be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # Nobody can be told; the exit status says it all the same.
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Have what is written to a stream vanish, also what could not be written.

    Python flushes it once more at its end, and would complain.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _never_fail(stream: TextIO) -> None:
    """Print a `?` where a terminal's encoding has no such character."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
