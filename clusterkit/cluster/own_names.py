"""What the actors that every node has of its own are registered as.

Names alone: who calls one of them does not have to load what it does.
"""

from __future__ import annotations

from typing import Final

COMMAND: Final = "command"
"""Answers to operators' tools: `command_server`."""

RING: Final = "_ring"
"""The ring's actor, beside the ring's name: a node that is in no ring still has
to hear what rings say about it."""

NODE: Final = "_node"
"""Answers for the node itself, to other nodes: `node_actor`."""

BENCH: Final = "_bench"
"""The far end of a bench: `bench_target`."""

STATE: Final = "_state"
"""Has the keys of all members: `node_state`."""

MEMBERS: Final = "_members"
"""Knows which members are alive: `members`."""

CHANNELS: Final = "_channels"
"""Takes messages of channels: `channels`."""

IN_BACKGROUND: Final = frozenset({STATE, MEMBERS})
"""Those that call each other by themselves, whatever the program does."""

OWN: Final = frozenset({COMMAND, RING, NODE, BENCH, STATE, MEMBERS, CHANNELS})
"""All of them. The ring's name is another one of `RING`."""
