"""The reference page of the command line, generated from the command table.

`python -m clusterkit.cli.reference` prints it; docs/reference/cli.md is what it
printed last, and a test says so when it is not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from clusterkit.cli.help_pages import STATUSES, option_row
from clusterkit.cli.local_commands import CONNECTION_OPTIONS, LOCAL, OUTPUT_OPTIONS
from clusterkit.cli.parser import PROGRAM
from clusterkit.cluster.command_spec import Where
from clusterkit.cluster.operating_commands import LIVING, OPERATING
from clusterkit.cluster.ring_commands import CHANGING, READING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clusterkit.cluster.command_spec import Command

_HEAD: Final = f"""\
# cluster-cli

Generated from the command table by `python -m clusterkit.cli.reference`; a test
keeps it current.

```console
$ {PROGRAM} [options] [command …]
```

With a command it does that and ends. Without one it is a prompt, or, when
standard input is no terminal, it carries out the lines that come there; empty
ones and those that begin with `#` do nothing, one that fails does not stop the
next, and the exit status is that of the first that failed.
`python -m clusterkit` is the same program.
"""

_OUTPUT: Final = """\
## Output

Data is on stdout, everything else on stderr. On a terminal data is a table or a
picture; anywhere else, and with `--json`, it is one line of JSON for each
command, whatever the exit status (but not after Ctrl-C). `run` and `demo` print
text of their own, and so does `help` unless it is given `--json`.

```json
{"ok": true, "data": …}
{"ok": false, "error": {"message": …, "_error": true, "code": …}}
```

`data` is described with each command. `code` is one of
[the errors' codes](errors.md), `usage`, `forbidden`, or what an actor of the
application rejects with.

`NO_COLOR` in the environment turns colours off.
"""

_COOKIE: Final = """\
## The cookie

The first of these counts: `-a`, `--cookie-file`, the variable
`CLUSTERKIT_COOKIE`, the file that `CLUSTERKIT_COOKIE_FILE` names, `cookie_file` in
the file of settings of a node that is run, the file `~/.clusterkit.cookie`. A file
that others can read is refused. `cluster-cli cookie new` makes one; [rotate the
cookie](../how-to/rotate-the-cookie.md) says how to change it. A file holds one
cookie on a line: the first dials, all are accepted, lines with a `#` are comments.
"""

_TLS: Final = """\
## TLS

With `--tls-cert`, `--tls-key` and `--tls-ca`, or the variables
`CLUSTERKIT_TLS_CERT`, `CLUSTERKIT_TLS_KEY` and `CLUSTERKIT_TLS_CA`, the connection
is encrypted, and both ends show a certificate. It takes all three. How to make
them is in [Encrypt the links](../how-to/tls.md).
"""

_PROMPT: Final = """\
## The prompt

`foo> ` says which node is spoken to; `foo (disconnected)> ` that it is away. It
is dialled until it is back, and commands fail meanwhile. Tab completes commands,
options, and names of nodes and actors. Ctrl-C takes back what is typed, or stops
what runs; Ctrl-D ends. What was typed is kept in
`$XDG_STATE_HOME/clusterkit/history`, lines with a cookie excepted. JSON needs no
quotes around it: `call counter add {"by": 5}`.
"""


def reference() -> str:
    """Return the page, in Markdown."""
    parts = [_HEAD, _commands(), _options(), _COOKIE, _TLS, _OUTPUT, _statuses()]
    return "\n".join([*parts, _PROMPT])


def _commands() -> str:
    groups = (
        ("Asking", READING),
        ("Changing the ring", CHANGING),
        ("Members", LIVING),
        ("Operating", OPERATING),
        ("Without a node", LOCAL),
    )
    parts = ["## Commands", ""]
    for title, commands in groups:
        parts += [f"### {title}", ""]
        for command in commands:
            parts += [*_command(command), ""]
    return "\n".join(parts)


def _command(command: Command) -> list[str]:
    lines = [f"#### `{command.usage}`", "", command.help]
    if command.details:
        lines += [command.details]
    lines += ["", f"- Changes: {command.changes or 'nothing'}."]
    lines += [f"- On a terminal: {command.view.value}.", f"- As JSON: {command.data}."]
    if command.where is not Where.NODE:
        lines.append(f"- Carried out by {command.where.value}.")
    rows = [(f"`{a.usage}`", a.help) for a in command.arguments]
    rows += [(f"`{left}`", right) for left, right in map(option_row, command.options)]
    if rows:
        lines += ["", *_table(("word", "meaning"), rows)]
    typed, shown = command.example
    return [*lines, "", "```", f"{PROGRAM} {typed}", *([shown] * bool(shown)), "```"]


def _options() -> str:
    rows = [
        (f"`{left}`", right)
        for left, right in map(option_row, (*CONNECTION_OPTIONS, *OUTPUT_OPTIONS))
    ]
    rows += [("`--version`", "Show the versions of the program and the protocol.")]
    rows += [("`-h, --help`", "Show help, about a command if one is given.")]
    lines = ["## Options", "", "Before or after the command; not with `run`, which has"]
    lines += [
        "its own and shares them with `config show`. `cookie new` needs none of them.",
        "",
        *_table(("option", "meaning"), rows),
    ]
    return "\n".join([*lines, ""])


def _statuses() -> str:
    rows = [(f"{status}", text) for status, text in STATUSES.items()]
    table = _table(("status", "meaning"), rows)
    return "\n".join(["## Exit status", "", *table, ""])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *escaped]
    return [f"| {' | '.join(line)} |" for line in lines]


if __name__ == "__main__":
    sys.stdout.write(reference())
