"""What an operator's commands do to a node's standing in its ring.

One function per operation, each taking the `Step` it belongs to. What peers say
is `merging`'s. The invariant is that each checks all its arguments before it
changes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.core.registers import MAX_NAMES
from clusterkit.core.ring_effects import LeftRing
from clusterkit.core.ring_input import check_weight
from clusterkit.core.ring_state import Kind
from clusterkit.errors import RingError
from clusterkit.names import NodeInfo, check_name, node_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clusterkit.core.ring_step import Step
    from clusterkit.core.standing import Standing


def valid_weight(weight: object, default: int) -> int:
    """Return `weight`, or `default` if it is None.

    Raises:
        RingError: It is not an integer from 1 to 65,536.
    """
    try:
        return default if weight is None else check_weight(weight)
    except ValueError as error:
        raise RingError(str(error)) from error


def insert(step: Step, nodes: Iterable[NodeInfo | str], weight: int | None) -> None:
    """Make the absent ones of `nodes` present, and send them the ring."""
    standing = step.standing
    fresh = _absent_nodes(standing, nodes)
    chosen = valid_weight(weight, standing.weight)
    if not fresh:
        return
    known = standing.state.entries
    if len(known.keys() | fresh.keys()) > MAX_NAMES:
        raise RingError(
            f"a ring holds at most {MAX_NAMES} names, removed ones included until "
            "tombstone_ttl has passed"
        )
    standing.enlist(dict.fromkeys(fresh.values(), chosen))
    step.send_state(fresh)
    step.spread(known, fresh)


def update(step: Step, node: NodeInfo | str, weight: int | None) -> None:
    """Write the record of a member; insert an absent node."""
    standing, node = step.standing, node_info(node)
    entry = standing.state.entries.get(node.id)
    if entry is None or not entry.present:
        insert(step, [node], weight)
        return
    if node.id == standing.name and node != standing.node:
        raise RingError(f"{node.id} listens on {standing.node}, not on {node}")
    chosen = valid_weight(weight, entry.record.weight)
    if (entry.node(node.id), entry.record.weight) != (node, chosen):
        known = standing.state.entries
        standing.rewrite(node, chosen)
        step.spread(known)


def remove(step: Step, names: Iterable[str]) -> None:
    """Make others absent, and tell them."""
    standing, known = step.standing, step.standing.state.entries
    asked = {check_name(name, "node id") for name in names} - {standing.name}
    gone = sorted(name for name in asked if known.lists(name))
    if not gone:
        return
    standing.remove(gone)
    news = standing.state.entries.news(known)
    step.send_some(gone, news)
    step.spread(known)


def leave(step: Step) -> None:
    """Leave the ring and its meetings; from alone, only the meetings."""
    standing = step.standing
    if standing.alone:
        standing.call_off()
        return
    ticket = standing.leave()
    if ticket is not None:
        step.note(LeftRing(ticket, moved=False))
        step.hand_over(ticket)


def meet(step: Step, peer: str) -> None:
    """Ask a node that is no member to become one ring with this one."""
    standing = step.standing
    if peer == standing.name or standing.state.entries.lists(peer):
        return
    standing.meeting.add(peer)
    step.send(peer, Kind.JOIN, standing.incarnation, standing.generation)


def move(step: Step, node: NodeInfo | str) -> None:
    """Take another address for this node."""
    standing, known = step.standing, step.standing.state.entries
    node = node_info(node)
    if node.id != standing.name:
        raise RingError(f"this node is {standing.name}, not {node.id}")
    standing.node = node
    standing.settle()
    step.spread(known)


def _absent_nodes(
    standing: Standing, nodes: Iterable[NodeInfo | str]
) -> dict[str, NodeInfo]:
    """Return which of `nodes` are absent, by name."""
    fresh: dict[str, NodeInfo] = {}
    for node in map(node_info, nodes):
        entry = standing.state.entries.get(node.id)
        present = entry is not None and entry.present
        known = entry.node(node.id) if entry and present else fresh.get(node.id, node)
        if known != node:
            raise RingError(
                f"{node.id} is a member at {known.address}, not at {node.address}: "
                "use update to move it"
            )
        if not present:
            fresh[node.id] = node
    return fresh
