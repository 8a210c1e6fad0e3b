"""Which cookies the members of a ring accept, and how they are told to look again.

Asked by an operator's tool, of one node, which asks the others. No cookie is in
what they answer, only what tells one from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.actors.faults import text_of
from clusterkit.cluster.answers import gather
from clusterkit.cluster.own_names import NODE
from clusterkit.errors import NotAllReached

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.answers import Answer
    from clusterkit.cluster.node import ClusterNode
    from clusterkit.errors import ClusterError


async def cookie_rows(
    node: ClusterNode, runtime: Runtime, timeout: float
) -> list[dict[str, Any]]:
    """Return one row for each member, and for the node itself in any case."""
    return [_row(a) for a in await _ask(node, runtime, "cookies", timeout)]


async def reload_cookies(
    node: ClusterNode,
    runtime: Runtime,
    timeout: float,
    *,
    everywhere: bool,
    force: bool,
) -> None:
    """Have the node, or every member, read its own cookie file again.

    Raises:
        ConfigError: The node could not; it goes on with what it had.
        NotAllReached: Some members could not, or did not answer; names them.
    """
    if not everywhere:
        await node.cookies.reload(force=force)
        return
    answers = await _ask(node, runtime, "reload", timeout, force=force)
    failures = {a.node: a.error for a in answers if a.error is not None}
    if failures:
        what = [f"{name} ({_why(error)})" for name, error in failures.items()]
        raise NotAllReached(f"not reloaded: {', '.join(what)}", failures)


async def _ask(
    node: ClusterNode,
    runtime: Runtime,
    event: str,
    timeout: float,
    **values: object,
) -> list[Answer[Any]]:
    async def ask(member: str) -> Any:
        return await runtime.call(member, NODE, event, (), values, timeout)

    members = {node.name, *(member.id for member in node.ring.nodes())}
    return await gather(sorted(members), ask)


def _row(answer: Answer[Any]) -> dict[str, Any]:
    known = answer.value or {}
    return {
        "node": answer.node,
        "accepts": known.get("accepts"),
        "file": known.get("file"),
        "error": None if answer.error is None else _why(answer.error),
    }


def _why(error: ClusterError) -> str:
    """Return the text of an error without the actor that was called."""
    return text_of(error.args[0] if error.args else error)
