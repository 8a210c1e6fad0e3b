"""What members say of themselves, as a node's command server tells it to a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.cluster.json_values import json_value
from clusterkit.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from clusterkit.cluster.node_state import NodeState

MEMBER_FIELDS: Final = ("id", "host", "port", "state", "incarnation", "phi", "since")
"""What is told of a member."""


def state_rows(state: NodeState, only: str | None) -> dict[str, dict[str, Any]]:
    """Return the keys of all members, or of one."""
    peers = state.peers() if only is None else (only,)
    return {p: {key: _value(state, p, key) for key in state.keys(p)} for p in peers}


def _value(state: NodeState, peer: str, key: str) -> Any:
    try:
        return json_value(state.value(peer, key))
    except (DecodeError, EncodeError) as error:  # of a class that is not known here
        return {"error": str(error)}
