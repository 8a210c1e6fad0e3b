"""Many calls at once: one answer per node, in the order of the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from clusterkit.errors import ClusterError
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

R = TypeVar("R")


@frozen
class Answer(Generic[R]):
    """What one node of a `multi_call` answered.

    Attributes:
        node: The node.
        value: Its result; None if it failed.
        error: Why it failed; None if it did not.
    """

    node: str
    value: R | None = None
    error: ClusterError | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


async def gather(
    nodes: Sequence[str], ask: Callable[[str], Awaitable[Any]]
) -> list[Answer[Any]]:
    """Ask every node at once; wait for the last. One failure spoils no other.

    Args:
        nodes: Whom to ask; a name may stand twice and is asked twice.
        ask: Calls one node.

    Returns:
        One answer per node, in the same order.
    """
    answers: list[Answer[Any]] = [Answer(node) for node in nodes]

    async def ask_one(index: int, node: str) -> None:
        try:
            answers[index] = Answer(node, await ask(node))
        except ClusterError as error:
            answers[index] = Answer(node, error=error)

    async with trio.open_nursery() as nursery:
        for index, node in enumerate(nodes):
            nursery.start_soon(ask_one, index, node)
    return answers
