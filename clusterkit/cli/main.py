"""`cluster-cli`: from words to an exit status.

Everything that goes wrong ends here as a line and a status. Only what nobody
foresaw shows a traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import trio

import clusterkit
from clusterkit.cli.destination import destination
from clusterkit.cli.help_pages import overview, page
from clusterkit.cli.loading import INTERRUPTED, loaded
from clusterkit.cli.output import OK, REFUSED, Output, OutputLost, discard, tell
from clusterkit.cli.parser import PROGRAM, parse
from clusterkit.cli.perform import perform_here, perform_once
from clusterkit.cluster.command_spec import Where
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
        loaded()
        occupy_standard_streams()
        return _run(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard(sys.stdout)  # whoever read the output has gone: go without a word
        return REFUSED
    except OutputLost as error:
        tell(f"{PROGRAM}: cannot write to stdout: {error}")
        if sys.stdout is not None:
            discard(sys.stdout)
        return REFUSED


def occupy_standard_streams() -> None:
    """Open nothing in the place of each standard stream that is closed.

    The next file or socket would get its number, and be read or written as if
    it were the stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for good


def _run(words: Sequence[str]) -> int:
    options = takewhile(lambda word: word != "--", words)
    output = Output(as_json="--json" in options)
    try:
        return _carry_out(parse(words), output)
    except ClusterError as error:
        return output.error(error)
    except (BrokenPipeError, OutputLost):
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence
        traceback.print_exc()
        return output.error(ClusterError(f"{type(error).__name__}: {error}"))


def _carry_out(request: Request, output: Output) -> int:
    command = request.command
    if request.page == "version":
        output.text(VERSION)
    elif request.page == "help":
        width = output.width
        output.text(
            overview(width=width) if command is None else page(command, width=width)
        )
    elif command is None:
        return _converse(request, output)
    elif command.where is Where.NODE:
        to = destination(request.options, output.note)
        return trio.run(perform_once, request, to, output)
    elif command.where.at_prompt:
        perform_here(request, output)
    else:
        return _carry_out_at_shell(command.name, request, output)
    return OK


def _carry_out_at_shell(name: str, request: Request, output: Output) -> int:
    if name == "run":
        from clusterkit.cli.run import run_node

        return trio.run(run_node, request.values, output)
    if name == "demo":
        from clusterkit.cli.demo import run_demo

        return trio.run(run_demo, output)
    if name == "config":
        from clusterkit.cli.config_command import carry_out_config

        return carry_out_config(request, output)
    from clusterkit.cli.cookie_command import carry_out_cookie

    return carry_out_cookie(request, output)


def _converse(request: Request, output: Output) -> int:
    """Take commands from the terminal, or from whatever standard input is."""
    to = destination(request.options, output.note)
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        from clusterkit.cli.repl import interact

        return trio.run(interact, to, output)
    from clusterkit.cli.pipe import run_lines

    return trio.run(run_lines, to, output)
