"""The command table: everything an operator can say to a node, one row each.

With the rows of `cli.local_commands`, the prompt, the one-shot command line,
`--json`, help, completion and the reference page are all made from these, and
the command server answers to their names. What a command does is never here.
"""

from __future__ import annotations

from typing import Final

from clusterkit.cluster.operating_commands import LIVING, OPERATING
from clusterkit.cluster.ring_commands import CHANGING, READING

COMMANDS: Final = {
    command.name: command for command in (*READING, *CHANGING, *LIVING, *OPERATING)
}
"""The table: every command that a node carries out, by its name."""
