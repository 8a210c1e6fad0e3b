"""`cluster-cli`: from words to an exit status.

Everything that goes wrong ends here as a line and a status. Only what nobody
foresaw shows a traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Final

import trio

import clusterkit
from clusterkit.cli.destination import destination
from clusterkit.cli.help_pages import overview, page
from clusterkit.cli.output import INTERRUPTED, OK, REFUSED, Output
from clusterkit.cli.parser import PROGRAM, parse
from clusterkit.cli.perform import perform_here, perform_once
from clusterkit.cluster.command_spec import Where
from clusterkit.cluster.cookies import COOKIE_FILE, new_cookie
from clusterkit.errors import ClusterError
from clusterkit.wire.messages import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clusterkit.cli.parser import Request

VERSION: Final = f"{PROGRAM} {clusterkit.__version__} (protocol {PROTOCOL})"


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command line.

    Args:
        words: What follows the program's name; by default this process's own.

    Returns:
        The exit status.
    """
    try:
        return _run(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _hang_up()


def _run(words: Sequence[str]) -> int:
    output = Output(as_json="--json" in words)
    try:
        return _carry_out(parse(words), output)
    except ClusterError as error:
        return output.error(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence
        traceback.print_exc()
        return output.error(ClusterError(f"{type(error).__name__}: {error}"))


def _carry_out(request: Request, output: Output) -> int:
    command = request.command
    if request.page == "version":
        output.text(VERSION)
    elif request.page == "help":
        output.text(overview() if command is None else page(command))
    elif command is None:
        return _converse(request, output)
    elif command.where is Where.NODE:
        to = destination(request.options, output.note)
        return trio.run(perform_once, request, to, output)
    elif command.name == "run":
        from clusterkit.cli.run import run_node

        return trio.run(run_node, request.values, output)
    elif command.name == "demo":
        from clusterkit.cli.demo import run_demo

        return trio.run(run_demo, output)
    elif command.name == "cookie":
        _make_cookie(request, output)
    else:
        perform_here(request, output)
    return OK


def _converse(request: Request, output: Output) -> int:
    """Take commands from the terminal, or from whatever standard input is."""
    to = destination(request.options, output.note)
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        from clusterkit.cli.repl import interact

        return trio.run(interact, to, output)
    from clusterkit.cli.pipe import run_lines

    return trio.run(run_lines, to, output)


def _make_cookie(request: Request, output: Output) -> None:
    path = request.values.get("path", COOKIE_FILE)
    file = new_cookie(path, force=request.values.get("force", False))
    output.note(f"wrote {file}")
    output.result(request, str(file))


def _hang_up() -> int:
    """Go without a word: whoever read the output has gone already."""
    # Python flushes stdout once more at its end, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return REFUSED
