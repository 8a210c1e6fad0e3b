"""Every command that can be typed: the node's, and those that need none."""

from __future__ import annotations

from typing import Final

from clusterkit.cli.local_commands import LOCAL
from clusterkit.cluster import commands

COMMANDS: Final = {
    **commands.COMMANDS,
    **{command.name: command for command in LOCAL},
}
"""The table: every command by its name, in the order help shows them."""
