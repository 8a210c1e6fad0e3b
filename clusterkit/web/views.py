"""What a node says of itself and its cluster over HTTP: plain values, no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clusterkit.cluster.readiness import STATUS
from clusterkit.errors import DecodeError
from clusterkit.httpcluster.cluster import HttpCluster

if TYPE_CHECKING:
    from clusterkit.cluster.members import Member
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.httpcluster.members import HttpMember

    Hosted: TypeAlias = ClusterNode | HttpCluster
    """What can be shown: a node with links, or one of a cluster over HTTP."""

LIVING = frozenset({"alive", "suspect"})
"""States of members that may be given work."""

NOTHING: Final = object()
"""What a member says that is not offline."""


def why_not_ready(node: Hosted) -> list[str]:
    """Return why a node is not to be given work; nothing if it is."""
    if node.phase != "running":
        return [phase(node)]
    reasons = [] if node.is_ready else ["the node is offline"]
    if isinstance(node, HttpCluster):
        return reasons
    return reasons + [f"no provider of {name}" for name in node.services.missing]


def phase(node: Hosted) -> str:
    """Return how far the life of a node has come, in words."""
    verb = "has" if node.phase == "ended" else "is"
    return f"the node {verb} {node.phase}"


def cluster(node: Hosted) -> dict[str, list[dict[str, Any]]]:
    """Return the members by whether they may be given work, as this node sees it."""
    parts: dict[str, list[dict[str, Any]]] = {"online": [], "offline": []}
    for member in node.members.all():
        said = _said(node, member.id)
        online = member.state in LIVING and said is NOTHING
        parts["online" if online else "offline"].append(_row(member, said))
    return parts


def _said(node: Hosted, name: str) -> Any:
    """Return what a member says of being offline; whatever it is, it says so."""
    try:
        return node.state.value(name, STATUS, NOTHING)
    except DecodeError:  # of a later version, and the book has said so
        return None


def _row(member: Member | HttpMember, said: Any) -> dict[str, Any]:
    row = {"name": member.id, **member.place()}
    row |= {"state": member.state, "since": round(member.since, 3)}
    return row | ({"status": said} if isinstance(said, str) else {})
